"""Commands that print too much, do not end, or cannot begin. The turn continues, and no process is left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home, is_gone, memory_of, wait_gone
from daemon_screen import completed, streamed
from trio_test import trio_test

OK = Say(("ok",))
# More than the daemon may grow by.
PRINTED_BYTES = 1_000_000_000 if "CODEXD_NIGHTLY" in os.environ else 80_000_000


def run(command: str, **more: object) -> Call:
    return Call("shell_command", json.dumps({"command": command, **more}))


def the_command(client: Client) -> Json:
    (item,) = [item for item in completed(client).values() if item["type"] == "commandExecution"]
    return item


@pytest.mark.slow
@trio_test
async def test_a_command_that_prints_on_and_on_costs_bounded_memory_and_log(home: Home) -> None:
    printing = f"yes 0123456789abcdef | head -c {PRINTED_BYTES}; echo the end"
    async with scripted_model([run("echo warm"), OK, run(printing), OK]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as other, connected(home.socket) as client:
            thread = await other.start_thread()
            await other.run_turn(thread, "warm up")
            await client.call("thread/resume", threadId=thread, excludeTurns=True)
            before = daemon.resident_bytes()
            turn = await client.start_turn(thread, "go")
            assert (await client.turn_ended(turn))["status"] == "completed"
            item = the_command(client)
            assert (item["status"], item["exitCode"]) == ("completed", 0)
            assert item["aggregatedOutput"].startswith("0123456789abcdef\n")
            assert item["aggregatedOutput"].endswith("the end\n")
            assert len(item["aggregatedOutput"]) < 2 << 20
            assert len(streamed(client, item["id"])) < 2 << 20
            assert b"the end" in model.requests[-1].body
            assert len(model.requests[-1].body) < 100_000
            grown = daemon.resident_bytes(most=True) - before
            assert grown < 64 << 20, f"{grown >> 20} MiB more"
            assert memory_of(home.keeper, "VmHWM:") < 16 << 20
        (log,) = home.logs()
        assert log.stat().st_size < 300_000
        blobs = [file.stat().st_size for file in home.path.glob("blobs/*/*")]
        assert [size <= 64 << 20 for size in blobs] == [True]
        assert not [file for file in home.path.glob("drafts/*/*") if file.is_file()]


@trio_test
async def test_an_interrupt_ends_a_command_and_everything_that_it_started(daemon: Daemon) -> None:
    daemonized = "env -i setsid -f sh -c 'echo $$; exec /bin/sleep 1000 >/dev/null'"
    command = f"sleep 1000 & (sleep 1000; true) & echo $! $$ $({daemonized} | cat); wait"
    async with scripted_model([run(command)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            note = await client.until_notified("item/commandExecution/outputDelta")
            pids = [int(word) for word in note.params["delta"].split()]
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            assert the_command(client)["status"] == "failed"
            for pid in pids:
                await wait_gone(pid)


@trio_test
async def test_the_output_of_an_interrupted_command_stays(daemon: Daemon) -> None:
    async with scripted_model([run("echo shown; sleep 1000"), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.turn_ended(turn)
            assert the_command(client)["aggregatedOutput"] == "shown\n"


@pytest.mark.slow
@trio_test
async def test_a_command_that_ignores_sigterm_is_killed_on_interrupt(daemon: Daemon) -> None:
    command = "trap '' TERM; echo $$; while :; do sleep 1000; done"
    async with scripted_model([run(command), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            note = await client.until_notified("item/commandExecution/outputDelta")
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            # The turn is over at once; the process has its two seconds, and the next turn does not wait.
            assert (await client.turn_ended(turn))["status"] == "interrupted"
            assert (await client.run_turn(thread, "next"))["status"] == "completed"
            await wait_gone(int(note.params["delta"]))


@trio_test
async def test_a_missing_folder_is_reported_to_the_model(daemon: Daemon) -> None:
    folder = daemon.home.work / "goes"
    folder.mkdir()
    async with scripted_model([run("pwd"), OK, run("pwd", workdir="/"), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(folder))
            folder.rmdir()
            assert (await client.run_turn(thread, "go"))["status"] == "completed"
            assert the_command(client)["status"] == "failed"
            assert f"the directory {folder} does not exist".encode() in model.requests[1].body
            assert (await client.run_turn(thread, "elsewhere"))["status"] == "completed"
            assert b"Exit code: 0" in model.requests[3].body


@trio_test
async def test_a_command_that_takes_too_long_is_ended_and_its_output_kept(daemon: Daemon) -> None:
    async with scripted_model([run("echo begun; sleep 1000", timeout_ms=50), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            turn = await client.run_turn(await client.start_thread(), "go")
            assert turn["status"] == "completed"
            item = the_command(client)
            assert (item["status"], item["exitCode"]) == ("failed", 124)
            assert "begun" in item["aggregatedOutput"]
            assert b"timed out after 50" in model.requests[1].body


@pytest.mark.slow
@trio_test
async def test_commands_that_do_odd_things_have_their_own_ends(daemon: Daemon) -> None:
    odd = {
        # what it does: the code and the output that are its own
        "for n in $(seq 100); do sleep 1000 & done; echo a hundred; exit 3": (3, "a hundred\n"),
        "echo before; exec >/dev/null 2>&1; echo unseen; exit 4": (4, "before\n"),
        "setsid sh -c 'exec >/dev/null 2>&1 <&1; exec sleep 1000' & echo left; exit 5": (
            5,
            "left\n",
        ),
        "setsid sh -c 'sleep 1000' & echo holds the pipe; exit 6": (6, "holds the pipe\n"),
        "stty -echo raw 2>&1 >/dev/null; printf '\\033[?1049h\\033c'; exit 7": (
            *(7, "stty: 'standard input': Inappropriate ioctl for device\n\033[?1049h\033c"),
        ),
        "ulimit -f 0 2>/dev/null; kill -SEGV $$": (139, ""),
        "(sleep 0.01; kill -9 $$) & while :; do :; done": (137, ""),
    }
    async with scripted_model([*map(run, odd), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "go"))["status"] == "completed"
            items = [i for i in completed(client).values() if i["type"] == "commandExecution"]
            ends = [(item["exitCode"], item["aggregatedOutput"]) for item in items]
            assert ends == list(odd.values())
            assert [streamed(client, item["id"]) for item in items] == [text for _, text in ends]
        # What daemonized on purpose goes on, until the keeper ends; nothing else is left.
        left = [pid for pid in daemon.home.processes() if name_of(pid) == "sleep"]
        assert len(left) == 2
        await daemon.home.end_keeper()
        assert all(map(is_gone, left))


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@trio_test
async def test_background_processes_of_a_command_end_with_it(daemon: Daemon) -> None:
    async with scripted_model([run("sleep 1000 & echo $!"), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            await client.run_turn(await client.start_thread(), "go")
            assert is_gone(int(the_command(client)["aggregatedOutput"]))


@trio_test
async def test_output_that_is_no_text_is_shown_too(daemon: Daemon) -> None:
    async with scripted_model([run(r"printf 'a\377\000b\303'; printf '\251c'"), OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            turn = await client.run_turn(await client.start_thread(), "go")
            assert turn["status"] == "completed"
            item = the_command(client)
            assert item["aggregatedOutput"] == "a\ufffd\0béc"
            assert streamed(client, item["id"]) == item["aggregatedOutput"]


@trio_test
async def test_several_calls_of_one_answer_each_get_their_own_output(daemon: Daemon) -> None:
    calls = tuple(run(f"echo output of {n}") for n in range(5))
    async with scripted_model([calls, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            turn = await client.run_turn(await client.start_thread(), "go")
            assert turn["status"] == "completed"
            outputs = {
                item["aggregatedOutput"]
                for item in completed(client).values()
                if item["type"] == "commandExecution"
            }
            assert outputs == {f"output of {n}\n" for n in range(5)}
            assert len(model.requests) == 2
