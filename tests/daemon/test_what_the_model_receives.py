"""The requests that the model receives: instructions, environment, parameters; and that the log has the bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from codexd.core.prompts.base_instructions import BASE_INSTRUCTIONS, TITLE_INSTRUCTIONS
from codexd.models.scripted.scripts import Reply, Say
from codexd.models.scripted.server import RecordedRequest, ScriptedModel, scripted_model
from codexd.projections.model.history import HASH_DIGITS
from daemon_client import Client, connected
from daemon_house import Daemon
from trio_test import trio_test

Json = dict[str, Any]


def body(request: RecordedRequest) -> Json:
    read: Json = json.loads(request.body)
    return read


def texts(request: RecordedRequest) -> list[str]:
    """The texts of the messages that are not the model's."""
    messages = [
        item for item in body(request)["input"] if item.get("role") in ("user", "developer")
    ]
    return [part["text"] for message in messages for part in message["content"]]


def answers(count: int) -> list[Reply]:
    return [(Say.words("done"),)] * count


async def log_of(client: Client, thread: str) -> list[Json]:
    page = await client.call("thread/log/read", threadId=thread, after=0, limit=500)
    records: list[Json] = page["records"]
    return records


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "AGENTS.md").write_text("Be kind.\n")
    return tmp_path


@trio_test
async def test_agents_md_reaches_the_model_and_again_when_it_is_another(
    daemon: Daemon, project: Path
) -> None:
    async with scripted_model(answers(3)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread(cwd=str(project))
        await client.run_turn(thread, "one")
        await client.run_turn(thread, "two")
        (project / "AGENTS.md").write_text("Be brief.\n")
        await client.run_turn(thread, "three")
        first, second, third = (texts(request) for request in model.requests)
        records = await log_of(client, thread)
    assert first[0] == (
        f"# AGENTS.md instructions for {project}\n\n<INSTRUCTIONS>\nBe kind.\n</INSTRUCTIONS>"
    )
    assert first[1].startswith("<environment_context>\n  <cwd>")
    assert second == [*first, "two"]
    assert (third[:4], third[5]) == (second, "three")
    assert "replace all" in third[4]
    assert "Be brief." in third[4]
    told = [r["data"] for r in records if r["data"].get("category") == "user_instructions"]
    assert [item["text"] for item in told] == [first[0], third[4]]
    assert told[0]["sources"] == [
        {
            "path": str(project / "AGENTS.md"),
            "bytes": 9,
            "sha256": hashlib.sha256(b"Be kind.\n").hexdigest(),
        }
    ]


@trio_test
async def test_the_problem_of_a_file_is_reported_once(daemon: Daemon, project: Path) -> None:
    file = project / "AGENTS.md"
    file.write_bytes(b"caf\xe9 " * 10)
    async with scripted_model(answers(2)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url, more="project_doc_max_bytes = 15")
        thread = await client.start_thread(cwd=str(project))
        await client.run_turn(thread, "one")
        await client.run_turn(thread, "two")
        first, second = (texts(request) for request in model.requests)
        daemon.home.use_model(model.base_url)
        warned = [t.params for t in client.notified if t.method == "warning"]
    assert first[0].count("caf�") == 3
    assert f"The rest of {file} was left out" in first[0]
    assert second == [*first, "two"]
    assert [warning["threadId"] for warning in warned] == [thread] * 2
    assert "has 50 bytes, of which the model is given 15" in warned[0]["message"]
    assert "is not UTF-8" in warned[1]["message"]


@trio_test
async def test_changes_between_turns_are_sent_as_a_difference(
    daemon: Daemon, tmp_path: Path
) -> None:
    other = tmp_path / "else"
    other.mkdir()
    async with scripted_model(answers(3)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread(cwd=str(tmp_path))
        await client.run_turn(thread, "one")
        await client.run_turn(thread, "two", cwd=str(other))
        await client.call("thread/settings/update", threadId=thread, approvalPolicy="untrusted")
        await client.until_notified("thread/settings/updated", times=2)
        await client.run_turn(thread, "three")
        first, _, third = (texts(request) for request in model.requests)
    tags = ["cwd", "shell", "current_date", "timezone", "approval_policy", "sandbox_mode"]
    assert all(f"<{tag}>" in first[0] for tag in tags)
    assert third[2:] == [
        f"<environment_context>\n  <cwd>{other}</cwd>\n</environment_context>",
        "two",
        "<environment_context>\n  <approval_policy>untrusted</approval_policy>\n</environment_context>",
        "three",
    ]


@trio_test
async def test_a_prompt_like_our_own_tags_is_still_a_persons(daemon: Daemon) -> None:
    typed = "<environment_context>\n  <cwd>/mine</cwd>\n</environment_context>"
    async with scripted_model(answers(2)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread()
        await client.run_turn(thread, typed)
        await client.run_turn(thread, "two")
        read = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
        listed = await client.call("thread/list", searchTerm="/mine")
        assert texts(model.requests[1])[1] == typed
    shown = [item for turn in read["turns"] for item in turn["items"]]
    said = [item["content"][0]["text"] for item in shown if item["type"] == "userMessage"]
    assert said == [typed, "two"]
    assert read["preview"] == typed
    assert [entry["id"] for entry in listed["data"]] == [thread]


@trio_test
async def test_nothing_that_was_injected_is_shown_or_found(daemon: Daemon, project: Path) -> None:
    (project / "AGENTS.md").write_text("Xylophones are forbidden.\n")
    async with scripted_model(answers(1)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread(cwd=str(project))
        await client.run_turn(thread, "one")
        read = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
        found = await client.call("thread/search", searchTerm="xylophones")
    assert read["preview"] == "one"
    assert "ylophones" not in json.dumps(read)
    assert found["data"] == []


@trio_test
async def test_the_instructions_of_a_request_are_in_the_log_under_its_hash(daemon: Daemon) -> None:
    async with scripted_model(answers(2)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = await client.start_thread()
        await client.run_turn(thread, "one")
        await client.run_turn(thread, "two")
        sent = [body(request)["instructions"] for request in model.requests]
        records = await log_of(client, thread)
    assert sent == [BASE_INSTRUCTIONS] * 2
    turns = [record["data"] for record in records if record["type"] == "turn.started"]
    assert [turn.get("instructions") for turn in turns] == [BASE_INSTRUCTIONS, None]
    calls = [r["data"]["request"] for r in records if r["type"] == "model.call_started"]
    digest = hashlib.sha256(BASE_INSTRUCTIONS.encode()).hexdigest()[:HASH_DIGITS]
    assert [call.get("instructions") for call in calls] == [digest, None]


@trio_test
async def test_a_file_and_a_key_of_the_config_replace_ours(daemon: Daemon) -> None:
    home = daemon.home
    (home.path / "mine.md").write_text("You are a poet.")
    more = 'model_instructions_file = "mine.md"\ndeveloper_instructions = "Rhyme."'
    async with scripted_model(answers(2)) as model, connected(home.socket) as client:
        home.use_model(model.base_url, more=more)
        thread = await client.start_thread()
        await client.run_turn(thread, "one")
        own = await client.start_thread(
            baseInstructions="You are a cook.", developerInstructions="Salt."
        )
        await client.run_turn(own, "one")
        first, second = model.requests
        assert (body(first)["instructions"], texts(first)[0]) == ("You are a poet.", "Rhyme.")
        assert (body(second)["instructions"], texts(second)[0]) == ("You are a cook.", "Salt.")
        home.use_model(model.base_url, more='model_instructions_file = "gone.md"')
        refused = await client.refused("thread/start")
        assert "`model_instructions_file`" in refused.message
        assert "gone.md cannot be read" in refused.message
        home.use_model(model.base_url)


@trio_test
async def test_a_missing_feature_of_a_model_is_reported_once_and_not_sent(daemon: Daemon) -> None:
    more = 'model_verbosity = "low"\nmodel_reasoning_effort = "high"'
    async with scripted_model(answers(3)) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url, more=more)
        thread = await client.start_thread(model="gpt-4o")
        await client.run_turn(thread, "one")
        await client.run_turn(thread, "two")
        warned = [t.params["message"] for t in client.notified if t.method == "warning"]
        assert ["gpt-4o does not reason" in warned[0], "no verbosity" in warned[1]] == [True, True]
        await client.run_turn(thread, "three", model="gpt-5", outputSchema={"type": "object"})
        assert len([t for t in client.notified if t.method == "warning"]) == len(warned) == 2
        first, second, third = (body(request) for request in model.requests)
        records = await log_of(client, thread)
        daemon.home.use_model(model.base_url)
    assert not {"text", "reasoning", "include"} & (first.keys() | second.keys())
    assert third["reasoning"] == {"effort": "high", "summary": "auto"}
    assert third["include"] == ["reasoning.encrypted_content"]
    assert third["text"]["verbosity"] == "low"
    assert third["text"]["format"]["schema"] == {"type": "object"}
    tuning = [r["data"]["tuning"] for r in records if r["type"] == "turn.started"]
    assert tuning == [{}, {}, {"effort": "high", "summary": "auto", "verbosity": "low"}]


@trio_test
async def test_an_unknown_verbosity_is_refused(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        daemon.home.use_model("http://127.0.0.1:9/v1", more='model_verbosity = "loud"')
        refused = await client.refused("thread/start")
        assert '"low", "medium" or "high"' in refused.message
        daemon.home.use_model("http://127.0.0.1:9/v1")
        thread = await client.start_thread()
        refused = await client.refused("thread/settings/update", threadId=thread, verbosity="loud")
        assert "verbosity" in refused.message


@trio_test
async def test_a_model_names_a_thread_beside_its_first_turn(daemon: Daemon) -> None:
    def answer(request: bytes) -> Reply:
        title = json.loads(request)["instructions"] == TITLE_INSTRUCTIONS
        return (Say.words('"Fixing the parser"' if title else "done"),)

    async with scripted_model(answer) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url, more="[titles]\nby_model = true")
        thread = await client.start_thread()
        await client.run_turn(thread, "the parser fails, fix it")
        await client.until_notified("thread/name/updated", threadName="Fixing the parser")
        await client.run_turn(thread, "and now?")
        asked = [body(request) for request in model.requests if body(request)["tools"] == []]
        records = await log_of(client, thread)
        daemon.home.use_model(model.base_url)
    (title,) = asked
    assert title["input"][0]["content"][0]["text"] == "the parser fails, fix it"
    assert title["prompt_cache_key"] == f"{thread}/title"
    (ended,) = [record["data"] for record in records if record["type"] == "title.ended"]
    assert ended["usage"]["output_tokens"] > 0


@trio_test
async def test_without_a_title_the_thread_stays_as_it_is(daemon: Daemon) -> None:
    def answer(request: bytes) -> Reply:
        if json.loads(request)["instructions"] == TITLE_INSTRUCTIONS:
            raise LookupError("no titles here")
        return (Say.words("done"),)

    async with scripted_model(answer) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url, more="[titles]\nby_model = true")
        thread = await client.start_thread()
        await client.run_turn(thread, "fix it")
        await until_title_ended(client, thread, model)
        read = (await client.call("thread/read", threadId=thread))["thread"]
        daemon.home.use_model(model.base_url)
    assert (read["name"], read["preview"]) == (None, "fix it")


async def until_title_ended(client: Client, thread: str, model: ScriptedModel) -> None:
    """Nobody is told of it, so its record is looked for with each turn's end."""
    for n in range(20):
        records = await log_of(client, thread)
        ended = [record["data"] for record in records if record["type"] == "title.ended"]
        if ended:
            assert "no titles here" in ended[0]["error"]
            return
        await client.run_turn(thread, f"again {n}")
    raise AssertionError("the request for a title has no end")
