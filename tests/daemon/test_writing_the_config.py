"""Clients read and change the configuration: the trust page of a terminal, its choice of a model, several at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from installed_codex import SCHEMAS
from trio_test import trio_test
from wire_schemas import check_answer

OK = Say(("ok",))


def edit(key: str, value: Any, strategy: str = "replace") -> dict[str, Any]:
    return {"keyPath": key, "value": value, "mergeStrategy": strategy}


def checked(method: str, answer: dict[str, Any]) -> dict[str, Any]:
    if (SCHEMAS / "v2").is_dir():
        check_answer(method, answer)
    return answer


@pytest.mark.slow
@trio_test
async def test_what_terminals_write_is_in_force_at_once_and_kept(home: Home) -> None:
    folder = home.work / "repo"
    (folder / ".git").mkdir(parents=True)
    (folder / ".codex").mkdir()
    (folder / ".codex/config.toml").write_text('model = "of the project"\nnotify = ["evil"]\n')
    home.configure("# mine\n")
    home.start()
    async with connected(home.socket) as client:
        # The page about trust, as the terminal of Codex sends it.
        trust = {"edits": [edit(f'projects."{folder}".trust_level', "trusted")], "filePath": None}
        written = await client.call("config/batchWrite", **trust, reloadUserConfig=True)
        checked("config/batchWrite", written)
        assert (written["status"], written["overriddenMetadata"]) == ("ok", None)
        file = Path(written["filePath"])
        assert (
            await trio.Path(file).read_text()
            == f'# mine\n\n[projects."{folder}"]\ntrust_level = "trusted"\n'
        )
        read = await client.call("config/read", cwd=str(folder), includeLayers=True)
        checked("config/read", read)
        assert read["config"]["projects"] == {str(folder): {"trust_level": "trusted"}}
        assert read["config"]["model"] == "of the project"
        assert [layer["name"]["type"] for layer in read["layers"]] == ["project", "user", "system"]
        assert read["layers"][1]["version"] == written["version"]
        assert (await client.call("config/read"))["config"]["model"] is None
        # Its choice of a model: both keys, or none.
        model = [edit("model", "m"), edit("model_reasoning_effort", "high")]
        await client.call("config/batchWrite", edits=model, reloadUserConfig=True)
        thread = await client.call("thread/start", cwd=str(home.work))
        assert (thread["model"], thread["reasoningEffort"]) == ("m", "high")
        # Of what the project may not set its person is told.
        assert client.of("configWarning") == []
        thread = await client.call("thread/start", cwd=str(folder))
        (told,) = client.of("configWarning")
        assert told.params["summary"].endswith(
            f"{folder}/.codex/config.toml: notify. If you want these settings to apply, manually set them in "
            "your user-level config.toml."
        )
        assert (await client.call("config/read", cwd="/no/such/folder"))["config"]["model"] == "m"
        assert (thread["model"], thread["sandbox"]["type"]) == ("of the project", "workspaceWrite")
        # Who changed what is on record, without the values.
        stream = await trio.Path(home.path, "threads/other/daemon.jsonl").read_text()
        facts = map(json.loads, stream.splitlines())
        written_keys = [fact["data"]["keys"] for fact in facts if fact["type"] == "config.written"]
        assert written_keys[-1] == ["model", "model_reasoning_effort"]
        # null takes it back.
        await client.call("config/value/write", **edit("model_reasoning_effort", None))
        assert "effort" not in await trio.Path(file).read_text()
        await explained(client, folder, file)


async def explained(client: Any, folder: Path, file: Path) -> None:
    told = await client.call("config/explain", keyPath="model", cwd=str(folder))
    assert told["value"] == "of the project"
    assert [(layer["value"], layer["decides"]) for layer in told["layers"]] == [
        ("of the project", True),
        ("m", False),
    ]
    assert told["layers"][0]["place"] == f"{folder}/.codex/config.toml:1"
    assert told["layers"][1]["reason"] == f"overridden by {folder}/.codex/config.toml:1"
    assert (told["usedBy"], told["expected"]) == ("codexd", "a string")
    told = await client.call("config/explain", keyPath="modle")
    assert (told["value"], told["usedBy"], told["near"]) == (None, None, "model")
    told = await client.call("config/explain", keyPath="tui.themes")
    assert told["near"] == "tui.theme"
    told = await client.call("config/explain", keyPath="tui.theme")
    assert (told["usedBy"], told["layers"]) == ("codex", [])
    text = (await client.call("config/file/read"))["text"]
    assert text == await trio.Path(file).read_text()
    refusal = await client.refused("config/file/write", text="model = 5", expected=text)
    assert "expected a string, found 5" in refusal.message
    await client.call("config/file/write", text=text + "# more\n", expected=text)
    assert await trio.Path(file).read_text() == text + "# more\n"
    features = (await client.call("experimentalFeature/list"))["data"]
    assert {"unified_exec", "network_proxy"} == {feature["name"] for feature in features}


@pytest.mark.slow
@trio_test
async def test_errors_have_the_names_of_codex(home: Home) -> None:
    home.configure('model = "m"\n')
    home.start()
    async with connected(home.socket) as client:

        async def refused(code: str, **params: Any) -> str:
            refusal = await client.refused("config/value/write", **params)
            assert refusal.code == -32600
            assert refusal.data["config_write_error_code"] == code
            return refusal.message

        assert "expected a string" in await refused("configValidationError", **edit("model", 3))
        assert "must not be empty" in await refused("configValidationError", **edit("", 3))
        await refused("configValidationError", **edit("a..b", 3))
        await refused("configValidationError", **edit("profile", "x"))
        await refused("configVersionConflict", **edit("model", "n"), expectedVersion="sha256:0")
        await refused(
            "configLayerReadonly", **edit("model", "n"), filePath="/etc/codex/config.toml"
        )
        batch = await client.refused(
            "config/batchWrite", edits=[edit("model", "x"), edit("tui", 3)], expectedVersion=None
        )
        assert batch.data["config_write_error_code"] == "configValidationError"
        assert home.path.joinpath("config.toml").read_text() == 'model = "m"\n'
        wrong = await client.refused(
            "config/value/write", keyPath="model", value=1, mergeStrategy="x"
        )
        assert "mergeStrategy" in wrong.message
        unknown = await client.call("config/value/write", **edit("bogus.key", 3))
        assert unknown["warnings"] == ["`bogus` is no key that codexd or Codex knows"]


@pytest.mark.slow
@trio_test
async def test_many_clients_write_while_turns_run_and_no_edit_is_lost(home: Home) -> None:
    clients, edits = 4, 6
    async with scripted_model([OK] * 8) as model:
        home.use_model(model.base_url)
        home.start()

        async def write(number: int) -> None:
            async with connected(home.socket) as client:
                for turn in range(edits):
                    await client.call(
                        "config/value/write",
                        **edit(f'projects."/p{number}/{turn}".trust_level', "trusted"),
                    )

        async with connected(home.socket) as client:
            thread = await client.start_thread()
            async with trio.open_nursery() as nursery:
                for number in range(clients):
                    nursery.start_soon(write, number)
                for _ in range(3):
                    assert (await client.run_turn(thread, "go"))["status"] == "completed"
            projects = (await client.call("config/read"))["config"]["projects"]
            assert len([name for name in projects if name.startswith("/p")]) == clients * edits
            # What a client sets for one thread holds for that thread alone, and before the file.
            alone = await client.call("thread/start", config={"model_context_window": 20_000})
            await client.run_turn(alone["thread"]["id"], "go")
            window = client.of("thread/tokenUsage/updated")[-1].params["tokenUsage"]
            assert window["modelContextWindow"] == 20_000 * 95 // 100
            # An edit takes effect at the next turn of a thread that is there already.
            await client.call("config/value/write", **edit("model_context_window", 12_345))
            await client.run_turn(thread, "go")
            assert 12_345 * 95 // 100 in [
                said.params["tokenUsage"]["modelContextWindow"]
                for said in client.of("thread/tokenUsage/updated")
            ]


@pytest.mark.slow
@trio_test
async def test_flags_of_the_daemon_count_before_its_files(home: Home) -> None:
    home.configure('model = "m"\nmodle = 1\n')
    (home.path / "p.config.toml").write_text('model_verbosity = "low"\n')
    home.start("-c", "model=flag", "--profile", "p")
    async with connected(home.socket) as client:
        read = await client.call("config/read", includeLayers=True)
        assert (read["config"]["model"], read["config"]["model_verbosity"]) == ("flag", "low")
        assert read["origins"]["model"]["name"] == {"type": "sessionFlags"}
        assert read["origins"]["model_verbosity"]["name"]["profile"] == "p"
        written = await client.call("config/value/write", **edit("model", "n"))
        checked("config/value/write", written)
        metadata = written["overriddenMetadata"]
        assert (written["status"], metadata["effectiveValue"]) == ("okOverridden", "flag")
        assert metadata["message"] == "Overridden by session flags"
        assert json.dumps(metadata["overridingLayer"]["name"]) == '{"type": "sessionFlags"}'
