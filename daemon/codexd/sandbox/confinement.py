"""Confines commands by what this machine can enforce. I/O: it tries what works, and looks at folders.

    confinement(argv, sandbox)  ->  the argv that runs it confined

Three mechanisms on Linux: bubblewrap; where it is missing the launcher in `inside`, with namespaces of its own, landlock
and the filter; and where namespaces are forbidden, landlock and the filter, which can enforce `read-only` and nothing
else. On macOS, sandbox-exec.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.core.values.settings import Enforcement, SandboxMode
from codexd.sandbox.bubblewrap import bubblewrap_argv
from codexd.sandbox.launching import launcher_argv
from codexd.sandbox.placeholders import Placeholders
from codexd.sandbox.roots import View, view_of
from codexd.sandbox.seatbelt import PROGRAM as SEATBELT
from codexd.sandbox.seatbelt import seatbelt_argv
from codexd.sandbox.seccomp import filter_program

Mechanism = Literal["bubblewrap", "namespaces", "landlock", "seatbelt"]
Argv = tuple[str, ...]

log = logging.getLogger(__name__)

# A sandbox starts in some milliseconds; on a busy machine in a second. One that hangs does not work.
TRY_SECONDS_MAX: Final = 5.0
# They say whether users may make namespaces. Source: the kernel's admin-guide/sysctl, AppArmor.
_NAMESPACE_SETTINGS: Final = (
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
)
_PROFILES: Final = "/etc/apparmor.d"
_BOTH: Final[tuple[SandboxMode, ...]] = ("read-only", "workspace-write")
_KERNEL_FILES: Final = ("/proc/sys", "/proc/sysrq-trigger", "/proc/fs", "/proc/mtrr")
# Where distributions have programs, before the folders of PATH, which a person's own come first in.
_SYSTEM_FOLDERS: Final = "/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin"


class Active(msgspec.Struct, frozen=True):
    """What is enforced on this machine, and by what."""

    mechanism: Mechanism | None
    modes: tuple[SandboxMode, ...]
    # For people: why there is no better mechanism, one sentence each.
    missing: tuple[str, ...] = ()
    # Whether that holds. It does not where the disk is full, say: then it is looked for again with the next use.
    is_known: bool = True


class Confinement:
    """The sandbox of a daemon."""

    def __init__(
        self,
        own_folders: Sequence[str | Path],
        state_folder: Path,
        env: Mapping[str, str],
        unsandboxed: Callable[[], bool] = lambda: False,
        domains: Callable[[], bool] = lambda: False,
        codex_homes: Sequence[str | Path] = (),
        *,
        only: Mechanism | None = None,
        python: str = sys.executable,
    ) -> None:
        """`own_folders` are hidden from commands; files of the sandbox are in `state_folder`.

        Args:
            unsandboxed: whether a person allows commands without the sandbox that can't be enforced.
            domains: whether the network of commands is a list of domains.
            codex_homes: folders of Codex's, whose rules and credentials are used here as well.
            only: the mechanism to use, whether or not there is a better one.
            python: the interpreter of the launcher, which every user of the sandbox may execute.
        """
        self._own_folders = [str(folder) for folder in own_folders]
        self._codex_homes = [str(folder) for folder in codex_homes]
        self._folder = state_folder / "sandbox"
        self._temporary, self._path, self._only = env.get("TMPDIR"), env.get("PATH", ""), only
        self._unsandboxed, self._domains, self._python = unsandboxed, domains, python
        self._looking, self._writing = threading.Lock(), threading.Lock()
        self._active: Active | None = None
        self._seen: tuple[object, ...] = ()
        self.placeholders = Placeholders(self._folder)

    @property
    def active(self) -> Active:
        """What works here: looked for by trying, until it is known; and again where a mode does not work, and
        something has changed that may be the reason.

        That takes some milliseconds, in any thread.
        """
        with self._looking:
            if (
                self._active is None
                or not self._active.is_known
                or self._may_work_now(self._active)
            ):
                for found in ("_bubblewrap", "_env_program"):
                    self.__dict__.pop(found, None)
                self._seen = self._machine()
                try:
                    self._active = self._look()
                except (OSError, CannotConfine) as error:
                    reason = f"What this machine can enforce could not be found out: {error}."
                    self._active = Active(None, (), (reason,), is_known=False)
            return self._active

    def _may_work_now(self, active: Active) -> bool:
        return active.modes != _BOTH and self._machine() != self._seen

    def _machine(self) -> tuple[object, ...]:
        """What decides which mechanisms work, as it is now: the program, and the settings of the system."""
        program = self._program("bwrap")
        found: list[object] = [program]
        for path in (program, _PROFILES):
            with contextlib.suppress(OSError):
                found.append(None if path is None else os.stat(path).st_ctime_ns)
        for path in _NAMESPACE_SETTINGS:
            with contextlib.suppress(OSError):
                found.append(Path(path).read_bytes())
        return tuple(found)

    def _look(self) -> Active:
        missing: list[str] = []
        for mechanism, modes in _candidates():
            if self._only not in (None, mechanism):
                continue
            problem = self._problem_of(mechanism)
            if problem is None:
                return Active(mechanism, modes, tuple(missing))
            missing.append(f"{_NAMES[mechanism]}: {problem}.")
        return Active(None, (), tuple(missing))

    def enforcement(self) -> Enforcement:
        """The same for a thread's settings; all modes where it is not known, and each command is refused then."""
        modes = self.active.modes if self.active.is_known else _BOTH
        return Enforcement((*modes, "danger-full-access"), self._unsandboxed(), self._domains())

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Find out what is active, which is logged, and then keep workspaces clean. It does not return."""
        task_status.started()  # nobody waits for that: who needs to know finds it out
        await trio.to_thread.run_sync(self.placeholders.sweep)  # of the daemon before
        active = await trio.to_thread.run_sync(lambda: self.active)
        if active.mechanism is not None:
            log.info("%s confines commands: %s", active.mechanism, ", ".join(active.modes))
        if "workspace-write" not in active.modes:
            log.warning("%s", _advice(active, "workspace-write"))
        await self.placeholders.keep_swept()

    def __call__(self, argv: Argv, sandbox: Sandbox) -> Argv:
        """The argv that runs this argv confined.

        Raises: CannotConfine.
        """
        if sandbox.mode == "danger-full-access":
            return argv
        active = self.active
        if sandbox.mode not in active.modes or active.mechanism is None:
            raise CannotConfine(_advice(active, sandbox.mode))
        # Where the network is a list, a command without a way to its proxy has none.
        domains = sandbox.domains or (sandbox.access.network_access and self._domains())
        if domains and active.mechanism not in _WITH_NAMESPACES:
            raise CannotConfine(_NO_LIST.format(_NAMES[active.mechanism]))
        sandbox = replace(sandbox, domains=domains)
        given = sandbox.temporary
        temporary = self._temporary if given is None else given
        view = view_of(sandbox, self._own_folders, temporary, self._codex_homes)
        return self._confined(active.mechanism, argv, view, sandbox.mode)

    def _confined(self, mechanism: Mechanism, argv: Argv, view: View, mode: SandboxMode) -> Argv:
        variables: list[tuple[str, str]] = [("CODEXD_SANDBOX", mode)]
        if not view.network and not view.proxied:
            variables.append(("CODEXD_SANDBOX_NETWORK_DISABLED", "1"))
        given = tuple(variables)
        if mechanism == "seatbelt":
            return seatbelt_argv(argv, view, variables=given)
        view = self._with_placeholders(view)
        filter_file = self._filter_file(mechanism)
        if mechanism == "bubblewrap":
            return bubblewrap_argv(
                argv,
                view,
                program=self._bubblewrap,
                filter_file=filter_file,
                env_program=self._env_program,
                kernel_files=self._kernel_files,
                variables=given,
            )
        return launcher_argv(
            argv,
            view,
            filter_file=filter_file,
            variables=given,
            namespaces=mechanism == "namespaces",
            python=self._python,
        )

    def _with_placeholders(self, view: View) -> View:
        """The view without the protected names that nobody can make, after all others are there."""
        try:
            failed = self.placeholders.make(view.placeholders)
        except OSError as error:
            raise CannotConfine(f"protected folders cannot be kept from it: {error}") from error
        mounts = tuple(mount for mount in view.mounts if mount.path not in failed)
        return replace(view, mounts=mounts) if failed else view

    def _problem_of(self, mechanism: Mechanism) -> str | None:
        """Why a mechanism does not work here, as the rest of a sentence; None if it works.

        Raises: CannotConfine, OSError: it could not be tried.
        """
        if mechanism == "seatbelt":
            return None if os.path.exists(SEATBELT) else f"there is no {SEATBELT}"
        if filter_program(os.uname().machine) is None:
            return f"no filter of system calls is known for {os.uname().machine}"
        if mechanism == "bubblewrap" and not self._bubblewrap:
            return "the program bwrap is not installed"
        if mechanism != "bubblewrap" and (problem := _landlock_problem(mechanism)) is not None:
            return problem
        return _tried(self._confined(mechanism, (_true(),), View(()), "read-only"))

    def _filter_file(self, mechanism: Mechanism) -> str:
        """The file of a mechanism's filter, which is written where it is missing or another. Raises: CannotConfine."""
        # With landlock alone, nothing but the filter stands between a command and the machine.
        alone = mechanism == "landlock"
        path = self._folder / ("filter-alone" if alone else "filter")
        program = self._filters[alone]
        try:
            with self._writing:
                self._folder.mkdir(0o700, parents=True, exist_ok=True)
                if not path.is_file() or path.read_bytes() != program:
                    new = path.with_suffix(".new")
                    new.unlink(missing_ok=True)
                    new.touch(0o600, exist_ok=False)
                    new.write_bytes(program)
                    new.replace(path)
        except OSError as error:
            raise CannotConfine(f"the filter of system calls cannot be written: {error}") from error
        return str(path)

    @cached_property
    def _filters(self) -> Mapping[bool, bytes]:
        """The filters, by whether they stand alone."""
        machine = os.uname().machine
        return {
            alone: filter_program(machine, namespaces=not alone) or b"" for alone in (False, True)
        }

    @cached_property
    def _bubblewrap(self) -> str:
        return self._program("bwrap") or ""

    @cached_property
    def _env_program(self) -> str | None:
        """An env(1) with `--default-signal`, which that of GNU has."""
        program = self._program("env")
        if program is None or _tried((program, "--default-signal=INT,TERM", _true())) is not None:
            return None
        return program

    @cached_property
    def _kernel_files(self) -> list[str]:
        """Those of /proc that root may write without a capability; bubblewrap covers others itself."""
        return [path for path in _KERNEL_FILES if os.getuid() == 0 and os.path.exists(path)]

    def _program(self, name: str) -> str | None:
        own = [folder for folder in self._path.split(":") if folder.startswith("/")]
        return shutil.which(name, path=":".join((_SYSTEM_FOLDERS, *own)))


# No descriptor, process or memory is left for a try, which says nothing of the mechanism.
_PASSING_ERRNOS: Final = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_WITH_NAMESPACES: Final[tuple[Mechanism, ...]] = ("bubblewrap", "namespaces")
_NO_LIST: Final = (
    "a list of domains cannot be enforced on this machine: {} gives commands no network of their own. Set "
    "`network_access = false` under [sandbox_workspace_write] of config.toml, or `enabled = false` under "
    "[features.network_proxy]"
)
_NAMES: Final[Mapping[Mechanism, str]] = {
    "bubblewrap": "Bubblewrap",
    "namespaces": "Namespaces with landlock",
    "landlock": "Landlock alone",
    "seatbelt": "Seatbelt",
}


def _candidates() -> Sequence[tuple[Mechanism, tuple[SandboxMode, ...]]]:
    """The mechanisms of this system, the best first, with the modes that each enforces."""
    if sys.platform == "darwin":
        return (("seatbelt", _BOTH),)
    if sys.platform == "linux":
        return (("bubblewrap", _BOTH), ("namespaces", _BOTH), ("landlock", ("read-only",)))
    return ()


def _advice(active: Active, mode: SandboxMode) -> str:
    """Why a mode is not enforced here, and what a person can do."""
    reasons = " ".join(active.missing)
    if not active.is_known:
        return f"the sandbox mode {mode} cannot be enforced now. {reasons} The next command tries again"
    install = "sandbox-exec" if sys.platform == "darwin" else "bubblewrap"
    return (
        f"the sandbox mode {mode} cannot be enforced on this machine. {reasons} Install {install} or let it work, "
        "or set `allow_unsandboxed = true` in config.toml to be asked before each command instead, or "
        '`sandbox_mode = "danger-full-access"`'
    )


def _landlock_problem(mechanism: Mechanism) -> str | None:
    # ctypes takes some milliseconds to import, and is not needed where there is bubblewrap.
    from codexd.sandbox.inside.kernel import landlock_version
    from codexd.sandbox.inside.landlock import SIGNALS_SINCE

    version, needed = landlock_version(), SIGNALS_SINCE if mechanism == "landlock" else 1
    if version >= needed:
        return None
    return f"the kernel has version {version} of landlock, and {needed} is needed"


def _true() -> str:
    return shutil.which("true", path=_SYSTEM_FOLDERS) or "true"


def _tried(argv: Argv) -> str | None:
    """Run a command that does nothing; why it failed, or None. Raises: OSError, for what passes."""
    try:
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRY_SECONDS_MAX,
            check=False,
            cwd="/",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        if isinstance(error, OSError) and error.errno in _PASSING_ERRNOS:
            raise
        return f"it could not be tried: {error}"
    if ended.returncode == 0:
        return None
    said = ended.stderr.strip().splitlines()
    return f"it does not work here ({said[-1] if said else f'exit code {ended.returncode}'})"
