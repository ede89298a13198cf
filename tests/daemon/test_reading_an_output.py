"""item/output/read: all that a command printed, in parts, while it runs and ever after; by whole bytes."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd.server.methods.output import OUTPUT_PAGE_BYTES_MAX
from daemon_client import Client, Json, connected
from daemon_house import Daemon
from daemon_screen import commands, completed
from trio_test import trio_test

LARGE = "".join(f"{n:07}\n" for n in range(100_000)).encode()  # 800 kB
PRINTED = {
    "small": (r"printf 'one\ntwo'", b"one\ntwo"),
    "binary": (r"printf 'a\377\000b'", b"a\xff\0b"),
    "none": ("true", b""),
    "large": ("seq -f %07g 0 99999", LARGE),
}


def run(line: str) -> Call:
    return Call("shell_command", json.dumps({"command": line}))


async def whole(client: Client, thread: str, item: str, **more: object) -> bytes:
    """All of it, page by page."""
    read, offset, seq = b"", 0, None
    while offset is not None:
        page = await client.call(
            "item/output/read", threadId=thread, itemId=item, offset=offset, seq=seq, **more
        )
        read += b64decode(page["dataBase64"])
        offset, seq = page["nextOffset"], page["seq"]
    return read


@trio_test
async def test_every_byte_can_be_read_from_any_place(daemon: Daemon) -> None:
    replies: list[Part | Reply] = [*(run(line) for line, _ in PRINTED.values()), Say(("done",))]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "go"))
            ran = dict(zip(PRINTED, commands(client), strict=True))
            for name, (_, printed) in PRINTED.items():
                assert await whole(client, thread, ran[name]["id"]) == printed, name
            # The item says where more of the output is than it has.
            assert {name for name in ran if "outputSeq" in ran[name]} == {"binary", "large"}
            large = {"threadId": thread, "itemId": ran["large"]["id"]}
            seq = ran["large"]["outputSeq"]
            for offset, limit in ((0, 10), (799_999, 10), (800_000, 10), (10**15, 1), (5, 1 << 40)):
                for known in (None, seq, 1):
                    page = await client.call(
                        "item/output/read", **large, offset=offset, limit=limit, seq=known
                    )
                    end = offset + min(limit, OUTPUT_PAGE_BYTES_MAX)
                    assert b64decode(page["dataBase64"]) == LARGE[offset:end]
                    assert page["nextOffset"] == (end if end <= len(LARGE) else None)
                    assert (page["printedBytes"], page["seq"]) == (len(LARGE), seq)
                    assert not page["running"]
            fork = await client.call("thread/fork", threadId=thread)
            await client.call("thread/archive", threadId=thread)
            for other in (thread, fork["thread"]["id"]):
                assert await whole(client, other, ran["large"]["id"]) == LARGE


@pytest.mark.parametrize("ephemeral", [False, True])
@trio_test
async def test_a_command_that_runs_can_be_read_up_to_now(
    daemon: Daemon, tmp_path: Path, ephemeral: bool
) -> None:
    gate = tmp_path / "gate"
    replies: list[Part | Reply] = [
        run(f"mkfifo {gate}; seq 20000; cat {gate}; echo last"),
        Say(("done",)),
    ]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(ephemeral=ephemeral)
            turn = await client.start_turn(thread, "go")
            await client.until(
                lambda: (
                    "20000\n"
                    in "".join(
                        note.params["delta"]
                        for note in client.of("item/commandExecution/outputDelta")
                    )
                )
            )
            item = client.of("item/started")[-1].params["item"]["id"]
            so_far = await whole(client, thread, item)
            assert so_far == b"".join(b"%d\n" % n for n in range(1, 20001))
            page = await client.call("item/output/read", threadId=thread, itemId=item, limit=4)
            assert (page["running"], page["seq"]) == (True, None)
            gate.write_text("and ")
            await client.turn_ended(turn)
            assert await whole(client, thread, item) == so_far + b"and last\n"


@trio_test
async def test_what_an_interrupted_command_had_printed_is_kept_whole(
    daemon: Daemon, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    replies: list[Part | Reply] = [run(f"mkfifo {gate}; seq 20000; cat {gate}"), Say(("done",))]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until(lambda: "20000\n" in streamed_all(client))
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.turn_ended(turn)
            (item,) = commands(client)
            assert item["status"] == "failed"
            assert "bytes not shown here" in item["aggregatedOutput"]
            kept: list[Json] = []
            while not kept:
                log = await client.call("thread/log/read", threadId=thread)
                kept = [r for r in log["records"] if r["type"] == "output.kept"]
            printed = b"".join(b"%d\n" % n for n in range(1, 20001))
            for seq in (None, kept[0]["seq"]):
                page = await client.call(
                    "item/output/read", threadId=thread, itemId=item["id"], seq=seq
                )
                assert b64decode(page["dataBase64"]) == printed
                assert (page["seq"], page["running"]) == (kept[0]["seq"], False)
            assert list((daemon.home.path / "drafts").rglob("*output*")) == []


def streamed_all(client: Client) -> str:
    notes = client.of("item/commandExecution/outputDelta")
    return "".join(note.params["delta"] for note in notes)


@trio_test
async def test_what_is_no_command_is_refused(daemon: Daemon) -> None:
    async with scripted_model([Say(("hi",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.turn_ended(await client.start_turn(thread, "hi"))
            message = next(i for i in completed(client).values() if i["type"] == "agentMessage")
            for item in ("x", "", message["id"]):
                refusal = await client.refused("item/output/read", threadId=thread, itemId=item)
                assert "expected a command of the thread" in refusal.message
            for seq in (0, -1, 10**9):
                refusal = await client.refused(
                    "item/output/read", threadId=thread, itemId="x", seq=seq
                )
                assert "expected a command of the thread" in refusal.message
