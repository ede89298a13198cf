"""What a person expects of `workspace-write`: builds, tests, packages and git work, without the network."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from codexd.keeper.session import signal_session
from codexd.sandbox.confinement import Mechanism
from codexd.sandbox.placeholders import Placeholders
from sandbox_arena import PYTHON, arena

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the mechanisms are those of Linux"),
    pytest.mark.slow,
]
MECHANISMS: list[Mechanism] = ["bubblewrap", "namespaces"]

_PYTHON = r"""
import multiprocessing, os, pty, signal, socket, sqlite3, subprocess, tempfile, threading

with socket.create_server(("127.0.0.1", 0)) as server:  # a network of its own, without the machine's
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    client.sendall(b"hello")
    assert accepted.recv(9) == b"hello"
one, other = socket.socketpair()
one.sendall(b"x")
assert other.recv(1) == b"x"
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
thread = threading.Thread(target=os.getpid)
thread.start()
thread.join()
with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:
    with sqlite3.connect(os.path.join(folder, "db")) as db:
        db.execute("create table t (n)")
    os.chmod(os.path.join(folder, "db"), 0o600)
    os.utime(os.path.join(folder, "db"), (1, 1))
    os.link(os.path.join(folder, "db"), os.path.join(folder, "hard"))
    os.rename(os.path.join(folder, "hard"), os.path.join(folder, "moved"))
with open("/tmp/codexd-work-in-a-sandbox", "w") as file:
    file.write("temporary")
os.unlink("/tmp/codexd-work-in-a-sandbox")
with open("/dev/shm/own", "w") as file:
    file.write("of its own")
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "stty size; test -t 0 && echo a terminal"])
said = b""
while True:
    try:
        chunk = os.read(terminal, 999)
    except OSError:
        break
    if not chunk:
        break
    said += chunk
assert os.waitpid(pid, 0)[1] == 0
assert b"a terminal" in said
# Job control: a shell stops a job, sees that, and lets it go on.
jobs = "set -m; sleep 60 & kill -STOP %1; jobs; kill -CONT %1; kill %1; wait %1; echo $?"
done = subprocess.run(["bash", "-c", jobs], capture_output=True, text=True)
assert done.stdout.strip().endswith("143"), done
assert subprocess.run("yes | head -n 99999 | wc -l", shell=True, capture_output=True).stdout == b"99999\n"
child = subprocess.Popen(["sleep", "60"])
child.send_signal(signal.SIGTERM)
assert child.wait() == -signal.SIGTERM
assert os.environ["CODEXD_SANDBOX"] == "workspace-write"
assert os.environ["CODEXD_SANDBOX_NETWORK_DISABLED"] == "1"
print("all of it")
"""


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_processes_files_and_terminals(mechanism: Mechanism) -> None:
    with arena(mechanism, "workspace-write", slash_tmp=True) as place:
        done = place.run(sys.executable, "-c", _PYTHON)
        assert (done.stdout, done.stderr) == ("all of it\n", "")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_build_with_make(mechanism: Mechanism) -> None:
    if shutil.which("gcc") is None or shutil.which("make") is None:
        pytest.skip("gcc and make are not installed")
    with arena(mechanism, "workspace-write", slash_tmp=True) as place:
        workspace = place.base / "workspace"
        (workspace / "hello.c").write_text('#include <stdio.h>\nint main(void) { puts("hi"); }\n')
        (workspace / "Makefile").write_text("all: hello\n\t./hello\n")
        done = place.run("make", "--silent", "-j2")
        assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_git_reads_the_repository_and_may_not_commit_to_it(mechanism: Mechanism) -> None:
    with arena(mechanism, "workspace-write") as place:
        workspace = place.base / "workspace"
        shutil.rmtree(workspace / ".git")
        place.unconfined = True
        begin = (
            "git init -q -b main . && git config user.name Ann && git config user.email ann@example.com && "
            "echo one > file && git add file && git commit -qm First && echo two >> file"
        )
        assert place.run("sh", "-c", begin).returncode == 0
        place.unconfined = False
        read = place.run(
            "sh", "-c", "git status --short && git diff --stat && git log --oneline | wc -l"
        )
        assert read.returncode == 0, read.stderr
        assert " M file" in read.stdout
        assert "1 insertion" in read.stdout
        refused = place.run("git", "commit", "-qam", "Second")
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr
        # A repository further down is the workspace's content, as any.
        clone = place.run(
            "sh",
            "-c",
            "git clone -q . copy && cd copy && git -c user.name=A -c user.email=a@b "
            "commit -q --allow-empty -m Second && git log --oneline | wc -l",
        )
        assert clone.stdout.strip() == "2", clone.stderr


def test_python_packages_and_their_tests() -> None:
    with arena("bubblewrap", "workspace-write", slash_tmp=True) as place:
        workspace = place.base / "workspace"
        _wheel(workspace / "greet-1.0-py3-none-any.whl")
        (workspace / "test_greet.py").write_text(
            "import greet\n\ndef test_it(tmp_path):\n    (tmp_path / 'x').write_text('x')\n    assert greet.HI == 'hi'\n"
        )
        made = place.run(sys.executable, "-m", "venv", "--without-pip", "env")
        assert made.returncode == 0, made.stderr
        pip = [sys.executable, "-m", "pip", "--python", "env", "install", "--quiet", "--no-index"]
        installed = place.run(*pip, "--disable-pip-version-check", "./greet-1.0-py3-none-any.whl")
        assert installed.returncode == 0, installed.stderr
        run = 'env/bin/greet && PYTHONPATH=$(echo env/lib/python*/site-packages) exec "$0" -m pytest -q'
        done = place.run("sh", "-c", run, sys.executable)
        assert "1 passed" in done.stdout, done.stdout + done.stderr
        assert done.stdout.startswith("hi\n")


def test_a_package_of_npm() -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    with arena("namespaces", "workspace-write", slash_tmp=True) as place:
        local = place.base / "workspace" / "local"
        local.mkdir()
        (local / "package.json").write_text('{"name": "local", "version": "1.0.0", "main": "i.js"}')
        (local / "i.js").write_text('module.exports = "hi";')
        npm = (
            "export npm_config_cache=$PWD/cache npm_config_update_notifier=false; npm init -y >/dev/null && "
            "npm install --offline --no-audit --no-fund ./local >/dev/null && node -p 'require(\"local\")'"
        )
        done = place.run("sh", "-c", npm)
        assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr


def _wheel(path: Path) -> None:
    info = "greet-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("greet.py", "HI = 'hi'\n\ndef main():\n    print(HI)\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\ngreet = greet:main\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_a_private_file_of_the_workspace_stays_readable() -> None:
    with arena("bubblewrap", "workspace-write") as place:
        private = place.base / "workspace" / "private"
        private.write_text("mine")
        os.chmod(private, 0o600)
        assert place.run("cat", str(private)).stdout == "mine"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_command_that_is_ended_tidies_up(mechanism: Mechanism) -> None:
    """The signal goes to the whole session, in which the sandbox is, too."""
    line = "trap 'echo tidied > tidied; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with arena(mechanism, "workspace-write") as place:
        with place.started("sh", "-c", line) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            signal_session(running.pid, signal.SIGTERM)
            assert running.wait(20) == 3
        assert (place.base / "workspace" / "tidied").exists()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_a_terminal_sends_is_for_the_command(mechanism: Mechanism) -> None:
    line = (
        "import time\ntry:\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n    raise SystemExit(4)"
    )
    with arena(mechanism, "workspace-write") as place:
        argv = place.confined(PYTHON, "-c", line)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(place.base / "workspace")
            os.execv(argv[0], argv)
        try:
            read_until(terminal, b"ready")
            os.write(terminal, b"\x03")
            read_until(terminal, b"interrupted")
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
        finally:
            os.close(terminal)


def read_until(terminal: int, text: bytes) -> None:
    said = b""
    while text not in said:
        said += os.read(terminal, 999)


def test_placeholders_stay_while_a_command_is_confined_there() -> None:
    with arena("bubblewrap", "workspace-write") as place:
        missing = place.base / "workspace" / ".agents"
        with place.started("cat") as running:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write("there\n")
            running.stdin.flush()
            assert running.stdout.readline() == "there\n"
            next_daemon = Placeholders(place.base / "home" / "sandbox")
            assert not next_daemon.sweep()
            assert missing.is_dir()
            running.stdin.close()
            assert running.wait(20) == 0
        assert next_daemon.sweep()
        assert not missing.exists()
        # What a person has put there is theirs.
        place.run("true")
        (missing / "skill").write_text("mine")
        assert Placeholders(place.base / "home" / "sandbox").sweep()
        assert (missing / "skill").read_text() == "mine"


_MENDED = """
import os, sys
from pathlib import Path
from codexd.sandbox.confinement import Confinement
confinement = Confinement([], Path(sys.argv[1]), os.environ, only="bubblewrap")
print(confinement.active.mechanism, confinement.enforcement().modes)
Path(sys.argv[2]).write_bytes(Path(sys.argv[3]).read_bytes())
print(confinement.active.mechanism, confinement.enforcement().modes)
"""


def test_a_mechanism_that_is_mended_is_found_without_a_restart(tmp_path: Path) -> None:
    real = shutil.which("bwrap")
    if real is None:
        pytest.skip("bubblewrap is not installed")
    broken, copy = tmp_path / "broken", tmp_path / "copy"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    shutil.copy(real, copy)
    # For this process alone the program is another.
    outer = (real, "--dev-bind", "/", "/", "--bind", str(broken), real, "--")
    script = (sys.executable, "-c", _MENDED, str(tmp_path), real, str(copy))
    ran = subprocess.run((*outer, *script), capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "None ('danger-full-access',)",
        "bubblewrap ('read-only', 'workspace-write', 'danger-full-access')",
    ]
