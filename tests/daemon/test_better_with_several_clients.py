"""What Codex's own server does badly with several clients: points 1 to 13 of 28 measured ones, a test for each.

The other points are in `test_better_with_items_crashes_and_errors.py`. Other files look at most of them more closely.
"""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd.protocol.requests import Undecided, read_decision
from codexd.protocol.wire.rpc import ClientReply, ErrorObject
from codexd.server.feed.asking import PARAMS
from daemon_client import connected, typed
from daemon_house import Daemon
from daemon_screen import answers, commands, items_listed, said_so_far
from paused_model import Held, Script, held_model
from trio_test import trio_test

OK = Say(("ok",))
NO_FINDINGS = json.dumps(
    {
        "findings": [],
        "overall_correctness": "patch is correct",
        "overall_explanation": "fine",
        "overall_confidence_score": 1,
    }
)
OBSERVER = {"observer": True}
NEWS = {"clients": True, "stopping": True}


def run(command: str, **more: object) -> Reply:
    return (Call("shell_command", json.dumps({"command": command, **more})),)


# Attaching late


@trio_test
async def test_01_text_so_far_and_open_items_are_there_for_who_attaches_late(
    daemon: Daemon,
) -> None:
    script: Script = [Held(Say(("a ", "b ", "c")), after=2), run("echo > late"), OK]
    async with held_model(script) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with connected(socket) as first, connected(socket) as late:
            thread = await first.start_thread(cwd=str(daemon.home.work))
            turn = await first.start_turn(thread, "go")
            await first.until(lambda: said_so_far(first) == "a b ")
            await late.call("thread/resume", threadId=thread)
            await late.until(lambda: said_so_far(late) == "a b ")
            model.resume()
            await late.turn_ended(turn)
            assert answers(late) == ["a b c"]
            turn = await first.start_turn(thread, "run it")
            asked = await first.until_asked()
            waiting = asked.params["itemId"]
            # A command that waits for a person is in the list, as its last item, in both directions.
            for page in (
                await items_listed(late, thread),
                await items_listed(late, thread, turnId=turn),
                (await items_listed(late, thread, sortDirection="desc"))[::-1],
            ):
                assert (page[-1]["id"], page[-1]["status"]) == (waiting, "inProgress")
            # A cursor that was given while it was open leads to it when it has ended.
            before = await late.call("thread/items/list", threadId=thread)
            cursor = (await late.call("thread/items/list", threadId=thread, limit=1))["nextCursor"]
            await first.decide(asked, "accept")
            await first.turn_ended(turn)
            after = await late.call("thread/items/list", threadId=thread, cursor=cursor)
            (ended,) = [e for e in after["data"] if e["item"]["id"] == waiting]
            assert ended["item"]["status"] == "completed"
            assert len(after["data"]) == len(before["data"])  # without the first, with the answer


@trio_test
async def test_02_an_empty_thread_is_opened_by_two(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as one, connected(daemon.home.socket) as other:
            thread = await one.start_thread()
            resumed = await other.call("thread/resume", threadId=thread)
            assert (resumed["thread"]["id"], resumed["thread"]["turns"]) == (thread, [])
            assert (await other.call("thread/turns/list", threadId=thread))["data"] == []
            assert await items_listed(other, thread) == []
            turn = await one.start_turn(thread, "hello")
            for client in (one, other):
                await client.turn_ended(turn)
                assert answers(client) == ["ok"]


@trio_test
async def test_03_settings_in_a_resume_hold_and_are_told(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as one, connected(daemon.home.socket) as other:
        thread = await one.start_thread(approvalPolicy="never")
        resumed = await other.call("thread/resume", threadId=thread, approvalPolicy="untrusted")
        assert resumed["approvalPolicy"] == "untrusted"
        told = await one.until_notified("thread/settings/updated", threadId=thread)
        assert told.params["threadSettings"]["approvalPolicy"] == "untrusted"


@trio_test
async def test_04_who_attaches_is_no_news_of_the_thread_to_others(daemon: Daemon) -> None:
    socket = daemon.home.socket
    async with connected(socket) as attached, connected(socket) as elsewhere:
        thread = await attached.start_thread()
        await elsewhere.until_notified("thread/started")
        before = len(attached.notified), len(elsewhere.notified)
        async with connected(socket) as late:
            await late.call("thread/resume", threadId=thread)
            for client in (attached, elsewhere):
                await client.call("thread/loaded/list")  # All that was sent has come.
            assert (len(attached.notified), len(elsewhere.notified)) == before


# Sharing


@trio_test
async def test_05_each_client_has_its_own_user_agent_and_its_own_name_in_the_log(
    daemon: Daemon,
) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket, name="first") as one, connected(socket, name="second") as two:
            assert "(first; 0)" in one.server["userAgent"]
            assert "(second; 0)" in two.server["userAgent"]
            thread = await two.start_thread()
            await two.run_turn(thread, "hello")
            log = await one.call("thread/log/read", threadId=thread)
            made_by = log["records"][0]["by"]
            assert made_by.startswith("second:")


@trio_test
async def test_06_an_error_decides_nothing_an_observer_is_not_asked_and_the_author_is_told(
    daemon: Daemon,
) -> None:
    async with scripted_model([run("echo done > asked"), OK]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with (
            connected(socket, name="one") as one,
            connected(socket, name="sdk") as sdk,
            connected(socket, name="wall", codexd=OBSERVER) as wall,
        ):
            thread = await one.start_thread()
            for client in (sdk, wall):
                await client.call("thread/resume", threadId=thread)
            turn = await one.start_turn(thread, "go")
            asked = await one.until_asked()
            assert await sdk.until_asked() == asked
            await sdk.send({"id": asked.id, "error": {"code": -32601, "message": "no"}})
            await sdk.send({"id": asked.id, "result": {"decision": "whatever"}})
            await sdk.call("thread/loaded/list")
            # An observer that guesses the number answers nothing either.
            await wall.send({"id": asked.id, "result": {"decision": "decline"}})
            await wall.call("thread/loaded/list")
            read = await one.call("thread/read", threadId=thread)
            assert read["thread"]["status"]["activeFlags"] == ["waitingOnApproval"]
            await one.decide(asked, "accept")
            listed = (await one.call("thread/clients", threadId=thread))["data"]
            (author,) = [client["id"] for client in listed if client["name"] == "one"]
            for client in (one, sdk, wall):
                told = await client.until_notified("serverRequest/resolved")
                assert told.params["codexd"] == {"decision": "accept", "by": author}
                await client.turn_ended(turn)
                assert [item["status"] for item in commands(client)] == ["completed"]
            assert wall.asked == []
            log = await one.call("thread/log/read", threadId=thread)
            (decided,) = [r for r in log["records"] if r["type"] == "approval.decided"]
            assert decided["by"] == author


@trio_test
async def test_06_an_observer_is_asked_nothing_when_it_attaches_while_a_question_waits(
    daemon: Daemon,
) -> None:
    async with scripted_model([run("echo done > asked"), OK]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with connected(socket) as one, connected(socket, codexd=OBSERVER) as wall:
            thread = await one.start_thread()
            turn = await one.start_turn(thread, "go")
            asked = await one.until_asked()
            await wall.call("thread/resume", threadId=thread)
            await wall.call("thread/loaded/list")
            assert wall.asked == []
            await wall.until_notified("item/started")  # and yet it sees the command
            # The turn ends without a decision: nobody is named.
            await one.call("turn/interrupt", threadId=thread, turnId=turn)
            told = await wall.until_notified("serverRequest/resolved")
            assert told.params == {"threadId": thread, "requestId": asked.id}


@pytest.mark.parametrize("method", sorted(PARAMS))
def test_06_what_is_no_answer_of_its_kind_decides_nothing(method: str) -> None:
    unreadable = [
        "null", "5", '"accept"', "[]", "{}", '{"decision":null}', '{"decision":"perhaps"}', '{"decision":{}}',
        '{"action":"perhaps"}', '{"permissions":"all"}', '{"permissions":null}', '{"scope":"session"}',
    ]  # fmt: skip
    for result in unreadable:
        reply = ClientReply(1, msgspec.Raw(result.encode()))
        assert isinstance(read_decision(reply, method), Undecided), result
    error = ClientReply(1, msgspec.Raw(b""), ErrorObject(-32601, "what?"))
    assert isinstance(read_decision(error, method), Undecided)


@trio_test
async def test_07_a_prompt_for_a_busy_thread_waits_and_its_answer_says_so(daemon: Daemon) -> None:
    async with held_model([Held(Say(("a", "b")), after=1), OK]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as one, connected(socket) as other:
            thread = await one.start_thread()
            await other.call("thread/resume", threadId=thread)
            params = {"threadId": thread, "input": typed("hello")}
            first = await one.call("turn/start", **params)
            await model.holding.wait()
            second = await other.call("turn/start", **params)
            assert ("queued" in first, second["queued"]) == (False, True)
            assert first["turn"]["id"] != second["turn"]["id"]
            model.resume()
            for client, answer in itertools.product((one, other), (first, second)):
                assert (await client.turn_ended(answer["turn"]["id"]))["status"] == "completed"
            assert answers(one) == answers(other) == ["ab", "ok"]


@trio_test
async def test_07_a_review_of_a_busy_thread_waits_and_ends_nobodys_turn(daemon: Daemon) -> None:
    async with held_model([Held(Say(("a", "b")), after=1), Say((NO_FINDINGS,))]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as one, connected(socket) as other:
            thread = await one.start_thread(cwd=str(daemon.home.work))
            await other.call("thread/resume", threadId=thread)
            turn = await one.start_turn(thread, "hello")
            await model.holding.wait()
            target = {"type": "custom", "instructions": "look"}
            review = await other.call("review/start", threadId=thread, target=target)
            assert review["queued"] is True
            model.resume()
            for client, ended in itertools.product((one, other), (turn, review["turn"]["id"])):
                assert (await client.turn_ended(ended))["status"] == "completed"
            assert answers(one)[0] == answers(other)[0] == "ab"


@trio_test
async def test_08_settings_of_a_turn_are_told_to_the_others(daemon: Daemon) -> None:
    async with scripted_model([OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as one, connected(socket) as other:
            thread = await one.start_thread()
            await other.call("thread/resume", threadId=thread)
            for sender, peer, policy in ((one, other, "untrusted"), (other, one, "never")):
                await sender.run_turn(thread, "hello", approvalPolicy=policy)
                told = peer.of("thread/settings/updated", threadId=thread)
                assert told[-1].params["threadSettings"]["approvalPolicy"] == policy


@trio_test
async def test_09_two_clients_that_mark_a_turn_as_read_are_both_right(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as one, connected(socket) as other:
            thread = await one.start_thread()
            await other.call("thread/resume", threadId=thread)
            await one.run_turn(thread, "hello")
            told = await one.until_notified("thread/readState/changed", threadId=thread)
            revision = told.params["readState"]["revision"]
            params = {"operation": {"type": "read"}, "expectedRevision": revision}
            marked = [
                await client.call("thread/readState/update", threadId=thread, **params)
                for client in (one, other)
            ]
            assert marked[0] == marked[1]


@trio_test
async def test_10_two_clients_that_want_the_same_title_cost_one_request(daemon: Daemon) -> None:
    async with scripted_model([Say(("A title",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as one, connected(daemon.home.socket) as other:
            for client in (one, other):
                asks = {"ephemeral": True, "threadSource": "thread_title"}
                await client.run_turn(await client.start_thread(**asks), "name this")
                assert answers(client) == ["A title"]
        assert len(model.requests) == 1


@trio_test
async def test_11_a_client_that_does_not_read_is_kept_and_gets_all_of_it(daemon: Daemon) -> None:
    words = tuple(f"{number:01000d} " for number in range(600))
    async with scripted_model([Say(words)]) as model:
        daemon.home.use_model(model.base_url)
        socket = daemon.home.socket
        async with connected(socket) as quick, connected(socket) as slow:
            thread = await quick.start_thread()
            await slow.call("thread/resume", threadId=thread)
            slow.stop_reading()
            turn = await quick.start_turn(thread, "go")
            await quick.turn_ended(turn)
            slow.read_on()
            await slow.turn_ended(turn)
            assert answers(slow) == answers(quick) == ["".join(words)]


@trio_test
async def test_12_a_list_knows_what_a_thread_was_forked_from(daemon: Daemon) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            listed = (await client.call("thread/list"))["data"]
            assert [t["forkedFromId"] for t in listed if t["id"] == fork] == [thread]
            read = await client.call("thread/read", threadId=fork)
            assert read["thread"]["forkedFromId"] == thread


@trio_test
async def test_13_every_thread_that_a_client_finds_loaded_can_be_read(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        await client.start_thread(ephemeral=True)
        await client.start_thread()
        for thread in (await client.call("thread/loaded/list"))["data"]:
            await client.call("thread/read", threadId=thread)
            await client.call("thread/turns/list", threadId=thread)
            await client.call("thread/items/list", threadId=thread)


# Who is there


@trio_test
async def test_clients_of_a_thread_are_listed_and_their_coming_and_going_is_told(
    daemon: Daemon,
) -> None:
    socket = daemon.home.socket
    async with (
        connected(socket, name="one", codexd=NEWS) as one,
        connected(socket, name="wall", codexd=OBSERVER) as wall,
    ):
        thread = await one.start_thread()
        async with connected(socket, name="guest") as guest:
            for client in (guest, wall, guest):  # To attach twice changes nothing.
                await client.call("thread/resume", threadId=thread)
            answer = await guest.call("thread/clients", threadId=thread)
            listed = [(c["name"], c["version"], c["observer"]) for c in answer["data"]]
            assert sorted(listed) == [
                ("guest", "0", False),
                ("one", "0", False),
                ("wall", "0", True),
            ]
            times = [client["attachedAtMs"] for client in answer["data"]]
            assert times == sorted(times)
            assert times[0] > 0
            # Who only looks attaches to nothing.
            await guest.call("thread/read", threadId=thread)
        await one.until_notified("thread/clients/changed", times=4)
        names = [
            sorted(client["name"] for client in told.params["data"])
            for told in one.of("thread/clients/changed", threadId=thread)
        ]
        assert names == [["one"], ["guest", "one"], ["guest", "one", "wall"], ["one", "wall"]]
        status = await wall.call("server/status")
        (there,) = [each for each in status["attached"] if each["threadId"] == thread]
        assert len(there["clients"]) == 2
        assert not wall.of("thread/clients/changed")
