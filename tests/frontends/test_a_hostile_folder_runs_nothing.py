"""No file in the folder where a command is started is imported, by the command or by the daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codexd.machine.python_child import python_command
from codexd_frontends.subcommands import SUBCOMMANDS
from daemon_house import PATIENCE_SECONDS, Home
from hostile_names import OF_THE_START, Traps

from .codexctl import Ended, playing

BIN = Path(sys.executable).parent
# What each command is given, in an order in which each has something to do; T is a thread.
WORDS = (
    ("start",),
    ("send", "run echo word"),
    ("exec", "--skip-git-repo-check", "run echo word"),
    ("list",),
    ("search", "word"),
    ("show", "T"),
    ("log", "T"),
    ("usage", "T"),
    ("fork", "T"),
    ("rename", "T", "name"),
    ("queue", "list", "T"),
    ("pin", "T", "1"),
    ("unpin", "T", "1"),
    ("attach", "T"),
    ("approve", "T", "--yes"),
    ("policy", "check", "ls"),
    ("interrupt", "T"),
    ("ps",),
    ("kill", "--all"),
    ("type", "1", "word"),
    ("review", "--base", "main"),
    ("compact", "T", "--preview"),
    ("revert", "T"),
    ("archive", "T"),
    ("unarchive", "T"),
    ("export", "T", "-o", "package.codexd.tar"),
    ("scrub", "T", "word"),
    ("fsck",),
    ("delete", "--yes", "T"),
    ("import", "package.codexd.tar"),
    ("config", "explain", "model"),
    ("login", "--with-api-key"),
    ("model", "list"),
    ("feedback",),
    ("doctor",),
    ("on", "log.repaired", "--name", "n", "--", "true"),
    ("hooks", "receipts"),
    ("whoami",),
    ("limits",),
    ("logout",),
    ("status",),
    ("paths",),
    ("mcp", "list"),
    ("sandbox", "/bin/true"),
    ("app-server",),
    ("acp",),
    ("service", "install", "--dry-run"),
    ("service", "logs"),
    ("restart",),
    ("stop",),
)


def run(home: Home, folder: Path, *words: str, **env: str) -> Ended:
    """Run an installed command in a folder."""
    with subprocess.Popen(
        [str(BIN / words[0]), *words[1:]],
        env=home.env | env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if words[1] == "attach":  # which goes on until somebody leaves
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(process.returncode, out, err)


def ran_all(home: Home, traps: Traps, **env: str) -> None:
    """Run every command in the folder; none may fail for what stands there."""
    thread = ""
    for words in WORDS:
        ended = run(
            home, traps.folder, "codexctl", *(thread if w == "T" else w for w in words), **env
        )
        assert "Traceback" not in ended.err, ended.err
        assert traps.ran == [], f"{words} ran {traps.ran}"
        if words[0] in ("send", "list", "show", "export", "status", "stop"):
            assert ended.code == 0, (words, ended)
        if words[0] == "send":
            thread = ended.err.split()[1]


@pytest.fixture(params=[False, True], ids=["modules", "packages"])
def traps(request: pytest.FixtureRequest, home: Home) -> Traps:
    """The folder where the commands are run."""
    return Traps(home.work, packages=request.param)


def test_the_list_has_every_command() -> None:
    assert {words[0] for words in WORDS} == {row.name for row in SUBCOMMANDS}


def test_every_command_and_the_daemon_that_it_starts(home: Home, traps: Traps) -> None:
    assert len(traps.names) > 300
    with playing() as model:
        home.use_model(model.base_url)
        ran_all(home, traps)


def test_every_command_with_the_folder_on_the_path_of_python(home: Home) -> None:
    traps = Traps(home.work, packages=False)
    with playing() as model:
        home.use_model(model.base_url)
        trap = str(traps.folder / "queue.py")
        ran_all(home, traps, PYTHONPATH=".", PYTHONSTARTUP=trap, PYTHONPYCACHEPREFIX=".")


def test_the_daemon_as_a_command_of_its_own(home: Home, traps: Traps) -> None:
    version = run(home, traps.folder, "codexd", "--version")
    assert (version.code, version.err) == (0, "")
    paths = run(home, traps.folder, "codexd", "--print-paths", PATH=f".:{home.env['PATH']}")
    assert str(home.path) in paths.out
    assert traps.ran == []


@pytest.mark.parametrize("module", ["codexd", "codexd.models.scripted", "codexd_frontends.ctl"])
def test_a_process_that_we_start_is_deaf_to_the_variables_of_python(
    home: Home, traps: Traps, module: str
) -> None:
    done = subprocess.run(
        [*python_command(module), "--help"],
        env=home.env | {"PYTHONPATH": str(traps.folder), "PYTHONSTARTUP": "queue.py"},
        cwd=traps.folder,
        capture_output=True,
        check=True,
    )
    assert b"usage:" in done.stdout
    assert traps.ran == []


def test_a_module_run_by_name_leaves_the_working_directory_out_before_it_imports(
    home: Home,
) -> None:
    ours = frozenset(name for name in sys.modules if name.startswith("codexd"))
    # What `python -m` itself imports comes before anything of ours.
    script = "import runpy, sys; print(*sys.modules)"
    own = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True)
    spared = ours | OF_THE_START | {*own.stdout.decode().split()}
    traps = Traps(home.work, packages=False, spared=frozenset(spared))
    assert len(traps.names) > 250
    for module in ("codexd", "codexd_frontends.ctl"):
        done = subprocess.run(
            [sys.executable, "-m", module, "--version"],
            env=home.env,
            cwd=traps.folder,
            capture_output=True,
            check=True,
        )
        assert b"0." in done.stdout
    assert traps.ran == []


def test_a_command_of_the_person_keeps_the_variables_of_python(home: Home) -> None:
    with playing() as model:
        home.use_model(model.base_url)
        sent = run(
            home, home.work, "codexctl", "send", "run echo path=$PYTHONPATH", PYTHONPATH="/of/mine"
        )
        assert "path=/of/mine" in sent.out + sent.err


def test_the_daemon_leaves_the_folder_that_it_was_started_in(home: Home) -> None:
    folder = home.work / "passing"
    folder.mkdir()
    daemon = home.launch(cwd=folder)
    daemon.wait_said("answers on")
    assert os.readlink(f"/proc/{daemon.pid}/cwd") == "/"
    folder.rmdir()
    assert run(home, home.work, "codexctl", "list").code == 0


def test_places_given_relative_to_the_folder_are_found_from_there(home: Home) -> None:
    env = {"CODEXD_HOME": "h"}
    assert run(home, home.root, "codexctl", "start", **env).code == 0
    assert home.socket.is_socket()
    assert run(home, home.root, "codexctl", "stop", **env).code == 0


def in_a_folder_that_is_gone(home: Home, *words: str) -> Ended:
    """What a command says in a folder that is removed under it."""
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(BIN / words[0]), *words[1:]],
        env=home.env,
        cwd=home.work,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_in_a_missing_folder_commands_work_or_report_it(home: Home) -> None:
    for words in (["start"], ["list"], ["status"], ["fsck"]):
        ended = in_a_folder_that_is_gone(home, "codexctl", *words)
        assert ended.code == 0, ended
    for words in (["send", "hi"], ["review"], ["import", "x"], ["--socket", "s", "list"]):
        ended = in_a_folder_that_is_gone(home, "codexctl", *words)
        assert "Traceback" not in ended.err
        assert "the working directory is gone" in ended.err
    assert in_a_folder_that_is_gone(home, "codexctl", "stop").code == 0
