"""Any lines with right checksums: records, a torn tail, or damage, and never an error of another kind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd_eventstore.format.lines import chain_start
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import Damaged, EventStore, Record, StoreError
from store_engines import NOON_US, FastFiles, append, placed, put
from trio_test import trio_test

# Each asks a dozen things of a store of its own.
EXAMPLES = 2000 if "CODEXD_NIGHTLY" in os.environ else 60
HEAD = b'{"seq":%d,"at":"2026-11-21T03:00:00.000000Z","type":"order.placed"'
encode = msgspec.json.encode
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
).map(encode)
# What a record has or might have had, each by itself and where it does not belong.
ODD = st.sampled_from(
    [
        b"1",
        b"2",
        b"true",
        b'"k"',
        b'""',
        b'"\\ud800"',
        b'"\\x"',
        b'"\xff"',
        b'"\0"',
        b"99999999999999999",
        b"1" + b"0" * 5000,
        b'"2026-11-21T03:00:00.000000Z"',
        b'"2026-99-99T99:99:99.999999Z"',
        b'"order.placed"',
        b'{"number":1}',
        b'{"stream":"orders","seq":0,"crc":"00000000"}',
        b'{"stream":"orders","seq":1,"crc":"0a1b2c3d"}',
        b'{"stream":"nobody","seq":0,"crc":"0a1b2c3d"}',
        b'{"stream":"%b","seq":0,"crc":"0a1b2c3d"}' % (b"x" * 300),
        b'{"stream":"nobody","seq":%d,"crc":"0a1b2c3d"}' % 10**17,
        b'{"stream":"nobody","seq":%d,"crc":"0a1b2c3d"}' % 10**30,
        b'{"generation":2,"cuts":{"1":["0a1b2c3d"]}}',
    ]
)
NAMES = ["seq", "at", "type", "v", "more", "key", "parent", "synced", "by", "data", "crc"]
MEMBER = st.tuples(st.sampled_from(NAMES).map(encode) | st.text(max_size=9).map(encode), ODD | JSON)
MEMBERS = st.lists(MEMBER, max_size=8).map(
    lambda some: b",".join(name + b":" + value for name, value in some)
)
NUMBERS = st.integers(0, 4)
# The marks that a record may have, in the order in which it has them.
MARKS = st.tuples(
    *[
        st.just(b"") | st.builds(b',"%b":%b'.__mod__, st.tuples(st.just(name), ODD | JSON))
        for name in (b"v", b"more", b"key", b"parent", b"synced", b"data")
    ]
).map(b"".join)
BODIES = st.one_of(
    MEMBERS.map(lambda members: b"{" + members),
    JSON,
    st.binary(max_size=90),
    st.builds(lambda seq, marks: HEAD % seq + marks, NUMBERS, MARKS),
    st.builds(lambda seq, members: HEAD % seq + b"," + members, NUMBERS, MEMBERS),
    st.builds(lambda seq, some: HEAD % seq + some, NUMBERS, st.binary(max_size=40)),
)
GOOD = b',"data":{"number":1}'


def log_of(bodies: Sequence[bytes]) -> bytes:
    """A line of each, with the checksum that it should have."""
    chain, lines = chain_start("orders"), []
    for body in bodies:
        body = body.replace(b"\n", b"")
        chain = crc32(body, chain)
        lines.append(b'%b,"crc":"%08x"}\n' % (body, chain))
    return b"".join(lines)


async def ask_everything(store: EventStore) -> None:
    """Whatever is asked of it, it answers or says why not."""

    def other(record: Record) -> bytes:
        return b'{"number":0}'

    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: store.verify("orders"),
        lambda: store.head("orders"),
        lambda: store.read("orders"),
        lambda: store.read_back("orders", limit=2),
        lambda: store.find_key("orders", "k"),
        lambda: store.fork("orders", 1, "other", [placed(1)], at_us=NOON_US),
        lambda: append(store, "orders", 1, key="k"),
        lambda: store.verify("orders"),
        lambda: store.scrub("orders", other, at_us=NOON_US),
        lambda: store.salvage("orders", at_us=NOON_US),
        lambda: store.read("orders"),
        lambda: store.delete("orders", detach_children=True),
    ]
    for ask in asked:
        try:
            await ask()
        except StoreError:
            continue


async def asked_of(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder) / "threads/other/orders.jsonl", content)
        async with open_jsonl_store(folder, state_dir=f"{folder}/s", files=FastFiles()) as store:
            await ask_everything(store)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(st.lists(BODIES, min_size=1, max_size=4), st.integers(0, 3))
def test_any_bytes_after_records_are_a_record_torn_or_damage(
    bodies: list[bytes], before: int
) -> None:
    good = [HEAD % seq + GOOD for seq in range(1, before + 1)]
    trio.run(asked_of, log_of([*good, *bodies]))


NUMBER = "another number"
NOT_RECORDS = {
    "no type": b'{"seq":2,"at":"2026-11-21T03:00:00.000000Z","data":{}',
    "another order": b'{"at":"2026-11-21T03:00:00.000000Z","seq":2,"type":"a","data":{}',
    "no time": b'{"seq":2,"at":"yesterday","type":"a","data":{}',
    NUMBER: HEAD % 3 + GOOD,
    "no JSON": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize(
    ("kind", "behind"),
    # Of the lines within, the numbers are not looked at: those around them bear witness.
    [(kind, behind) for kind in NOT_RECORDS for behind in (0, 1) if not behind or kind != NUMBER],
)
@trio_test
async def test_a_line_that_is_no_record_is_damage_and_stays(
    kind: str, behind: int, tmp_path: Path
) -> None:
    """Its checksum is right, so no power cut has made it: somebody has."""
    more = [HEAD % 3 + GOOD] * behind
    content = log_of([HEAD % 1 + GOOD, NOT_RECORDS[kind], *more])
    path = tmp_path / "threads/other/orders.jsonl"
    put(path, content)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "s", files=FastFiles()) as store:
        verdict = await store.verify("orders")
        assert verdict.records == 1
        assert verdict.damage is not None
        with pytest.raises(Damaged, match="record 2"):
            await store.head("orders")
    assert path.read_bytes() == content
