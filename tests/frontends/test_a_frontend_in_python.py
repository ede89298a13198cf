"""A program on the Python client: typed calls, approvals by a function, and a daemon that is killed under it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Call, Hang, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd_frontends.client import blocking, with_trio
from codexd_frontends.client.conversation import Answer, Notification, Question
from codexd_frontends.client.errors import RequestRefused, Unreachable
from codexd_frontends.client.messages import ThreadAnswer
from daemon_house import Home
from trio_test import trio_test

pytestmark = pytest.mark.slow

SCRIPT: list[Part | Reply] = [
    Call("shell_command", '{"command":"touch asked; echo out"}'),
    Hang(("half ",)),
    Say(("whole ", "again")),
]


class Heard:
    """What a program was told in one turn, in which the daemon is killed once half an answer is here."""

    def __init__(self, home: Home) -> None:
        self.home, self.daemon, self.notes = home, home.start(), list[Notification]()

    def take(self, note: Notification) -> None:
        self.notes.append(note)
        if note.method == "item/agentMessage/delta" and note.params["delta"] == "half ":
            self.daemon.kill()
            self.daemon = self.home.start()

    def check(self) -> None:
        """Nothing is missed and nothing comes twice, the texts of deltas included."""
        last = self.notes[-1]
        assert last.method == "turn/completed"
        assert last.params["turn"]["status"] == "completed"
        once = [
            (note.method, json.dumps(note.params, sort_keys=True))
            for note in self.notes
            if note.method != "thread/status/changed"
        ]
        assert len(once) == len(set(once)), "something came twice"
        texts: dict[str, str] = {}
        for note in self.notes:
            if note.method == "item/agentMessage/delta":
                item = note.params["itemId"]
                texts[item] = texts.get(item, "") + note.params["delta"]
        ended = {
            note.params["item"]["id"]: note.params["item"]["text"]
            for note in self.notes
            if note.method == "item/completed" and note.params["item"]["type"] == "agentMessage"
        }
        assert ended == texts
        assert list(texts.values()) == ["half ", "whole again"]
        seqs = [note.seq for note in self.notes if note.seq is not None]
        assert seqs == sorted(seqs)


def accepts(asked: list[Question]) -> Answer:
    assert "touch asked" in asked[-1].text
    return "accept" if len(asked) == 1 else None


@trio_test
async def test_a_blocking_program_goes_on_over_a_daemon_that_is_killed() -> None:
    async with scripted_model(SCRIPT) as model:
        with Home() as home:
            home.use_model(model.base_url, approval="untrusted")
            await trio.to_thread.run_sync(_block, home)


def _block(home: Home) -> None:
    asked: list[Question] = []

    def answer(question: Question) -> Answer:
        asked.append(question)
        return accepts(asked)

    heard = Heard(home)
    with blocking.connect(str(home.socket), on_question=answer) as codexd:
        thread = codexd.start_thread(cwd=str(home.work))
        for note in thread.run("go"):
            heard.take(note)
        heard.check()
        assert [question.method for question in asked] == ["item/commandExecution/requestApproval"]
        assert [listed.id for listed in codexd.threads()] == [thread.id]
        read = codexd.call("thread/read", {"threadId": thread.id}, ThreadAnswer)
        assert read.thread.id == thread.id
        with pytest.raises(RequestRefused) as refused:
            codexd.call("thread/read", {"threadId": "00000000-0000-7000-8000-000000000000"})
        assert (refused.value.code, refused.value.reason) == (-32600, "thread_not_found")
        kept = thread.cursor
    with blocking.connect(str(home.socket)) as later:
        again = later.resume_thread(thread.id, after=kept)
        later.call("thread/name/set", {"threadId": thread.id, "name": "moon"})
        told = list(until_named(again))
        assert told[-1].params["threadName"] == "moon"
        assert not [note for note in told if note.method.startswith(("item/", "turn/"))]
        assert list(again.notifications(seconds=0.01)) == []


def until_named(thread: blocking.Thread) -> Iterator[Notification]:
    for note in thread.notifications():
        yield note
        if note.method == "thread/name/updated":
            return


@trio_test
async def test_tasks_share_a_connection_and_go_on_over_a_daemon_that_is_killed() -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Answer:
        asked.append(question)
        return accepts(asked)

    async with scripted_model(SCRIPT) as model:
        with Home() as home:
            home.use_model(model.base_url, approval="untrusted")
            heard = Heard(home)
            async with with_trio.connect(str(home.socket), on_question=answer) as codexd:
                thread = await codexd.start_thread(cwd=str(home.work))
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(codexd.call, "server/status")
                    async for note in thread.run("go"):
                        heard.take(note)
                heard.check()
                assert len(asked) == 1
                assert [listed.id for listed in await codexd.threads()] == [thread.id]


def test_a_program_starts_the_daemon_or_is_told_that_none_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Home() as home:
        for name, value in home.env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Unreachable, match="no daemon is running"):
            blocking.connect()
        with blocking.connect(start=True) as codexd:
            status = codexd.call("server/status")
            assert status["home"] == str(home.path)
        with blocking.connect(name="again") as codexd:
            assert codexd.call("server/status")["pid"] == status["pid"]
