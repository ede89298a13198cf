"""A process belongs to the keeper: it outlives the daemon, and the next one finds it with all of its output."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from msgspec.structs import replace

from codexd.exec.ports import Command, InputClosed, NotStarted
from codexd.keeper.plumbing import SPOOL_BYTES_MAX
from codexd.keeper.session import session_lives, start_time
from codexd.keeper.spawn import THROUGH_SHELL
from codexd.machine.descriptors import files_of_commands
from codexd.machine.umask import umask_for_commands
from codexd.sandbox.bubblewrap import bubblewrap_argv
from codexd.sandbox.roots import View
from kept import acting, keeping, line, printed, until_printed, visiting
from trio_test import trio_test


def peak_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(entry.split()[1]) for entry in lines if entry.startswith("VmHWM"))


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


@trio_test
async def test_output_code_and_time_are_the_processs_own(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line("echo one; echo two >&2; exit 3"))
        assert await printed(running) == b"one\ntwo\n"
        assert (await running.wait(), running.exit_code) == (3, 3)
        assert await printed(running) == b"one\ntwo\n"  # each reader begins again
        assert 0 < running.seconds() < 60
        killed = await processes.start(line("kill -KILL $$"))
        assert await killed.wait() == 128 + signal.SIGKILL


@trio_test
async def test_the_shell_that_leads_into_a_sandbox_is_not_needed(tmp_path: Path) -> None:
    """The keeper does what that shell does: it opens a file, and has signals to the session ignored."""
    (tmp_path / "filter").write_text("opened")
    leading = bubblewrap_argv(
        ("true",),
        View(()),
        program="bwrap",
        filter_file=str(tmp_path / "filter"),
        env_program="env",
        kernel_files=(),
        variables=(),
    )[:4]
    assert list(map(os.fsencode, leading[:3])) == THROUGH_SHELL
    script = "tr '\\0' ' ' < /proc/$$/cmdline; cat <&9; for s in HUP INT QUIT TERM; do kill -$s $$; done; echo on"
    argv = (*leading, "/bin/sh", "-c", script)
    async with keeping(tmp_path) as processes:
        piped = replace(line("", "piped"), argv=argv)
        terminal = replace(line("", "terminal", input="terminal"), argv=argv)
        for command in (piped, terminal):
            running = await processes.start(command)
            said = await printed(running)
            assert said.startswith(b"/bin/sh -c tr ")  # and no shell before it
            assert said.rstrip().endswith(b"openedon")
            assert await running.wait() == 0
        # Commands outside of a sandbox get such signals as ever.
        plain = await processes.start(line("kill -TERM $$; echo on"))
        assert (await printed(plain), await plain.wait()) == (b"", 128 + signal.SIGTERM)
        missing = replace(piped, argv=(*leading[:3], "/nowhere", "true"), process_id="missing")
        with pytest.raises(NotStarted, match="No such file"):
            await processes.start(missing)


@trio_test
async def test_errors_may_be_a_stream_of_their_own(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line("echo out; echo err >&2", errors="apart"))
        pieces = {(piece.stream, piece.data) async for piece in running.output()}
        assert pieces == {("stdout", b"out\n"), ("stderr", b"err\n")}


@trio_test
async def test_the_next_daemon_finds_what_runs_and_what_has_ended(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with keeping(tmp_path):
        async with visiting(tmp_path) as first:
            ran = await first.start(line(f"echo begun; read x < {gate}; echo $x; exit 7", "long"))
            await until_printed(ran, b"begun\n")
            pid, started = ran.pid, ran.start_time
            await (await first.start(line("echo over; exit 5", "short"))).wait()
        async with visiting(tmp_path) as second:
            assert await second.find("nothing") is None
            short, long = await second.find("short"), await second.find("long")
            assert short is not None
            assert long is not None
            assert (await printed(short), await short.wait()) == (b"over\n", 5)
            assert (long.pid, long.start_time) == (pid, started) == (pid, start_time(pid))
            await until_printed(long, b"begun\n")
            owned = {process.process_id: process for process in await second.owned()}
            assert owned["long"].exit_code is None
            assert owned["short"].exit_code == 5
            assert owned["long"].owner == "t"
            assert owned["long"].argv[:2] == ("/bin/sh", "-c")
        # It ends while no daemon is there.
        await trio.to_thread.run_sync(gate.write_text, "through\n")
        async with visiting(tmp_path) as third:
            long = await third.find("long")
            assert long is not None
            assert (await printed(long), await long.wait()) == (b"begun\nthrough\n", 7)
            await long.release()
            assert await third.find("long") is None
            assert [process.process_id for process in await third.owned()] == ["short"]


@trio_test
async def test_an_id_is_one_processs_until_it_is_released(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        first = await processes.start(line("true", "same"))
        await first.wait()
        with pytest.raises(NotStarted, match="has this id"):
            await processes.start(line("true", "same"))
        await first.release()
        await (await processes.start(line("true", "same"))).wait()


@trio_test
async def test_a_process_gets_what_is_the_persons_and_nothing_of_the_keepers(
    tmp_path: Path,
) -> None:
    asked = "umask; ulimit -n; ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; env; pwd"
    async with keeping(tmp_path) as processes:
        running = await processes.start(
            line(asked, "p", cwd="/usr", env={"PATH": os.environ["PATH"], "ONLY": "x"})
        )
        text = (await printed(running)).decode()
    umask, files, *rest = text.splitlines()
    assert int(umask, 8) == umask_for_commands()
    assert int(files) == files_of_commands()
    assert rest[:4] == ["0", "1", "2", "3"]  # the last one is of `ls` itself
    masks = {name: int(bits, 16) for name, bits in (entry.split(":\t") for entry in rest[4:6])}
    assert masks["SigBlk"] == 0
    # What the C library uses for itself has no default.
    assert not masks["SigIgn"] & ~(1 << 31 | 1 << 32)
    variables = dict(entry.split("=", 1) for entry in rest[6:-1])
    assert variables.pop("CODEXD_COMMAND").rpartition("/")[0].endswith("/t/p")
    assert variables.keys() <= {"PATH", "ONLY", "PWD", "OLDPWD", "SHLVL", "_"}
    assert rest[-1] == "/usr"


@trio_test
async def test_a_terminal_is_the_processs_own(tmp_path: Path) -> None:
    talk = "stty size; trap 'stty size' WINCH; echo ready; until read x; do :; done; echo got $x; cat; echo end"
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(talk, input="terminal", rows=30, columns=100))
        assert b"30 100\r\n" in await until_printed(running, b"ready")
        await running.resize(40, 120)
        await running.write(b"hello\n")
        await until_printed(running, b"got hello")
        assert b"40 120\r\n" in await until_printed(running, b"got hello")
        await running.write(b"echoed\n")
        await until_printed(running, b"echoed\r\nechoed\r\n")
        await running.close_input()
        assert (await printed(running)).endswith(b"end\r\n")
        assert await running.wait() == 0
        controlled = await processes.start(line("exec >/dev/tty; echo mine", input="terminal"))
        assert await printed(controlled) == b"mine\r\n"


@trio_test
async def test_input_is_taken_until_it_is_closed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(line("cat", input="pipe"))
        much = bytes(range(256)) * 4000 + b"the end"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.write, much)
            assert len(await until_printed(running, b"the end")) == len(much)
        await running.close_input()
        assert await running.wait() == 0
        with pytest.raises(InputClosed):
            await running.write(b"more")
        deaf = await processes.start(line("exec <&-; echo deaf; sleep 60", input="pipe"))
        await until_printed(deaf, b"deaf")
        with pytest.raises(InputClosed):
            await deaf.write(b"x")
        without = await processes.start(line("cat; echo none"))
        assert await printed(without) == b"none\n"
        with pytest.raises(InputClosed):
            await without.write(b"x")


@trio_test
async def test_to_end_it_ends_all_of_it_what_daemonized_included(tmp_path: Path) -> None:
    left = "(setsid sh -c 'setsid sleep 1000 & echo $! $$; sleep 1000' &) ; sleep 1000 & echo $! $$ ready; wait"
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(f"trap 'echo bye; exit 3' TERM; {left}"))
        text = b""
        async for piece in running.output():
            text += piece.data
            if text.count(b"\n") == 2:
                break
        pids = [int(word) for word in text.split() if word.isdigit()]
        assert len(pids) == 4
        assert all(map(acting, pids))
        # A shell's child that has not become its program yet would not hear the signal.
        while sorted(map(name_of, pids)) != ["sh", "sh", "sleep", "sleep"]:
            await trio.lowlevel.checkpoint()
        await running.end()
        assert not any(map(acting, pids))
        assert (await running.wait(), b"bye\n" in await printed(running)) == (3, True)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing but its environment marks it there")
@trio_test
async def test_to_end_it_ends_what_is_in_no_session_and_no_environment_of_it_and_nothing_of_another(
    tmp_path: Path,
) -> None:
    # Double fork, a session of its own, an empty environment, and one that nobody may read (PR_SET_DUMPABLE, as ssh-agent).
    private = (
        "import ctypes, os, signal; os.write(1, b'%d\\n' % os.getpid()); os.close(1); "
        "ctypes.CDLL(None).prctl(4, 0); signal.pause()"
    )
    left = (
        "env -i setsid -f /bin/sh -c 'echo $$; exec sleep 1000 >/dev/null' | cat; "
        f'setsid -f {sys.executable} -ISc "{private}" | cat; echo ready; sleep 1000'
    )
    async with keeping(tmp_path) as processes:
        pids: dict[str, list[int]] = {}
        runnings = [await processes.start(line(left, name)) for name in ("a", "b")]
        for running in runnings:
            text = await until_printed(running, b"ready")
            pids[running.process_id] = [int(word) for word in text.split() if word.isdigit()]
        await runnings[0].end()
        assert [acting(pid) for pid in pids["a"]] == [False, False]
        assert [acting(pid) for pid in pids["b"]] == [True, True]
        await runnings[1].end()
        assert [acting(pid) for pid in pids["b"]] == [False, False]


@pytest.mark.slow
@trio_test
async def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "trap '' TERM; (trap '' TERM; sleep 60; sleep 60) & echo $$ $! ready; sleep 60; sleep 60"
    )
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(stubborn))
        leader, child = map(int, (await until_printed(running, b"ready")).split()[:2])
        await running.end()
        assert not acting(leader)
        assert not acting(child)
        assert not session_lives(leader)
        assert await running.wait() == 128 + signal.SIGKILL


@trio_test
async def test_a_process_that_has_hardly_begun_is_told_again(tmp_path: Path) -> None:
    """As the sandbox of a command, it ignores the signal until the command is there."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with keeping(tmp_path) as processes:
        text = f"trap '' TERM; echo up; read x < {gate}; trap - TERM; exec sleep 1000"
        running = await processes.start(line(text))
        await until_printed(running, b"up")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.end)
            await trio.to_thread.run_sync(gate.write_text, "go\n")
        assert await running.wait() == 128 + signal.SIGTERM


@trio_test
async def test_the_leaders_end_ends_its_background_but_no_daemon(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        running = await processes.start(
            line("sleep 60 & echo $!; setsid sleep 60 >/dev/null 2>&1 & echo $!; sleep 0")
        )
        background, daemon = map(int, (await printed(running)).split())
        assert await running.wait() == 0
        assert not acting(background)
        assert acting(daemon)
    # With the keeper it ends.
    while acting(daemon):
        await trio.lowlevel.checkpoint()


@trio_test
async def test_what_cannot_be_started_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        first = await processes.start(line("true", "first"))
        await first.wait()
        await first.release()
        await processes.owned()
        before = len(os.listdir(f"/proc/{processes.keeper_pid}/fd"))
        for wrong, message in (
            (line("true", cwd="/nowhere"), "does not exist"),
            (line("true", env={"A=B": "c"}), "name of a variable"),
            (line("echo \0"), "null byte"),
            (line("true " + "x" * 200_000), "Argument list too long"),
            (line("true " + "x" * 7_000_000), "Argument list too long"),
        ):
            with pytest.raises(NotStarted, match=message):
                await processes.start(wrong)
        assert await processes.owned() == []
        assert len(os.listdir(f"/proc/{processes.keeper_pid}/fd")) == before


@trio_test
async def test_a_program_is_found_in_the_path_of_its_own_environment(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    async with keeping(tmp_path) as processes:
        command = line("", env={"PATH": f"relative::/nowhere:{tmp_path}"})
        running = await processes.start(_with_argv(command, "hello"))
        assert await printed(running) == b"found\n"
        with pytest.raises(NotStarted, match="No such file"):
            await processes.start(_with_argv(line(""), "surely-no-such-program"))


@pytest.mark.slow
@trio_test
async def test_nobody_is_delayed_by_a_reader_that_does_not_read(tmp_path: Path) -> None:
    size = 2 * SPOOL_BYTES_MAX
    async with keeping(tmp_path) as processes:
        running = await processes.start(line(f"echo first; head -c {size} /dev/zero; echo last"))
        assert await running.wait() == 0
        pieces = [piece async for piece in running.output()]
        read, lost = (
            sum(len(piece.data) for piece in pieces),
            sum(piece.lost_bytes for piece in pieces),
        )
        assert (read, lost) == (SPOOL_BYTES_MAX, size + 11 - SPOOL_BYTES_MAX)
        assert pieces[0].data.startswith(b"first\n\0")
        assert pieces[-1].data.endswith(b"\0last\n")
        assert sum(piece.lost_bytes > 0 for piece in pieces) == 1
        assert peak_kilobytes(processes.keeper_pid) < 16_000


@trio_test
async def test_the_keeper_shows_itself_to_its_user_alone(tmp_path: Path) -> None:
    async with keeping(tmp_path) as processes:
        await (await processes.start(line("true"))).wait()
        folder = tmp_path / "keeper"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert set(names.values()) == {0o600}


def _with_argv(command: Command, *argv: str) -> Command:
    return replace(command, argv=argv)
