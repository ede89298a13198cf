"""Telemetry beside real turns: off by default, never in a turn's way, and complete after any death."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from otlp_sink import Fault, Sink, otlp_sink
from trio_test import trio_test

RUNS: Reply = (Call("shell_command", '{"command":"ls"}'),)
SAYS: Reply = (Say(("Well", " done")),)
OF_A_TURN = ["codex.user_prompt", "codex.api_request"]


def uids(sink: Sink) -> list[str]:
    return [event["log.record.uid"] for event in sink.events]


@trio_test
async def test_nothing_of_it_is_loaded_by_default(home: Home) -> None:
    async with scripted_model([SAYS]) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.run_turn(thread, "hello")
            assert turn["status"] == "completed"
            status = await client.call("server/status")
        if sys.platform == "linux":
            # The libraries have extensions: what is imported is mapped.
            mapped = await trio.Path(f"/proc/{daemon.pid}/maps").read_text(encoding="utf-8")
            assert not re.search(r"/(?:google/_upb|grpc)/", mapped)
    assert status["telemetry"] == {"signals": [], "problems": []}
    assert "traceparent" not in model.requests[0].headers
    (log,) = home.logs()
    assert b'"exchange"' not in log.read_bytes()


@pytest.mark.slow
@trio_test
async def test_what_a_kill_left_unsent_comes_after_the_restart_and_nothing_else(
    home: Home,
) -> None:
    async with otlp_sink() as sink, scripted_model([SAYS, RUNS, SAYS, SAYS]) as model:
        home.use_model(model.base_url, more=sink.config())
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "one")
            await sink.until(lambda: sink.names() == ["codex.conversation_starts", *OF_A_TURN])
            await sink.until(lambda: "input_token_count" in sink.events[-1])
            first = uids(sink)
            sink.always = 503
            refused = len(sink.got)
            turn = await client.run_turn(thread, "two")  # it takes no notice
            assert turn["status"] == "completed"
            await sink.until(lambda: len(sink.got) > refused)
            (to,) = (await client.call("server/status"))["telemetry"]["signals"]
            while to["problem"] is None:
                (to,) = (await client.call("server/status"))["telemetry"]["signals"]
            assert (to["problem"], to["dropped"]) == ("it answered HTTP 503", 0)
            assert to["waiting"] == 1
        daemon.kill()
        assert uids(sink) == first
        sink.always = None
        home.start()
        expected = ["codex.user_prompt", "codex.api_request", "codex.tool_decision"]
        expected += ["codex.tool_result", "codex.api_request"]
        await sink.until(lambda: sorted(sink.names()[3:]) == sorted(expected))
        await sink.until(lambda: "input_token_count" in sink.events[-1])
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "three")
            await sink.until(lambda: sink.names()[8:] == OF_A_TURN)
        found = uids(sink)
        assert len(set(found)) == len(found)
        # By the numbers of their records, in order.
        assert found == sorted(found, key=lambda uid: [int(n) for n in uid.split("/")[1:]])


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hang", "break", 500])
@trio_test
async def test_a_turn_beside_a_collector_that_fails_is_as_without_it(
    home: Home, fault: Fault
) -> None:
    async with otlp_sink() as sink, scripted_model([RUNS, SAYS, SAYS]) as model:
        sink.always = fault
        home.use_model(model.base_url, more=sink.config())
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await sink.until(lambda: len(sink.got) == 1)  # which is never answered well
            turn = await client.run_turn(thread, "go")
            items = [item["type"] for item in turn["items"]] or None
            again = await client.run_turn(thread, "go on")
        assert [turn["status"], again["status"]] == ["completed", "completed"]
        assert items is None or "agentMessage" in items
        assert sink.taken == []
        assert daemon.stop() == 0


@pytest.mark.slow
@trio_test
async def test_the_end_of_a_daemon_sends_what_is_there(home: Home) -> None:
    async with otlp_sink() as sink, scripted_model([SAYS]) as model:
        # By its delay it would wait for an hour.
        home.env["OTEL_BLRP_SCHEDULE_DELAY"] = "3600000"
        home.use_model(model.base_url, more=sink.config(log_user_prompt="true"))
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "a prompt")
        daemon.terminate()
        assert await daemon.ended() == 0
        assert sink.names() == ["codex.conversation_starts", *OF_A_TURN]
        assert sink.events[1]["prompt"] == "a prompt"


@pytest.mark.slow
@trio_test
async def test_telemetry_begins_and_ends_with_the_config(home: Home) -> None:
    async with otlp_sink() as sink, scripted_model([SAYS] * 4) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "before")
            home.use_model(model.base_url, more=sink.config(log_user_prompt="true"))
            while not (await client.call("server/status"))["telemetry"]["signals"]:
                await client.call("thread/name/set", threadId=thread, name="x")
            await client.run_turn(thread, "while")
            await sink.until(lambda: sink.names() == OF_A_TURN)
            home.use_model(model.base_url)
            while (await client.call("server/status"))["telemetry"]["signals"]:
                await client.call("thread/name/set", threadId=thread, name="y")
            await client.run_turn(thread, "after")
            home.use_model(model.base_url, more=sink.config(log_user_prompt="true"))
            while not (await client.call("server/status"))["telemetry"]["signals"]:
                await client.call("thread/name/set", threadId=thread, name="z")
            await client.run_turn(thread, "again")
            await sink.until(lambda: sink.names() == OF_A_TURN * 2)
        prompts = [event["prompt"] for event in sink.events if "prompt" in event]
        assert prompts == ["while", "again"]


@pytest.mark.slow
@trio_test
async def test_where_the_libraries_are_not_installed_it_says_so(home: Home, tmp_path: Path) -> None:
    async with scripted_model([SAYS]) as model:
        home.use_model(model.base_url, more="[otel]\nexporter = { otlp-grpc = {} }")
        # An interpreter that finds no such library, by a hook before the daemon is imported.
        hidden = (
            "import importlib.machinery, runpy, sys\n"
            "find = importlib.machinery.PathFinder.find_spec\n"
            "class Hidden(importlib.machinery.PathFinder):\n"
            "    @classmethod\n"
            "    def find_spec(cls, name, path=None, target=None):\n"
            "        if name.partition('.')[0] in ('grpc', 'google', 'opentelemetry'):\n"
            "            return None\n"
            "        return find(name, path, target)\n"
            "sys.meta_path = [Hidden if f.__name__ == 'PathFinder' else f"
            " for f in sys.meta_path if hasattr(f, '__name__')]\n"
            "sys.argv[1:] = []\n"
            "runpy.run_module('codexd', run_name='__main__')\n"
        )
        script = tmp_path / "hidden.py"
        script.write_text(hidden)
        daemon = home.launch(program=(str(script),))
        daemon.wait_said("answers on")
        daemon.wait_said("pip install 'codexd[otel]'")
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "go"))["status"] == "completed"
            telemetry = (await client.call("server/status"))["telemetry"]
        assert telemetry["signals"] == []
        assert "its libraries are not installed" in telemetry["problems"][0]
