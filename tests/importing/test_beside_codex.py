"""Rollouts that Codex itself wrote read as Codex's own answers say: where it is installed.

It talks to a scripted model on loopback, in a home of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    Reasoning,
    UserMessage,
    plain_text,
)
from codexd.models.scripted.scripts import Call, Fail, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd.projections.clients.turns import TurnProjection
from installed_codex import PROGRAM, needs_program
from rollout_files import read, recorded
from trio_test import trio_test

Json = dict[str, Any]

pytestmark = [pytest.mark.slow, needs_program]

CONFIG = """
model = "scripted"
model_provider = "local"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.local]
name = "local"
base_url = "{url}"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0
"""
ANSWER_SECONDS_MAX = 60


class Original:
    """Codex's app-server over stdio."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self._ids = process, 0

    def call(self, method: str, **params: object) -> Json:
        self._ids += 1
        self._say({"id": self._ids, "method": method, "params": params})
        answer = self.until(lambda note: note.get("id") == self._ids and "method" not in note)
        assert "result" in answer, answer
        found: Json = answer["result"]
        return found

    def notify(self, method: str) -> None:
        self._say({"method": method})

    def until(self, wanted: Any) -> Json:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: Json = json.loads(line)
            if wanted(message):
                return message
        raise AssertionError("Codex has ended")

    def turn(self, thread: str, text: str) -> None:
        self.call("turn/start", threadId=thread, input=[{"type": "text", "text": text}])
        self.until(lambda message: message.get("method") == "turn/completed")

    def _say(self, message: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


@contextmanager
def original(home: Path, url: str) -> Iterator[Original]:
    (home / "work").mkdir(parents=True)
    (home / "config.toml").write_text(CONFIG.format(url=url))
    with subprocess.Popen(
        [str(PROGRAM), "app-server"],
        env={**os.environ, "CODEX_HOME": str(home), "OPENAI_API_KEY": "none"},
        cwd=home / "work",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            peer = Original(process)
            who = {"name": "test", "title": "test", "version": "0"}
            peer.call("initialize", clientInfo=who, capabilities={"experimentalApi": True})
            peer.notify("initialized")
            yield peer
        finally:
            process.kill()


def converse(home: Path, url: str) -> list[Json]:
    """Some turns, a fork and a compaction; what Codex then says of its threads."""
    with original(home, url) as peer:
        thread = peer.call("thread/start", cwd=str(home / "work"))["thread"]["id"]
        for text in ("one", "<environment_context> two?", "three"):
            peer.turn(thread, text)
        fork = peer.call("thread/fork", threadId=thread)["thread"]["id"]
        peer.turn(fork, "four")
        return [
            peer.call("thread/read", threadId=id_, includeTurns=True)["thread"]
            for id_ in (thread, fork)
        ]


def running(line: str) -> Reply:
    return (Call("exec_command", json.dumps({"cmd": line})),)


def theirs(turns: list[Json]) -> list[Counter[tuple[str, str]]]:
    """The texts of each turn's items, by kind."""
    found = []
    for turn in turns:
        texts: Counter[tuple[str, str]] = Counter()
        for item in turn["items"]:
            if item["type"] == "userMessage":
                texts["user", "".join(part.get("text", "") for part in item["content"])] += 1
            elif item["type"] == "agentMessage":
                texts["agent", item["text"]] += 1
            elif item["type"] == "commandExecution":
                texts["command", f"{item['command']} {item['aggregatedOutput']}"] += 1
            elif item["type"] == "reasoning":
                texts["reasoning", "".join(item["summary"])] += 1
        found.append(texts)
    return found


def ours(path: Path) -> tuple[list[Counter[tuple[str, str]]], list[str]]:
    told, rollout = read(path)
    transcript = TurnProjection()
    for record in recorded(told):
        transcript.apply(record)
    found = []
    for turn in transcript.turns:
        texts: Counter[tuple[str, str]] = Counter()
        for item in turn.items:
            if isinstance(item, UserMessage):
                texts["user", plain_text(item.content)] += 1
            elif isinstance(item, AgentMessage):
                texts["agent", item.text] += 1
            elif isinstance(item, CommandExecution):
                texts["command", f"{item.command} {item.aggregated_output}"] += 1
            elif isinstance(item, Reasoning):
                texts["reasoning", "".join(item.summary)] += 1
        found.append(texts)
    return found, [complaint.message for _, complaint in rollout.complaints]


@trio_test
async def test_its_rollouts_read_as_its_own_answers_say(tmp_path: Path) -> None:
    replies: list[Reply] = [
        (Say(("One.",)),),
        running("echo hello"),
        (Say(("Two.",)),),
        (Fail(400),),
        (Say(("Four.",)),),
    ]
    async with scripted_model(replies) as model:
        home = tmp_path / "home"
        with trio.fail_after(ANSWER_SECONDS_MAX):
            said = await trio.to_thread.run_sync(converse, home, model.base_url)
    kept = theirs(said[0]["turns"])
    (path,) = home.rglob(f"rollout-*{said[0]['id']}.jsonl")
    found, complaints = ours(path)
    assert (found, complaints) == (kept, [])
    assert [turn["status"] for turn in said[0]["turns"]] == ["completed", "completed", "failed"]
    (path,) = home.rglob(f"rollout-*{said[1]['id']}.jsonl")
    assert ours(path) == (theirs(said[1]["turns"])[-1:], [])
