"""codexctl usage: the usage of threads, in tables of exact numbers; and why a cache was missed."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from codexd_frontends.ctl import main

from . import said
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]
AT = 1_795_226_695
PRICES = {"asOf": "2026-10-01", "source": "https://prices.example"}


def used(requests: int, fresh: int, cached: int, out: int, cost: float | None, **more: int) -> Json:
    return {
        "requests": requests,
        "failedRequests": 0,
        "unsaidRequests": 0,
        "unpricedRequests": 0,
        "tokens": {
            "totalTokens": fresh + cached + out,
            "inputTokens": fresh + cached,
            "cachedInputTokens": cached,
            "cacheWriteInputTokens": 0,
            "outputTokens": out,
            "reasoningOutputTokens": out // 2,
        },
        "freshInputTokens": fresh,
        "costUsd": cost,
        **more,
    }


def turn(turn_id: str, kind: str, used: Json) -> Json:
    models = ["gpt-6.1-sol"]
    return {"turnId": turn_id, "kind": kind, "startedAt": AT, "models": models, "used": used}


def read(**members: object) -> Json:
    total = used(4, 13_000, 40_000, 1234, 0.0423)
    return {
        "threadId": said.THREAD,
        "total": total,
        "kinds": [{"kind": "turn", "used": total}],
        "modelContextWindow": 258_400,
        "contextTokens": 34_000,
        "percentLeft": 91,
        "turns": None,
        "misses": None,
        "prices": PRICES,
        **members,
    }


def moment() -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(AT))


def words_of(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, "usage", *words])


def test_a_thread_has_its_usage_by_turn_and_in_total(tmp_path: Path, capfd: Captured) -> None:
    turns = [
        turn("t-00000001", "turn", used(3, 12_345, 30_000, 1000, 0.0321)),
        turn("t-00000001", "compact", used(1, 655, 10_000, 234, 0.0102)),
    ]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread()})
        fake.answer("thread/usage/read", read(turns=turns))
        assert run(fake, said.THREAD) == 0
        asked = fake.wait_for("thread/usage/read")
    assert asked == {"threadId": said.THREAD, "turns": True, "misses": False}
    *table, window, remark = capfd.readouterr().out.splitlines()
    # Numbers stand below each other, whatever the words in front of them.
    assert len({len(line) for line in table}) == 1
    assert words_of(table) == [
        "began turn for model requests fresh cached written output reasoning money",
        f"{moment()} 00000001 turn gpt-6.1-sol 3 12,345 30,000 0 1,000 500 $0.0321",
        f"{moment()} 00000001 compact gpt-6.1-sol 1 655 10,000 0 234 117 $0.0102",
        "in all 4 13,000 40,000 0 1,234 617 $0.0423",
    ]
    assert window == "91% context left"
    source = "of 2026-10-01 (https://prices.example) or from config.toml"
    assert remark == f"prices in US dollars, {source}"


def test_the_parts_that_the_sums_leave_out_are_named(tmp_path: Path, capfd: Captured) -> None:
    total = used(1200, 0, 0, 0, None, unpricedRequests=1100, unsaidRequests=100, failedRequests=7)
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread()})
        fake.answer("thread/usage/read", read(turns=[], total=total, percentLeft=None))
        assert run(fake, said.THREAD) == 0
    *_, all_of_it, remark = capfd.readouterr().out.splitlines()
    assert words_of([all_of_it]) == ["in all 1,200 (+7 failed) 0 0 0 0 0 -"]
    unknown = "1,100 requests to models without a price"
    assert remark.startswith(f"without {unknown} and 100 without reported usage; ")


def test_each_miss_has_its_change_and_position(tmp_path: Path, capfd: Captured) -> None:
    miss = {
        "turnId": "t2",
        "seq": 814,
        "at": AT,
        "model": "gpt-6.1-sol",
        "inputTokens": 6000,
        "cachedTokens": 1024,
        "expectedTokens": 5000,
        "segment": "history",
        "why": "the history was compacted",
        "causeSeq": 812,
        "item": 0,
    }
    bare = {**miss, "causeSeq": None, "item": None, "segment": "none", "why": "it was long ago"}
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread()})
        fake.answer("thread/usage/read", read(misses=[miss, bare], unjudgedRequests=1))
        assert run(fake, "--why", said.THREAD) == 0
        asked = fake.wait_for("thread/usage/read")
    assert asked == {"threadId": said.THREAD, "turns": False, "misses": True}
    *lines, end, unjudged = capfd.readouterr().out.splitlines()
    assert unjudged == "of one request the provider did not say what its cache had"
    assert lines == [
        f"{moment()}  record 814  gpt-6.1-sol: 1,024 of 5,000 tokens were cached",
        "    history: the history was compacted (from item 0 on), record 812",
        f"{moment()}  record 814  gpt-6.1-sol: 1,024 of 5,000 tokens were cached",
        "    none: it was long ago",
    ]
    in_all = "2 of 4 requests missed the cache; they read 7,952 tokens again."
    assert end == f"{in_all} Of all input, 75% came from the cache"


def test_all_threads_have_a_line_and_usage_outside_of_turns_has_another(
    tmp_path: Path, capfd: Captured
) -> None:
    def page(request: Json) -> list[Json]:
        archived = request["params"]["archived"]
        compact = {"kind": "compact", "used": used(1, 1, 1, 2, None)}
        row = {
            "threadId": said.THREAD[:-1] + str(2 - archived),
            "name": None,
            "preview": "put\naside" if archived else "in use",
            "updatedAt": AT - archived,
            "total": used(2, 1000, 0, 10, None if archived else 0.5),
            "kinds": [compact] if archived else [],
        }
        result = {"data": [row], "nextCursor": None, "prices": PRICES}
        return [{"id": request["id"], "result": result}]

    with FakeDaemon(tmp_path) as fake:
        fake.answer_by("thread/usage/list", page)
        assert run(fake) == 0
        asked = fake.wait_for("thread/usage/list")
        assert run(fake, "--days", "all", "--json") == 0
        fake.wait_for("thread/usage/list")
        assert fake.wait_for("thread/usage/list")["days"] is None
    assert asked == {"days": 30, "archived": False, "cursor": None, "limit": 100}
    table, document = capfd.readouterr().out.split("{", 1)
    heading, *rows = words_of(table.splitlines())
    assert heading == "thread of it requests fresh cached written output reasoning money"
    assert rows[:4] == [
        f"{said.THREAD[:-1]}2 in use 2 1,000 0 0 10 5 $0.5000",
        f"{said.THREAD[:-1]}1 put aside 2 1,000 0 0 10 5 -",
        "compact 1 1 1 0 2 1 -",
        "in all in 30 days 4 2,000 0 0 20 10 $0.5000",
    ]
    assert len(msgspec.json.decode("{" + document)["threads"]) == 2


def test_why_is_asked_of_one_thread(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        assert run(fake, "--why") == 2
    assert "--why is about one thread" in capfd.readouterr().err
