"""The daemon's side of the keeper: finds it by its socket, starts it on first use, and speaks with it.

    async with keeper_of(folder, home) as processes:
        running = await processes.start(Command(...))

A keeper that died is noticed at once. Its processes are lost, and the next use starts another keeper; before that
all that still carries the home's mark is ended.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import trio

from codexd.exec.leftovers import COMMAND_MARK, end_marked
from codexd.exec.link import SHORT, TRY_SECONDS, Answer, Link, connected
from codexd.exec.ports import Command, KeeperLost, NoFolder, NotStarted, Owned
from codexd.exec.programs import look_at
from codexd.exec.running import KeptProcess, KeptServer
from codexd.keeper import start as keeper_start
from codexd.keeper import wire
from codexd.keeper.empty_folders import list_below
from codexd.machine.descriptors import files_of_commands
from codexd.machine.owners import make_own_folder
from codexd.machine.paths import UnusablePath, socket_address
from codexd.machine.python_child import plain_environment
from codexd.machine.umask import umask_for_commands

# A keeper starts in 20 ms; one that dies just now, or whose guard still kills what it left, goes within seconds.
START_SECONDS_MAX: Final = 10.0
# The keeper answers within milliseconds; it may hang for a working folder on a disk that does not answer.
ANSWER_SECONDS_MAX: Final = 10.0
# What `stop` waits for: SIGTERM, the time to tidy up, SIGKILL.
STOP_SECONDS_MAX: Final = 10.0
_STOP_AGAIN_SECONDS: Final = 1.0
_HELLO_SECONDS_MAX: Final = 5.0
# More than the system takes of arguments and environment, less than a message may be long.
START_BYTES_MAX: Final = 6 << 20
_ENCODING: Final = sys.getfilesystemencoding()
_ERRORS: Final = sys.getfilesystemencodeerrors()


class OtherKeeper(NotStarted):
    """The keeper that runs speaks another version than this daemon."""


class KeeperProcesses:
    """The processes of a home, at its keeper. It implements `Processes`."""

    def __init__(self, folder: Path, home: str) -> None:
        """`folder` is the keeper's own; `home` is as `home_mark` names it."""
        with contextlib.suppress(OSError):  # The first command is told why.
            make_own_folder(folder)
        self._folder, self._home = folder, home
        self._early: dict[bytes, list[bytes]] = {}  # notes about processes that are not known yet
        self._kept: dict[bytes, KeptProcess] = {}
        self._link: Link | None = None
        self._links, self._new_links = trio.open_memory_channel[Link](0)
        self._connecting = trio.Lock()

    async def start(self, command: Command, *, is_looked_at: bool = False) -> KeptProcess:
        """Raises: NotStarted."""
        if not is_looked_at:
            await look_at(command.cwd)
        answer, link = await self._start("command", command)
        return self._known(command.process_id, answer, link)

    async def start_server(self, command: Command) -> KeptServer:
        """Raises: NotStarted."""
        await look_at(command.cwd)
        (fields, fds), link = await self._start("server", command)
        input_fd, output_fd, *errors = fds
        process = self._known(command.process_id, (fields, errors), link)
        return KeptServer(process, input_fd, output_fd)

    async def find(self, process_id: str) -> KeptProcess | None:
        """A process that was started and not released."""
        if (known := self._kept.get(process_id.encode())) is not None and not known.is_lost:
            return known
        # Not cancelled halfway: what was found has to be somebody's.
        with trio.CancelScope(shield=True), contextlib.suppress(KeeperLost, NotStarted):
            if (link := await self._reach()) is None:
                return None
            fields, fds = await link.ask(b"find", process_id.encode())
            if fields[0] == b"ok":
                process = self._known(process_id, (fields[1:3], fds), link)
                process.told(fields[3:])
                return process
        return None

    async def owned(self) -> list[Owned]:
        """All of them."""
        try:
            if (link := await self._reach()) is None:
                return []
            (_, *fields), _ = await link.ask(b"owned")
        except (KeeperLost, NotStarted):
            return []
        rows = [fields[place : place + 8] for place in range(0, len(fields), 8)]
        return [_owned(row, is_claimed=row[0] in self._kept) for row in rows]

    @property
    def keeper_pid(self) -> int:
        """The keeper's process; 0 if there is none."""
        return 0 if self._link is None or self._link.is_over else self._link.keeper_pid

    async def lives(self) -> bool:
        """Whether a keeper is there; it is not started."""
        try:
            return await self._reach() is not None
        except NotStarted:
            return True

    async def forget(self, process_id: str) -> None:
        """End and forget a process that nobody asks for."""
        if (link := await self._reach()) is not None:
            link.tell(b"forget", process_id.encode())

    async def stop(self) -> None:
        """End all processes, and the keeper."""
        if (link := await self._reach()) is None:
            return
        with trio.move_on_after(STOP_SECONDS_MAX):
            while not link.is_over:  # Again: one that comes as a confined command starts is lost.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(link.keeper_pid, signal.SIGTERM)
                with trio.move_on_after(_STOP_AGAIN_SECONDS):
                    await link.over.wait()

    async def serve(self) -> None:
        """Serve the connections until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                async for link in self._new_links:
                    nursery.start_soon(self._serve_one, link)
        finally:
            if self._link is not None:
                self._link.close()
            for process in self._kept.values():
                process.close()

    async def _serve_one(self, link: Link) -> None:
        await link.serve()
        kept = [process for process in self._kept.values() if process.link is link]
        # It may live, and have lost the connection only.
        again = await self._reach_again()
        if again is None and kept:
            # How they ended is unknown only once they have.
            await self._end_leftovers()
        for process in kept:
            if again is None or not await _found(process, again):
                process.lost()

    async def _reach_again(self) -> Link | None:
        while True:
            try:
                return await self._reach()
            except OtherKeeper:
                return None
            except NotStarted:
                continue  # No descriptor was left for a while: the keeper may live.

    # The keeper

    async def _start(self, kind: str, command: Command) -> tuple[Answer, Link]:
        # A call that is cancelled already starts nothing.
        await trio.lowlevel.checkpoint_if_cancelled()
        fields, answer = self._fields(command), None
        # Not cancelled halfway: what was started has to be somebody's.
        with trio.CancelScope(shield=True) as scope:
            link = await self._started()
            scope.deadline = trio.current_time() + ANSWER_SECONDS_MAX
            answer = await link.ask(b"start", kind.encode(), *fields)
        if answer is None:
            link.tell(b"forget", command.process_id.encode())
            raise NotStarted(f"the keeper gave no answer for {ANSWER_SECONDS_MAX:g} s")
        result, *rest = answer[0]
        if result == SHORT:
            link.tell(b"forget", command.process_id.encode())
            raise NotStarted(os.strerror(errno.EMFILE))
        if result != b"ok":
            reason = rest[0].decode(errors="replace")
            raise (
                NoFolder(f"cannot be entered: {reason}")
                if result == b"folder"
                else NotStarted(reason)
            )
        return (rest, answer[1]), link

    def _fields(self, command: Command) -> list[bytes]:
        # The last part tells processes apart whose ids were the same, one after the other.
        mark = f"{self._home}/{command.owner}/{command.process_id}/{time.monotonic_ns():x}"
        numbers = (command.rows, command.columns, len(command.argv))
        variables = {**command.env, COMMAND_MARK: mark}
        if wrong := [name for name in variables if not name or "=" in name]:
            raise NotStarted(f"expected the name of a variable, found {wrong[0]!r}")
        try:
            fields = [
                command.process_id.encode(),
                command.owner.encode(),
                os.fsencode(command.cwd),
                b"%d" % umask_for_commands(),
                command.input.encode(),
                command.errors.encode(),
                *(b"%d" % number for number in numbers),
                *map(os.fsencode, command.argv),
                # As os.fsencode does it, which costs a call for each variable.
                *[
                    f"{name}={value}".encode(_ENCODING, _ERRORS)
                    for name, value in variables.items()
                ],
            ]
        except UnicodeError as error:
            raise NotStarted(str(error)) from error
        if sum(map(len, fields)) > START_BYTES_MAX:
            raise NotStarted(os.strerror(errno.E2BIG))
        return fields

    def _known(self, process_id: str, answer: Answer, link: Link) -> KeptProcess:
        (pid, start_time), spools = answer
        process = KeptProcess(
            process_id, int(pid), start_time.decode(), spools, link, self._forgotten
        )
        self._kept[process_id.encode()] = process
        if (early := self._early.pop(process_id.encode(), None)) is not None:
            process.told(early)
        return process

    def _forgotten(self, process_id: str) -> None:
        self._kept.pop(process_id.encode(), None)

    def _noted(self, fields: list[bytes]) -> None:
        what, *rest = fields
        if what == b"state":
            if (process := self._kept.get(rest[0])) is not None:
                process.told(rest[1:])
            else:
                # The answer to its start is still on its way, or nobody has asked.
                self._early[rest[0]] = rest[1:]

    async def _started(self) -> Link:
        """A connection to the keeper, which is started if there is none. Raises: NotStarted."""
        if (link := await self._reach()) is not None:
            return link
        async with self._connecting:
            deadline = trio.current_time() + START_SECONDS_MAX
            while trio.current_time() < deadline:
                await self._end_leftovers()
                await self._run_keeper()
                if (link := await self._connect()) is not None:
                    return link
                await trio.sleep(TRY_SECONDS)
        raise NotStarted(f"the keeper was not there after {START_SECONDS_MAX:g} s")

    async def _reach(self) -> Link | None:
        """A connection to the keeper; None if there is none. Raises: OtherKeeper; NotStarted: no descriptor is left."""
        if self._link is not None and not self._link.is_over:
            return self._link
        async with self._connecting:
            return await self._connect()

    async def _connect(self) -> Link | None:
        if self._link is not None and not self._link.is_over:
            return self._link
        try:
            sock = await connected(self._socket(), START_SECONDS_MAX)
        except (OSError, UnusablePath):
            return None
        if sock is None:
            return None
        link = Link(sock, self._noted)
        self._early.clear()
        try:
            await self._links.send(link)
            with trio.move_on_after(_HELLO_SECONDS_MAX):
                await link.greeted.wait()
        except trio.Cancelled:
            link.close()
            raise
        if not link.greeted.is_set() or link.is_over:
            link.close()
            return None
        if link.version != wire.VERSION:
            link.close()
            raise OtherKeeper(
                f"expected a keeper that speaks version {wire.VERSION.decode()}, found one of another codexd with "
                f"version {link.version.decode(errors='replace')}: `codexctl stop` ends it, and what it runs"
            )
        self._link = link
        return link

    def _socket(self) -> Path:
        """Where the keeper answers, in its folder, which is made. Raises: NotOurs, UnusablePath, OSError."""
        make_own_folder(self._folder)
        return socket_address(self._folder / "socket").bind

    async def _run_keeper(self) -> None:
        """Start a keeper; returns once it answers. Raises: NotStarted."""
        try:
            argv = (
                *(sys.executable, "-I", "-S", keeper_start.__file__),
                *(str(self._folder), str(self._socket()), str(files_of_commands())),
                list_below(str(self._folder.parent)),
            )
            ran = await trio.run_process(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                capture_stderr=True,
                check=False,
                env=plain_environment(),
                start_new_session=True,
            )
        except (OSError, UnusablePath) as error:
            raise NotStarted(f"the keeper could not be started: {error}") from error
        if ran.returncode not in (0, keeper_start.EXIT_TAKEN):
            last = ran.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise NotStarted(f"the keeper could not be started: {' '.join(last)}")

    async def _end_leftovers(self) -> None:
        """End what a keeper that died has left, once nobody holds its lock."""
        with trio.move_on_after(START_SECONDS_MAX):
            while not _is_free(self._folder / "lock") or not await self._have_ended():  # noqa: ASYNC110 - no event is set
                await trio.sleep(TRY_SECONDS)

    async def _have_ended(self) -> bool:
        """End what is left; False if that could not be looked for, as without descriptors."""
        try:
            await trio.to_thread.run_sync(end_marked, self._home, abandon_on_cancel=True)
        except OSError:
            return False
        return True


@contextlib.asynccontextmanager
async def keeper_of(folder: Path, home: str) -> AsyncIterator[KeeperProcesses]:
    """The processes of a home, for as long as the context lasts. They and the keeper go on after it.

    `folder` is the keeper's own; `home` is as `home_mark` names it.
    """
    processes = KeeperProcesses(folder, home)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(processes.serve)
        yield processes
        nursery.cancel_scope.cancel()


async def _found(process: KeptProcess, link: Link) -> bool:
    """Whether the keeper still has it, on a new connection."""
    try:
        fields, fds = await link.ask(b"find", process.process_id.encode())
    except KeeperLost:
        return False
    for fd in fds:
        os.close(fd)  # The process has them already.
    if fields[0] != b"ok":
        return False
    process.link = link
    process.told(fields[3:])
    return True


def _is_free(lock: Path) -> bool:
    try:
        with open(os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:  # It is held, or there is no descriptor to look.
        return error.errno not in (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return True


def _owned(row: list[bytes], *, is_claimed: bool) -> Owned:
    process_id, owner, pid, start_time, argv, cwd, code, milliseconds = row
    return Owned(
        process_id=process_id.decode(),
        owner=owner.decode(),
        pid=int(pid),
        start_time=start_time.decode(),
        argv=tuple(os.fsdecode(argv).split("\0")),
        cwd=os.fsdecode(cwd),
        seconds=int(milliseconds) / 1000,
        exit_code=int(code) if code else None,
        is_claimed=is_claimed,
    )
