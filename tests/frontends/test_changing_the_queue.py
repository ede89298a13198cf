"""codexctl queue: what waits in a thread, by its places."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from codexd_frontends.ctl import main

from . import said
from .fake_daemon import FakeDaemon

Captured = pytest.CaptureFixture[str]


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def waiting(*words: str) -> dict[str, object]:
    data = [
        {
            "id": f"id-{word}",
            "clientUserMessageId": "c",
            "input": [{"type": "text", "text": word, "text_elements": []}],
        }
        for word in words
    ]
    return {"data": data, "nextCursor": None}


def test_the_queue_is_listed_with_its_places(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/queue/list", waiting("first", "second"))
        assert run(fake, "queue", "list", said.THREAD) == 0
        assert capfd.readouterr().out == "  1  first\n  2  second\n"
        assert run(fake, "queue", "list", said.THREAD, "--json") == 0
        queue = msgspec.json.decode(capfd.readouterr().out)["queue"]
        assert [entry["id"] for entry in queue] == ["id-first", "id-second"]
        fake.answer("thread/queue/list", waiting())
        assert run(fake, "queue", "list", said.THREAD) == 0
        assert capfd.readouterr().out == "nothing waits\n"


@pytest.mark.parametrize(
    ("words", "method", "asked"),
    [
        (("remove", said.THREAD, "2"), "thread/queue/delete", {"queuedSubmissionId": "id-b"}),
        (
            ("move", said.THREAD, "3", "1"),
            "thread/queue/reorder",
            {"queuedSubmissionIds": ["id-c", "id-a", "id-b"]},
        ),
        (
            ("move", said.THREAD, "1", "9"),
            "thread/queue/reorder",
            {"queuedSubmissionIds": ["id-b", "id-c", "id-a"]},
        ),
    ],
)
def test_a_prompt_is_removed_and_moved_by_its_place(
    tmp_path: Path, words: tuple[str, ...], method: str, asked: dict[str, object]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/queue/list", waiting("a", "b", "c"))
        fake.answer(method, {})
        assert run(fake, "queue", *words) == 0
        assert fake.wait_for(method) == {"threadId": said.THREAD, **asked}


def test_a_prompt_is_queued(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/queue/add", {"queuedSubmission": waiting("later")["data"][0]})  # type: ignore[index]
        fake.answer("thread/queue/list", waiting("later"))
        assert run(fake, "queue", "add", said.THREAD, "later") == 0
        assert fake.wait_for("thread/queue/add")["input"] == [{"type": "text", "text": "later"}]
    assert capfd.readouterr().out == "queued: later\n  1  later\n"


def test_a_place_that_is_not_there_is_refused(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/queue/list", waiting("a"))
        assert run(fake, "queue", "remove", said.THREAD, "2") == 2
    assert "expected a place in the queue, found 2: 1 waits" in capfd.readouterr().err
