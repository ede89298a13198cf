"""The real daemon where a compaction frees too little: requests stay few, and the model sees what its commands said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.models.scripted.scripts import Call, Fail, Reply, Say, Use
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from trio_test import trio_test

COMMANDS = 8
TOO_LONG = Fail(400, body=b'{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}')


class Worker:
    """A model that runs some commands one after another, and what its requests had."""

    def __init__(self, used: Callable[[int], int], window: int = 10**9, size: int = 1) -> None:
        self.used, self.window, self.size = used, window, size
        self.asked = self.summaries = self.refusals = self.commands = 0
        self.seen: set[str] = set()

    def answer(self, body: bytes) -> Reply:
        """A summary, a command, or the end."""
        if len(body) // 4 > self.window:
            self.refusals += 1
            return (TOO_LONG,)
        use = Use(self.used(len(body)))
        if json.dumps(COMPACTION_PROMPT)[1:40].encode() in body:
            self.summaries += 1
            return (Say(("So far, so good.",)), use)
        self.asked += 1
        self.seen |= set(re.findall(r"result-(\d+)", body.decode()))
        if self.commands == COMMANDS:
            return (Say(("Done.",)), use)
        self.commands += 1
        # The number is put together by the shell, so that only the output has it.
        command = f"printf 'result-%d' {self.commands}; head -c {self.size} /dev/zero | tr '\\0' x"
        return (Call("shell_command", json.dumps({"command": command})), use)


def by_size(size: int) -> int:
    return size // 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("used", "more", "size", "summaries"),
    [
        (by_size, 'wire_api = "responses"', 100, 1),
        (by_size, 'wire_api = "chat"', 100, 1),
        (by_size, "", 6000, 4),
        (lambda _: 8192, "", 100, 1),
        (lambda _: 0, "", 100, 1),
    ],
    ids=["by size", "by size in a chat", "large outputs", "always at the limit", "never counted"],
)
@trio_test
async def test_each_output_is_seen_and_few_summaries_are_asked_for(
    tmp_path: Path, daemon: Daemon, used: Callable[[int], int], more: str, size: int, summaries: int
) -> None:
    worker = Worker(used, size=size)
    (tmp_path / "AGENTS.md").write_text("Be kind.\n" * 3100)
    async with scripted_model(worker.answer) as model:
        daemon.home.use_model(model.base_url, window=8192, provider_more=more)
        async with connected(daemon.home.socket) as client:
            ended = await client.run_turn(await client.start_thread(cwd=str(tmp_path)), "Work.")
            assert ended["status"] == "completed"
            warnings = [told.params["message"] for told in client.of("warning")]
            (no_room,) = [text for text in warnings if "AGENTS.md files have 7,0" in text]
            assert "waits until the history has grown by 2," in no_room
    assert worker.seen == {str(number) for number in range(1, COMMANDS + 1)}
    assert (worker.summaries, worker.asked) == (summaries, COMMANDS + 1)


@pytest.mark.slow
@trio_test
async def test_a_limit_that_is_too_low_costs_few_summaries(daemon: Daemon) -> None:
    worker = Worker(by_size)
    async with scripted_model(worker.answer) as model:
        daemon.home.use_model(model.base_url, more="model_auto_compact_token_limit = 1")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for prompt in ("Work.", "And now?", "And then?"):
                assert (await client.run_turn(thread, prompt))["status"] == "completed"
    assert len(worker.seen) == COMMANDS
    assert 1 <= worker.summaries <= 2


@pytest.mark.slow
@trio_test
async def test_where_nothing_fits_each_turn_fails_soon_and_says_what_fills_the_window(
    tmp_path: Path,
    daemon: Daemon,
) -> None:
    worker = Worker(by_size, window=8192)
    (tmp_path / "AGENTS.md").write_text("Be kind.\n" * 3100)
    async with scripted_model(worker.answer) as model:
        daemon.home.use_model(model.base_url, window=8192)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(tmp_path))
            for turns in (1, 2):
                ended = await client.run_turn(thread, "Work.")
                assert ended["status"] == "failed"
                assert "tokens, of a window of 8,192: " in ended["error"]["additionalDetails"]
                assert "of tools, 7,0" in ended["error"]["additionalDetails"]
                assert len(model.requests) <= turns * 8
            (tmp_path / "AGENTS.md").write_text("Be kind.\n")
            assert (await client.run_turn(thread, "Work."))["status"] == "completed"


@pytest.mark.slow
@trio_test
async def test_where_a_few_outputs_fit_the_turn_fails_after_few_summaries(
    tmp_path: Path, daemon: Daemon
) -> None:
    worker = Worker(by_size, size=1500)

    def answer(body: bytes) -> Reply:
        if not worker.asked:  # An output has more than 400 tokens.
            worker.window = len(body) // 4 + 800
        return worker.answer(body)

    (tmp_path / "AGENTS.md").write_text("Be kind.\n" * 3100)
    async with scripted_model(answer) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            ended = await client.run_turn(await client.start_thread(cwd=str(tmp_path)), "Work.")
            assert ended["status"] == "failed"
    assert worker.summaries == 2
    assert len(worker.seen) >= worker.commands - 1


@trio_test
async def test_a_prompt_longer_than_any_window_is_cut(daemon: Daemon) -> None:
    worker = Worker(by_size, window=16_000)
    worker.commands = COMMANDS
    async with scripted_model(worker.answer) as model:
        daemon.home.use_model(model.base_url, window=None)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for prompt in ("Long. " * 50_000, "And now?"):
                assert (await client.run_turn(thread, prompt))["status"] == "completed"
    assert (worker.asked, worker.summaries) == (2, 1)
