"""What the attacks of `sandbox_attacks.py` are aimed at, and whether they hit it.

with arena(mechanism, mode) as place:
    outcomes = place.attacked()
    assert place.damage() == []
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sandbox_attacks
from codexd.core.values.enforced import Sandbox
from codexd.core.values.settings import SandboxAccess, SandboxMode
from codexd.sandbox.confinement import Confinement, Mechanism

ATTACKS = Path(sandbox_attacks.__file__)
PYTHON = "/usr/bin/python3"  # any user may run it
NOBODY = 65534
IPC_CREATE = 0o1000 | 0o666
_KERNEL_SETTINGS = ("/proc/sys/kernel/core_pattern",)
_LIBC = ctypes.CDLL(None, use_errno=True)

_VICTIM = """
import ctypes, os, sys
memory = ctypes.create_string_buffer(b"whole" * 4)
print(os.getpid(), ctypes.addressof(memory), flush=True)
sys.stdin.readline()
print(memory.value.decode())
"""


class Outcome(msgspec.Struct, frozen=True):
    """What became of an attack."""

    name: str
    outcome: str
    said: str


class Arena:
    """A workspace in a sandbox, and things around it that must stay as they are."""

    def __init__(
        self, base: Path, mechanism: Mechanism, sandbox: Sandbox, facts: dict[str, Any], user: int
    ) -> None:
        self.base, self.facts, self._user = base, facts, user
        python = sys.executable if user == os.getuid() else PYTHON
        homes = [base / "home", base / "wide" / "hid" / "home"]
        own = [*homes, *[home / "state" for home in homes]]  # as CODEXD_HOME has them
        for folder in own:
            folder.mkdir(exist_ok=True)
        codex = [base / "codex-of-mine"]
        self.confinement = Confinement(
            own, base / "home", {}, codex_homes=codex, only=mechanism, python=python
        )
        self._sandbox, self.unconfined = sandbox, False
        self._listening: list[socket.socket] = []
        self._victim: subprocess.Popen[str] | None = None
        self._before: dict[str, tuple[object, ...]] = {}
        self._settings = [Path(path).read_text() for path in _KERNEL_SETTINGS]

    def run(self, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command confined, as the arena's user."""
        return subprocess.run(
            self.confined(*argv),
            cwd=cwd or self.base / "workspace",
            env=_without_pip(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            start_new_session=True,
            **_as(self._user),
        )

    def confined(self, *argv: str) -> tuple[str, ...]:
        """The argv that runs an argv confined."""
        return argv if self.unconfined else self.confinement(argv, self._sandbox)

    @contextlib.contextmanager
    def started(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs confined, with pipes."""
        process = subprocess.Popen(
            self.confined(*argv),
            cwd=self.base / "workspace",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def attacked(self) -> list[Outcome]:
        """Make all attacks that the mode must refuse."""
        facts = self.base / "arena.json"
        facts.write_text(json.dumps(self.facts))
        facts.chmod(0o644)
        self._before = self._state()
        ended = self.run(PYTHON, "-I", "-S", str(ATTACKS), str(facts))
        assert ended.returncode == 0, ended.stderr
        lines = [line.split("\t", 2) for line in ended.stdout.splitlines()]
        return [Outcome(*line) for line in lines]

    def damage(self) -> list[str]:
        """What is not as it was, outside of the sandbox."""
        found = [
            f"{path} changed"
            for path, state in self._state().items()
            if self._before.get(path) != state
        ]
        found += [f"{path} is gone" for path in self._before.keys() - self._state().keys()]
        for listening in self._listening:
            with contextlib.suppress(BlockingIOError):
                if listening.type == socket.SOCK_DGRAM:
                    listening.recv(99)
                else:
                    listening.accept()[0].close()
                found.append(f"{listening.getsockname()} was reached")
        shared = Path(f"/dev/shm/codexd-{self.facts['abstract']}")
        if shared.exists():
            shared.unlink()
            found.append(f"{shared} was made")
        for path, setting in zip(_KERNEL_SETTINGS, self._settings, strict=True):
            if Path(path).read_text() != setting:
                Path(path).write_text(setting)
                found.append(f"{path} was changed, and is as it was again")
        assert self._victim is not None
        said, _ = self._victim.communicate("\n")
        if (said.strip(), self._victim.returncode) != ("whole" * 4, 0):
            found.append(f"the victim ended with {self._victim.returncode} and said {said!r}")
        return found

    def _state(self) -> dict[str, tuple[object, ...]]:
        """All that may not change, with its content and everything that stat(2) says but when it was read."""
        roots = [self.base / "outside", self.base / "home" / "secret"]
        roots += [self.base / "second" / "elsewhere", self.base / "second" / ".git"]
        roots += [self.base / "workspace" / ".git", self.base / "wide" / "hid" / "home"]
        roots += [Path("/escaped-from-a-sandbox"), Path("~/escaped-from-a-sandbox").expanduser()]
        if self._sandbox.mode == "read-only":
            roots.append(self.base / "workspace")
        found: dict[str, tuple[object, ...]] = {}
        for root in roots:
            for path in [root, *root.rglob("*")]:
                if os.path.lexists(path):
                    stat = path.lstat()
                    content = path.read_bytes() if path.is_file() else None
                    attributes = tuple(os.listxattr(path, follow_symlinks=False))
                    facts = (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_nlink, stat.st_ino)
                    found[str(path)] = (
                        *facts,
                        stat.st_mtime_ns,
                        stat.st_ctime_ns,
                        content,
                        attributes,
                    )
        return found

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """With a process to attack, and with servers that nobody may reach."""
        with contextlib.ExitStack() as stack:
            self._listen(stack)
            victim = subprocess.Popen(
                [PYTHON, "-I", "-S", "-c", _VICTIM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                **_as(self._user),
            )
            self._victim = stack.enter_context(victim)
            stack.callback(victim.kill)
            assert victim.stdout is not None
            pid, address = victim.stdout.readline().split()
            self.facts |= {"victim_pid": int(pid), "victim_address": int(address)}
            _make_ipc(self.facts, stack)
            yield

    def _listen(self, stack: contextlib.ExitStack) -> None:
        def listening(family: int, kind: int, address: Any) -> socket.socket:
            one = stack.enter_context(socket.socket(family, kind))
            one.setblocking(False)
            one.bind(address)
            if kind == socket.SOCK_STREAM:
                one.listen()
            self._listening.append(one)
            return one

        tcp = listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        udp = listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        listening(socket.AF_INET6, socket.SOCK_STREAM, ("::1", tcp.getsockname()[1]))
        self.facts |= {"tcp_port": tcp.getsockname()[1], "udp_port": udp.getsockname()[1]}
        self.facts["abstract"] = f"codexd-test-{os.getpid()}"
        listening(socket.AF_UNIX, socket.SOCK_STREAM, b"\0" + self.facts["abstract"].encode())
        for name, kind, place in (
            ("socket_inside", socket.SOCK_STREAM, "workspace/s"),
            ("socket_outside", socket.SOCK_STREAM, "outside/s"),
            ("socket_own", socket.SOCK_STREAM, "home/s"),
            ("socket_datagrams", socket.SOCK_DGRAM, "outside/d"),
        ):
            self.facts[name] = str(self.base / place)
            listening(socket.AF_UNIX, kind, self.facts[name])
            os.chmod(self.facts[name], 0o777)


def _as(user: int) -> dict[str, Any]:
    return {} if user == os.getuid() else {"user": user, "group": user, "extra_groups": []}


def _make_ipc(facts: dict[str, Any], stack: contextlib.ExitStack) -> None:
    key = 0x40000000 | os.getpid()
    facts |= {"shm_key": key, "msg_key": key, "sem_key": key, "mq_name": f"codexd-{os.getpid()}"}
    stack.callback(_LIBC.shmctl, _LIBC.shmget(key, 64, IPC_CREATE), 0, None)
    stack.callback(_LIBC.msgctl, _LIBC.msgget(key, IPC_CREATE), 0, None)
    stack.callback(_LIBC.semctl, _LIBC.semget(key, 1, IPC_CREATE), 0, 0)
    if sys.maxsize > 1 << 32 and os.uname().machine == "x86_64":
        name = facts["mq_name"].encode()
        queue = _LIBC.syscall(240, name, os.O_RDWR | os.O_CREAT, 0o666, None)
        stack.callback(_LIBC.syscall, 241, name)
        stack.callback(os.close, queue)


def _own_by_root(program: Path) -> None:
    """A program that runs as root whoever starts it, if root makes it."""
    shutil.copy("/usr/bin/id", program)
    os.chown(program, os.getuid(), -1)
    program.chmod(0o4755)


@contextlib.contextmanager
def arena(
    mechanism: Mechanism,
    mode: SandboxMode,
    *,
    network: bool = False,
    slash_tmp: bool = False,
    user: int | None = None,
) -> Iterator[Arena]:
    """A new one, whose user owns everything in it; without `user`, whoever runs the test.

    `slash_tmp`: whether commands may write in /tmp, as they may by default.
    """
    user = os.getuid() if user is None else user
    # Not in /tmp, which commands may write.
    base = Path(tempfile.mkdtemp(prefix="cxd", dir="/var/tmp"))
    try:
        for folder in (
            "workspace/.git/hooks",
            "workspace/scratch",
            "second/elsewhere",
            "wide/above/root",
            "wide/hid/home",
            "outside/doomed-folder",
            "home",
            "codex-of-mine/skills",
        ):
            (base / folder).mkdir(parents=True)
        for file in ("workspace/.git/config", "outside/victim", "outside/doomed", "home/secret"):
            (base / file).write_text("whole")
        (base / "second/.git").write_text("gitdir: elsewhere\n")
        (base / "second/elsewhere/config").write_text("whole")
        base.chmod(0o755)
        roots = tuple(str(base / name) for name in ("second", "wide", "wide/above/root"))
        access = SandboxAccess(
            roots, network, exclude_tmpdir_env_var=True, exclude_slash_tmp=not slash_tmp
        )
        facts: dict[str, Any] = {"mode": mode, "network": network, "runner_pid": os.getpid()}
        facts |= {name: str(base / name) for name in ("workspace", "outside", "home", "second")}
        facts |= {"scratch": str(base / "workspace/scratch"), "above": str(base / "wide/above")}
        for file in ("auth.json", "skills/one"):
            (base / "codex-of-mine" / file).write_text("whole")
        facts["codex"] = str(base / "codex-of-mine")
        facts["above_hidden"] = str(base / "wide/hid")
        place = Arena(base, mechanism, Sandbox(mode, str(base / "workspace"), access), facts, user)
        if place.confinement.active.mechanism != mechanism:
            pytest.skip(" ".join(place.confinement.active.missing))
        for path in (base, *base.rglob("*")):
            os.chown(path, user, user if user == NOBODY else -1)
            path.chmod(0o755 if path.is_dir() else 0o644)
        _own_by_root(base / "outside" / "owned-by-root")
        with place.watched():
            yield place
    finally:
        shutil.rmtree(base)


def _without_pip() -> dict[str, str]:
    """The environment without the constraints that `make` has pip keep, which name a file of the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
