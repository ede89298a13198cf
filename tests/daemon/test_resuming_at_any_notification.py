"""A frontend that is cut off after any notification resumes with the last `seq` that it saw, and misses nothing.

Its state is compared with the state of a frontend from the start: the items, the turns, the last settings and
name, and the texts that were streamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest

from codexd.models.scripted.scripts import Call, Hang, Part, Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from daemon_client import CURSOR, Client, Json, Notification, connected, typed
from daemon_house import Daemon
from images_e2e import picture
from trio_test import trio_test

COMMAND = Call("shell_command", '{"command":"echo one > out; cat out"}')
REPLIES: list[Part | Reply] = [
    (Think(("first ", "I think")), Say(("An ", "answer ", "é"))),
    (COMMAND,),
    Say(("done",)),
    Say(("queued",)),
    Hang(("half ",)),
]


class Screen(NamedTuple):
    """What a frontend has in the end."""

    items: dict[str, Json]
    texts: dict[str, str]
    turns: dict[str, str]
    begun: frozenset[str]
    last: dict[str, Json]  # of what is told again and again: how it stands
    resolved: frozenset[int]

    @staticmethod
    def of(told: Sequence[Notification]) -> Screen:
        """Fold notifications as a frontend does: by id, deltas by their offsets."""
        screen = Screen({}, {}, {}, frozenset(), {}, frozenset())
        for message in told:
            screen = screen._after(message)
        return screen

    def _after(self, message: Notification) -> Screen:
        params = message.params
        match message.method:
            case "item/commandExecution/outputDelta":
                return self  # The completed item has all of it.
            case "item/completed":
                return self._replace(items={**self.items, params["item"]["id"]: params["item"]})
            case "item/started":
                return self._replace(begun=self.begun | {params["item"]["id"]})
            case "turn/started" | "turn/completed":
                turn = params["turn"]
                return self._replace(turns={**self.turns, turn["id"]: turn["status"]})
            case "serverRequest/resolved":
                return self._replace(resolved=self.resolved | {params["requestId"]})
            case method if message.offset is not None:
                key = f"{params['itemId']} {method}"
                have = self.texts.get(key, "").encode()
                delta = params["delta"].encode()
                begins = message.offset - len(delta)
                assert begins <= len(have), f"{method} left a gap"
                text = (have + delta[len(have) - begins :]).decode()
                return self._replace(texts={**self.texts, key: text})
            case _:
                return self._replace(last={**self.last, message.method: params})


def cursor_behind(told: Sequence[Notification], seq: int) -> Json:
    """What a frontend keeps: the last seq, and how much it has of the texts that are open."""
    items: dict[str, int] = {}
    for message in told:
        seq = message.seq if message.seq is not None else seq
        if message.offset is not None:
            items[message.params["itemId"]] = message.offset
        elif message.method == "item/completed":
            items.pop(message.params["item"]["id"], None)
    return {"seq": seq, "items": items}


async def eventful(client: Client, thread: str) -> None:
    """Turns of every kind, one behind another."""
    await client.run_turn(thread, "think")
    await client.call("thread/name/set", threadId=thread, name="a name")
    runs = await client.start_turn(thread, "run it")
    asked = await client.until_asked()
    queued = await client.call(
        "turn/start", threadId=thread, input=[picture(), *typed("and then")], model="other"
    )
    await client.decide(asked, "accept")
    await client.turn_ended(runs)
    await client.turn_ended(queued["turn"]["id"])
    last = await client.start_turn(thread, "wait")
    await client.until(lambda: any(o.params.get("delta") == "half " for o in client.notified))
    await client.call("turn/interrupt", threadId=thread, turnId=last)
    await client.turn_ended(last)
    await client.until_notified("thread/status/changed", times=2, status={"type": "idle"})


def of_thread(told: Sequence[Notification], thread: str) -> list[Notification]:
    """What concerns one thread."""
    return [
        o
        for o in told
        if o.params.get("threadId") == thread and o.method != "thread/tokenUsage/updated"
    ]


async def check_every_cut(daemon: Daemon, thread: str, told: list[Notification], start: int) -> int:
    """Cut it off behind each notification, and have it come back; how many cuts there were."""
    whole = Screen.of(told)
    async with connected(daemon.home.socket, codexd=CURSOR) as client:
        for cut in range(len(told) + 1):
            seen, client.notified = told[:cut], []
            after = cursor_behind(seen, start)
            await client.call("thread/resume", threadId=thread, excludeTurns=True, after=after)

            def back(seen: list[Notification] = seen) -> Screen:
                return Screen.of([*seen, *of_thread(client.notified, thread)])

            await client.until(lambda back=back: back() == whole, f"the rest behind {after}")  # type: ignore[misc]
            await client.call("thread/unsubscribe", threadId=thread)
    return len(told) + 1


@pytest.mark.slow
@trio_test
async def test_a_client_that_is_cut_off_after_any_notification_ends_with_the_same(
    daemon: Daemon,
) -> None:
    async with scripted_model(REPLIES) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket, codexd=CURSOR) as client:
            started = await client.call("thread/start", approvalPolicy="untrusted")
            thread = started["thread"]["id"]
            await eventful(client, thread)
            told = of_thread(client.notified, thread)
            seqs = [message.seq for message in told if message.seq is not None]
            assert all(before <= behind for before, behind in pairwise(seqs))
            assert await check_every_cut(daemon, thread, told, started["seq"]) > 40


@pytest.mark.slow
@trio_test
async def test_a_client_that_lags_and_is_then_cut_off_ends_with_the_same(daemon: Daemon) -> None:
    large = Say(tuple("x" * 20_000 for _ in range(60)))
    async with scripted_model([large, *REPLIES]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as client, connected(socket, codexd=CURSOR) as slow:
            thread = await client.start_thread(approvalPolicy="untrusted")
            started = await slow.call("thread/resume", threadId=thread)
            slow.stop_reading()
            await client.run_turn(thread, "at length")
            await eventful(client, thread)
            other = await client.start_thread()
            await client.call("thread/name/set", threadId=other, name="news for everybody")
            slow.read_on()
            await slow.until_notified(
                "thread/status/changed", status={"type": "idle"}, threadId=thread
            )
            whole = Screen.of(of_thread(client.notified, thread))
            await slow.until(
                lambda: Screen.of(of_thread(slow.notified, thread)).turns == whole.turns, "the rest"
            )
            told = of_thread(slow.notified, thread)
            assert Screen.of(told).items == whole.items
            assert await check_every_cut(daemon, thread, told, started["seq"]) > 20


@trio_test
async def test_no_notification_carries_a_place_in_a_thread_that_is_not_followed(
    daemon: Daemon,
) -> None:
    async with scripted_model([Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as client, connected(socket, codexd=CURSOR) as other:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            await client.call("thread/name/set", threadId=thread, name="a name")
            await client.call("thread/archive", threadId=thread)
            await other.until_notified("thread/closed", threadId=thread)
            told = [
                message for message in other.notified if message.params.get("threadId") == thread
            ]
            assert {message.method for message in told} >= {
                "thread/status/changed",
                "thread/name/updated",
                "thread/archived",
                "thread/closed",
            }
            assert [message for message in other.notified if message.seq is not None] == []


@trio_test
async def test_a_thread_that_is_closed_sends_its_followers_no_earlier_cursor(
    daemon: Daemon,
) -> None:
    async with connected(daemon.home.socket, codexd=CURSOR) as client:
        started = await client.call("thread/start")
        await client.call("thread/archive", threadId=started["thread"]["id"])
        closed = await client.until_notified("thread/closed", threadId=started["thread"]["id"])
        assert closed.seq is None
        places = [message.seq for message in client.notified if message.seq is not None]
        assert places == sorted(places)
        assert all(seq >= started["seq"] for seq in places)
