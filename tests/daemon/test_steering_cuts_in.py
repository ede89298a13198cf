"""Steering a turn at each of its stages: never lost, never doubled, and every item that has begun ends (point 15)."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Call, Fail, Hang, Part, Raw, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected, typed
from daemon_house import Daemon, Home
from daemon_screen import items_of, texts_of
from trio_test import trio_test


def stream(*events: Json) -> Raw:
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return Raw("".join(lines).encode())


CREATED: Json = {"type": "response.created", "response": {"id": "r"}}
RUN = Call("shell_command", '{"command":"read go < gate; echo ran"}')
TOUCH = Call("shell_command", '{"command":"touch made"}')
HALF_A_THOUGHT = stream(
    CREATED,
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {"type": "reasoning", "id": "rs", "summary": []},
    },
    {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "rs",
        "output_index": 0,
        "summary_index": 0,
        "delta": "hm ",
    },
)
HALF_A_CALL = stream(
    CREATED,
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {"type": "function_call", "id": "fc", "call_id": "c", "name": "shell_command"},
    },
    {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"command":'},
)


async def steer(client: Client, thread: str, turn: str, words: str) -> None:
    params = {"threadId": thread, "expectedTurnId": turn, "input": typed(words)}
    assert await client.call("turn/steer", **params) == {"turnId": turn}


async def texts(client: Client, thread: str) -> list[str]:
    read = await client.call("thread/read", threadId=thread, includeTurns=True)
    return texts_of(read["thread"])


def asked(model: ScriptedModel, n: int = -1) -> list[str]:
    """What a request has, in short: roles with their words, and kinds of calls."""
    said = []
    for item in json.loads(model.requests[n].body)["input"]:
        content = item.get("content")
        words = content[0]["text"] if content else ""
        if not words.startswith("<environment_context>"):
            said.append(f"{item.get('role') or item['type']} {words}".strip())
    return said


async def heard_of(client: Client, turn: str, *, messages: int) -> None:
    """Wait until so many notifications have named the turn."""
    await client.until(
        lambda: sum(note.params.get("turnId") == turn for note in client.notified) >= messages
    )


async def started_with(client: Client, words: str) -> tuple[str, str]:
    thread = await client.start_thread()
    return thread, await client.start_turn(thread, words)


@trio_test
async def test_a_thought_and_a_half_call_are_cut_off_and_the_call_is_not_made(
    daemon: Daemon,
) -> None:
    replies: list[Part | Reply] = [
        (HALF_A_THOUGHT, Hang()),
        Say(("a",)),
        (HALF_A_CALL, Hang()),
        Say(("b",)),
    ]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread, turn = await started_with(client, "think")
            await client.until_notified("item/reasoning/summaryTextDelta")
            await steer(client, thread, turn, "one")
            assert (await client.turn_ended(turn))["status"] == "completed"
            turn = await client.start_turn(thread, "call")
            await model.wait_requests(3)
            await steer(client, thread, turn, "two")
            assert (await client.turn_ended(turn))["status"] == "completed"
            # The beginnings of the messages had no words: they are no part of the model's history.
            assert asked(model) == [
                *("user think", "user one", "assistant a"),
                *("user call", "user two"),
            ]
            assert [words for words in await texts(client, thread) if words] == [
                *("> think", "> one", "a"),
                *("> call", "> two", "b"),
            ]
            whole = [note.params["item"] for note in client.of("item/completed")]
            assert [item["summary"] for item in whole if item["type"] == "reasoning"] == [["hm "]]


@trio_test
async def test_a_call_that_came_whole_is_made_and_the_input_follows_its_answer(
    daemon: Daemon,
) -> None:
    async with scripted_model([(RUN, Hang(("Then ",))), Say(("done",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            gate = daemon.home.work / "gate"
            await client.call("command/exec", command=["mkfifo", str(gate)])
            turn = await client.start_turn(thread, "run")
            await client.until_notified("item/agentMessage/delta", delta="Then ")
            await steer(client, thread, turn, "one")
            await steer(client, thread, turn, "two")
            assert len(model.requests) == 1  # It waits for the command.
            await client.call("command/exec", command=["sh", "-c", f"echo go > {gate}"])
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert asked(model) == [
                *("user run", "function_call", "assistant Then", "function_call_output"),
                *("user one", "user two"),
            ]
            gate.unlink()


@trio_test
async def test_several_inputs_one_after_another_are_each_there_once_and_in_order(
    daemon: Daemon,
) -> None:
    replies: list[Part | Reply] = [Hang(("0 ",)), Hang(("1 ",)), Hang(("2 ",)), Say(("3",))]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
            thread, turn = await started_with(client, "go")
            await other.call("thread/resume", threadId=thread)
            for n in range(3):
                await client.until_notified("item/agentMessage/delta", delta=f"{n} ")
                await steer(other if n % 2 else client, thread, turn, f"s{n}")
            assert (await client.turn_ended(turn))["status"] == "completed"
            await other.turn_ended(turn)
            shown = ["> go", "0 ", "> s0", "1 ", "> s1", "2 ", "> s2", "3"]
            assert await texts(client, thread) == shown
            assert asked(model) == [
                *("user go", "assistant 0", "user s0", "assistant 1", "user s1", "assistant 2"),
                "user s2",
            ]
            assert client.law.ended == 8
            assert len(model.requests) == 4


@trio_test
async def test_a_retry_a_question_and_a_summary_take_it_along(daemon: Daemon) -> None:
    limited = Fail(429, (("retry-after", "1"),))
    script: list[Part | Reply] = [limited, Say(("r",)), TOUCH, Say(("q",))]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread, turn = await started_with(client, "retry")
            await client.until_notified("error")
            await steer(client, thread, turn, "one")
            await client.turn_ended(turn)
            assert asked(model, 1) == ["user retry", "user one"]
            turn = await client.start_turn(thread, "ask")
            question = await client.until_asked()
            await steer(client, thread, turn, "two")
            await client.decide(question, "decline")
            await client.turn_ended(turn)
            assert asked(model)[-4:] == [
                *("user ask", "function_call", "function_call_output", "user two")
            ]
            shown = await texts(client, thread)
            assert [shown.count(f"> {words}") for words in ("one", "two")] == [1, 1]


@trio_test
async def test_exactly_at_the_answers_end_it_is_in_the_turn_once_or_refused(
    daemon: Daemon,
) -> None:
    async with scripted_model(lambda _: (Say(("a", "b")),)) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            accepted = 0
            for n in range(12):
                turn = await client.start_turn(thread, f"go{n}")
                await heard_of(client, turn, messages=n % 4)
                params = {"threadId": thread, "expectedTurnId": turn, "input": typed(f"s{n}")}
                code = await client.refusal_code(await client.post("turn/steer", **params))
                assert (await client.turn_ended(turn))["status"] == "completed"
                shown = (await texts(client, thread)).count(f"> s{n}")
                assert shown == (code is None)
                accepted += shown
                if shown:
                    assert asked(model).count(f"user s{n}") == 1
            assert accepted  # Those that came before the end.


@trio_test
async def test_what_was_acknowledged_survives_a_kill_at_each_stage(home: Home) -> None:
    """While the model answers, is cut off, is waited for, or asks; and while a command runs."""
    stages = {
        "answer": "hang 900",
        "retry": "fail 503 4\nhang 900",
        "command": "run sleep 900",
        "question": 'call shell_command {"command":"touch x"}',
    }
    async with scripted_model() as model:
        home.use_model(model.base_url, approval="untrusted")
        daemon = home.start()
        turns: dict[str, tuple[str, str]] = {}
        async with connected(home.socket) as client:
            for stage, words in stages.items():
                never = {"approvalPolicy": "never"} if stage == "command" else {}
                thread = await client.start_thread(**never)
                turns[stage] = thread, await client.start_turn(thread, words)
            await client.until_notified("item/agentMessage/delta", threadId=turns["answer"][0])
            await client.until_notified("error", threadId=turns["retry"][0])
            await client.until_asked()
            for stage, (thread, turn) in turns.items():
                await steer(client, thread, turn, f"hang 900\n{stage}")
        daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            for stage, (thread, turn) in turns.items():
                resumed = await client.call("thread/resume", threadId=thread)
                running = resumed["thread"]["turns"][-1]
                assert (running["id"], running["status"]) == (turn, "inProgress")
                await client.call("turn/interrupt", threadId=thread, turnId=turn)
                await client.turn_ended(turn)
                read = await client.call("thread/read", threadId=thread, includeTurns=True)
                said = [item for item in items_of(read["thread"]) if item["type"] == "userMessage"]
                assert len(said) == 2, stage
                assert said[1]["content"][0]["text"] == f"hang 900\n{stage}"
