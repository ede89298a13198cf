"""Requests of a connection on one thread take effect in their order, also without waiting.

The expected answers come from a one-line model: an archived thread takes nothing until it is unarchived.
"""

from __future__ import annotations

import json
import random
from itertools import count

import pytest
import trio

from codexd.models.scripted.server import scripted_model
from codexd.server.connection.connection import STEP_BYTES_MAX
from codexd.server.connection.order import Order
from daemon_client import Client, Json, Refused, connected, typed
from daemon_house import Daemon
from images_e2e import OK, PNG, log_of, picture
from paused_model import Held, held_model
from trio_test import trio_test

REQUESTS = 14
# Read, hashed and stored on threads of their own, while what comes after them is ready at once.
LARGE = PNG + b"\0" * 2_000_000


class Mix:
    """Random requests on a few threads, and what is to come of them."""

    def __init__(self, seed: int, threads: list[str]) -> None:
        self._chance, self._threads = random.Random(seed), threads
        self._number = count(1)
        self.archived = dict.fromkeys(threads, False)
        self.requests: list[tuple[str, Json]] = []
        self.refused: list[bool | None] = []  # None: that depends on how far the turn is
        self.marks: dict[str, list[str]] = {thread: [] for thread in threads}  # for the log
        self.seen: dict[int, list[str]] = {}  # what a request that looks must have seen

    def add(self, method: str, thread: str, **params: object) -> None:
        """One more request."""
        self.requests.append((method, {"threadId": thread, **params}))
        if method == "thread/log/read":
            self.seen[len(self.refused)] = list(self.marks[thread])
            self.refused.append(False)
            return
        archived, unarchives = self.archived[thread], method == "thread/unarchive"
        refused = archived != unarchives
        self.refused.append(refused or (None if method in UNCERTAIN else False))
        if not refused and method in ("thread/archive", "thread/unarchive"):
            self.archived[thread] = not archived
            self.marks[thread].append(method.removeprefix("thread/") + "d")

    def add_any(self) -> None:
        """One more request, whichever."""
        thread, mark = self._chance.choice(self._threads), f"mark {next(self._number)}"
        method = self._chance.choice(METHODS)
        spelt = self._chance.choice([thread, thread.upper()])
        accepted = not self.archived[thread]
        params: Json = {}
        match method:
            case "turn/start":
                images = self._chance.choice([[], [], [picture(LARGE)]])
                params = {"input": [*images, *typed(mark)]}
            case "thread/name/set":
                params = {"name": mark}
            case "thread/settings/update":
                params = {"model": mark}
            case "turn/steer":
                params = {"input": typed("more"), "expectedTurnId": thread}
            case "turn/interrupt":
                params = {"turnId": ""}
        self.add(method, thread, **params)
        self.requests[-1][1]["threadId"] = spelt
        if accepted and method in MARKED:
            self.marks[thread].append(mark)


MARKED = ("turn/start", "thread/name/set", "thread/settings/update")
UNCERTAIN = ("turn/steer", "turn/interrupt")
METHODS = (*MARKED, *MARKED, *UNCERTAIN, "thread/archive", "thread/unarchive", "thread/log/read")


def marks_in(records: list[Json]) -> list[str]:
    """What of a mix's requests is in a log, in the log's order."""
    marks = []
    for record in records:
        data = record["data"]
        match record["type"]:
            case "input.queued":
                marks.append(data["content"][-1]["text"])
            case "thread.renamed":
                marks.append(data["name"])
            case "thread.settings_changed":
                marks.append(data["change"]["model"])
            case "thread.archived" | "thread.unarchived":
                marks.append(record["type"].removeprefix("thread."))
    return marks


async def send(client: Client, requests: list[tuple[str, Json]]) -> list[int]:
    """Send them in one write; their ids."""
    ids = list(range(1000, 1000 + len(requests)))
    wire = b"".join(
        client.framing.frame(json.dumps({"id": n, "method": method, "params": params}))
        for n, (method, params) in zip(ids, requests, strict=True)
    )
    await client.send_bytes(wire)
    return ids


async def outcome(client: Client, request: int) -> Json | Refused:
    try:
        return await client.answered(request)
    except Refused as refusal:
        return refusal


async def check_a_mix(daemon: Daemon, seed: int) -> None:
    async with connected(daemon.home.socket) as client:
        threads = [await client.start_thread() for _ in range(2)]
        mix = Mix(seed, threads)
        if seed % 2:  # The threads have to be loaded for what comes first.
            for thread in threads:
                await client.call("thread/archive", threadId=thread)
                mix.marks[thread].append("archived")
                mix.archived[thread] = True
                mix.add("thread/unarchive", thread)
        while len(mix.requests) < REQUESTS:
            mix.add_any()
        ids = await send(client, mix.requests)
        outcomes = [await outcome(client, request) for request in ids]
        for n, (found, refused) in enumerate(zip(outcomes, mix.refused, strict=True)):
            if refused is not None:
                assert isinstance(found, Refused) == refused, (n, mix.requests[: n + 1], found)
        for n, expected in mix.seen.items():
            found = outcomes[n]
            assert not isinstance(found, Refused)
            assert marks_in(found["records"])[: len(expected)] == expected
        for thread in threads:
            records = [json.loads(line) for line in log_of(daemon, thread).splitlines()]
            assert marks_in(records) == mix.marks[thread]
            if not mix.archived[thread]:
                await client.call("thread/archive", threadId=thread)


@trio_test
async def test_a_mix_of_requests_in_one_write_takes_effect_in_its_order(daemon: Daemon) -> None:
    async with scripted_model([OK] * 100) as model:
        daemon.home.use_model(model.base_url)
        await check_a_mix(daemon, seed=0)


@pytest.mark.slow
@trio_test
async def test_any_mix_of_requests_in_one_write_takes_effect_in_its_order(daemon: Daemon) -> None:
    async with scripted_model([OK] * 2000) as model:
        daemon.home.use_model(model.base_url)
        for seed in range(1, 40):
            await check_a_mix(daemon, seed)


@trio_test
async def test_requests_on_different_threads_never_wait_for_each_other() -> None:
    order = Order()
    first, other = (order.enter(thread, precedes=True) for thread in ("one", "other"))
    behind = order.enter("one", precedes=False)
    for place in (first, other):
        with trio.fail_after(0):
            await place.reached()
    with trio.move_on_after(0) as waited:
        await behind.reached()
    assert waited.cancelled_caught
    order.leave("one", first)
    await behind.reached()


@trio_test
async def test_two_answers_to_one_question_from_one_terminal_count_in_their_order(
    daemon: Daemon,
) -> None:
    async with scripted_model() as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(approvalPolicy="untrusted")
            turn = await client.start_turn(thread, "run echo out > file")
            asked = await client.until_asked()
            both = [
                {"id": asked.id, "result": {"decision": decision}}
                for decision in ("decline", "accept")
            ]
            wire = b"".join(client.framing.frame(json.dumps(request)) for request in both)
            await client.send_bytes(wire)
            await client.turn_ended(turn)
            decided = [
                json.loads(line)["data"]["decision"]
                for line in log_of(daemon, thread).splitlines()
                if '"approval.decided"' in line
            ]
            assert decided == ["decline"]


@trio_test
async def test_a_read_only_request_delays_no_other(daemon: Daemon) -> None:
    async with held_model([Held(OK, after=0)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            requests: list[tuple[str, Json]] = [
                ("turn/start", {"threadId": thread, "input": typed("hello")}),
                ("thread/read", {"threadId": thread, "includeTurns": True}),
                ("turn/interrupt", {"threadId": thread, "turnId": ""}),
            ]
            _, read, interrupted = await send(client, requests)
            await client.answered(interrupted)
            turns = (await client.answered(read))["thread"]["turns"]
            assert [turn["items"][0]["content"][0]["text"] for turn in turns] == ["hello"]
            await client.call("thread/archive", threadId=thread)


@pytest.mark.slow
@trio_test
async def test_a_message_that_is_read_in_several_steps_is_not_overtaken(daemon: Daemon) -> None:
    """Its text is within the bound, and each character of it six bytes long as it is sent."""
    large = "\x01" * (STEP_BYTES_MAX // 2)
    async with held_model([Held(OK, after=0)]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            requests: list[tuple[str, Json]] = [
                ("turn/start", {"threadId": thread, "input": typed(text)})
                for text in (large, "small", large, "small")
            ]
            posted = await send(client, requests)
            for request in posted:
                await client.answered(request)
            said = [
                len(json.loads(line)["data"]["content"][0]["text"])
                for line in log_of(daemon, thread).splitlines()
                if '"type":"input.queued"' in line
            ]
            assert said == [len(large), len("small")] * 2
            await client.call("thread/archive", threadId=thread)
