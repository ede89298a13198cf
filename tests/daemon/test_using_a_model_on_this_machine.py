"""--oss: the daemon finds the model server that answers, says where it looked where none does, and uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Asked, Client, connected
from daemon_house import Daemon, Home
from daemon_screen import answers
from llama_server import CONTEXT, INSTALLED, WHY_NOT, llama_server
from trio_test import trio_test

NOWHERE = "http://127.0.0.1:1/v1"
TURNS_MAX = 20
LOCAL = ("ollama", "lmstudio", "llamacpp", "vllm")


def configured(home: Home, more: str = "", **addresses: str) -> None:
    """A config in which each local provider is where it is said to be, or nowhere."""
    tables = [
        f'[model_providers.{name}]\nbase_url = "{addresses.get(name, NOWHERE)}"' for name in LOCAL
    ]
    home.configure("\n".join(['approval_policy = "untrusted"', more, *tables]) + "\n")


@trio_test
async def test_the_server_that_answers_is_found_and_used(daemon: Daemon) -> None:
    async with scripted_model([Say(("From ", "here."))]) as model:
        configured(daemon.home, vllm=model.base_url)
        async with connected(daemon.home.socket) as client:
            found = await client.call("provider/findLocal")
            assert found == {
                "modelProvider": "vllm",
                "model": "scripted",
                "name": "vLLM",
                "baseUrl": model.base_url,
                "models": [{"id": "scripted", "contextWindow": None}],
            }
            thread = await client.start_thread(modelProvider="vllm", model="scripted")
            assert (await client.run_turn(thread, "Hi"))["status"] == "completed"
            assert answers(client) == ["From here."]
            assert "/v1/chat/completions" in [request.path for request in model.requests]


@trio_test
async def test_where_none_answers_it_is_said_where_it_was_looked_for(daemon: Daemon) -> None:
    configured(daemon.home)
    async with connected(daemon.home.socket) as client:
        refusal = await client.refused("provider/findLocal")
        assert refusal.data["code"] == "no_local_model"
        for name in ("Ollama", "LM Studio", "llama.cpp", "vLLM"):
            assert f"{name} at {NOWHERE}: Connection refused" in refusal.message
        assert "Start one: `ollama serve`" in refusal.message
        assert refusal.message.endswith("Nothing was sent.")


@trio_test
async def test_only_a_named_server_is_asked(daemon: Daemon) -> None:
    async with scripted_model([]) as model:
        configured(daemon.home, ollama=model.base_url)
        async with connected(daemon.home.socket) as client:
            refusal = await client.refused("provider/findLocal", provider="lmstudio")
            assert "LM Studio" in refusal.message
            assert "Ollama" not in refusal.message
            assert model.requests == []
            refusal = await client.refused("provider/findLocal", provider="mainframe")
            assert "one of ollama, lmstudio, llamacpp, vllm" in refusal.message
            refusal = await client.refused("provider/findLocal", model="huge")
            assert "no local server has 'huge'" in refusal.message
            assert "it has scripted" in refusal.message


@trio_test
async def test_the_models_of_a_local_provider_are_those_of_its_server(daemon: Daemon) -> None:
    async with scripted_model([]) as model:
        model.models = b'{"data":[{"id":"a-embed"},{"id":"b"},{"id":"c"}]}'
        configured(daemon.home, ollama=model.base_url)
        async with connected(daemon.home.socket) as client:
            listed = await client.call("model/list", modelProvider="ollama")
            assert [(entry["id"], entry["isDefault"]) for entry in listed["data"]] == [
                ("a-embed", False),
                ("b", True),
                ("c", False),
            ]
            page = await client.call("model/list", modelProvider="ollama", limit=2)
            assert ([entry["id"] for entry in page["data"]], page["nextCursor"]) == (
                ["a-embed", "b"],
                "2",
            )
            assert (await client.call("model/list", modelProvider="vllm"))["data"] == []
            catalog = await client.call("model/list", modelProvider="openai")
            assert "b" not in [entry["id"] for entry in catalog["data"]]


@trio_test
async def test_the_config_names_the_server(daemon: Daemon) -> None:
    async with scripted_model([]) as ollama, scripted_model([]) as other:
        configured(
            daemon.home, 'oss_provider = "vllm"', ollama=ollama.base_url, vllm=other.base_url
        )
        async with connected(daemon.home.socket) as client:
            assert (await client.call("provider/findLocal"))["modelProvider"] == "vllm"
            assert ollama.requests == []


@trio_test
async def test_the_window_of_a_local_model_is_looked_up(daemon: Daemon) -> None:
    async with scripted_model([Say(("Yes.",))] * TURNS_MAX) as model:
        model.models = b'{"data":[{"id":"scripted","max_model_len":40000}]}'
        configured(daemon.home, vllm=model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(modelProvider="vllm", model="scripted")
            # The first turn asks for it, and does not wait; a later one knows.
            for _ in range(TURNS_MAX):
                turn = await client.start_turn(thread, "Hi")
                note = await client.until_notified("thread/tokenUsage/updated", turnId=turn)
                await client.turn_ended(turn)
                if note.params["tokenUsage"]["modelContextWindow"] == 40000 * 95 // 100:
                    break
            else:
                raise AssertionError("no turn has learned how long a conversation may be")


async def decline_all(client: Client) -> None:
    """Say no to whatever the model wants, until the turn is over."""
    declined: set[int] = set()

    def waiting() -> list[Asked]:
        return [asked for asked in client.asked if asked.id not in declined]

    while not client.of("turn/completed"):
        await client.until(lambda: bool(waiting() or client.of("turn/completed")), "the end")
        for asked in waiting():
            declined.add(asked.id)
            await client.decide(asked, "decline")


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason=WHY_NOT)
@trio_test
async def test_a_turn_with_llama_cpp_itself(daemon: Daemon, tmp_path: Path) -> None:
    with llama_server(tmp_path) as base_url:
        configured(daemon.home, llamacpp=base_url)
        async with connected(daemon.home.socket) as client:
            found = await client.call("provider/findLocal")
            assert found["modelProvider"] == "llamacpp"
            whom = {"modelProvider": "llamacpp", "model": found["model"]}
            thread = await client.start_thread(baseInstructions="Be brief.", **whom)
            await client.start_turn(thread, "Hello")
            await decline_all(client)
            ended = client.of("turn/completed")[-1].params["turn"]
            assert ended["status"] == "completed", json.dumps(ended)
            (usage, *_) = client.of("thread/tokenUsage/updated")
            assert usage.params["tokenUsage"]["last"]["inputTokens"] > 100
            # The server says how much it can be given, and that is what counts.
            window = usage.params["tokenUsage"]["modelContextWindow"]
            assert window == CONTEXT * 95 // 100
