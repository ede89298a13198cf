"""Models and providers over the wire: what can be chosen, and what a choice does."""

from __future__ import annotations

import json
from pathlib import Path

from codexd.models.scripted.scripts import Say, Use
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from installed_codex import needs_schemas
from trio_test import trio_test
from wire_schemas import check_answer


@needs_schemas
@trio_test
async def test_a_person_may_have_a_catalogue_of_their_own(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    one = {"slug": "mine", "display_name": "Mine", "context_window": 1000, "visibility": "list"}
    file.write_text(json.dumps({"models": [one]}))
    async with scripted_model([(Say(("one",)), Use(1, 0, 1, 0))]) as model:
        daemon.home.use_model(model.base_url, window=None, more=f'model_catalog_json = "{file}"')
        async with connected(daemon.home.socket) as client:
            listed = await client.call("model/list")
            check_answer("model/list", listed)
            assert [(m["id"], m["isDefault"]) for m in listed["data"]] == [("mine", True)]
            thread = await client.start_thread(model="mine")
            await client.run_turn(thread, "1?")
            [used] = client.of("thread/tokenUsage/updated")
            assert used.params["tokenUsage"]["modelContextWindow"] == 950
            assert client.of("warning") == []
            file.write_text("{")  # The last good one stays.
            assert await client.call("model/list") == listed
            daemon.home.use_model(model.base_url)
            theirs = await client.call("model/list", includeHidden=True)
            check_answer("model/list", theirs)
            [default] = [m["id"] for m in theirs["data"] if m["isDefault"]]
            assert default == "gpt-6.2-sol"
            [old] = [m for m in theirs["data"] if m["id"] == "gpt-5.5"]
            assert (old["upgrade"], old["upgradeInfo"]["model"]) == ("gpt-6-sol", "gpt-6-sol")


PROVIDERS = """
[model_providers.gw]
name = "GW"
base_url = "https://gw.example/v1"
env_key = "GW_KEY"
query_params = {version = "1"}
[model_providers.headers]
base_url = "https://h.example/v1"
http_headers = {Authorization = "Bearer abc"}
"""


@needs_schemas
@trio_test
async def test_the_provider_and_the_model_of_new_threads_are_written(daemon: Daemon) -> None:
    daemon.home.use_model("http://127.0.0.1:1/v1", more=PROVIDERS)
    async with connected(daemon.home.socket) as client:
        listed = await client.call("modelProvider/list")
        check_answer("modelProvider/list", listed)
        found = {p["id"]: (p["baseUrl"], p["settings"].get("auth")) for p in listed["data"]}
        assert found["gw"] == (None, {"mode": "environmentVariable", "envKey": "GW_KEY"})
        assert found["headers"][1] == {"mode": "externallyConfigured", "envKey": None}
        assert found["scripted"] == ("http://127.0.0.1:1/v1", {"mode": "none"})
        assert found["openai"] == (None, None)
        assert listed["defaultProviderId"] == "scripted"
        written = await client.call("modelProvider/default/set", providerId="gw")
        assert written["status"] == "ok"
        assert (await client.call("modelProvider/list"))["defaultProviderId"] == "gw"
        refused = await client.refused("modelProvider/default/set", providerId="none")
        assert refused.message == "Model provider `none` is not configured."
        assert refused.data["config_write_error_code"] == "configValidationError"
        for asked, kept in (
            ({"model": "gpt-5.5", "reasoningEffort": "high"}, ("gpt-5.5", "high")),
            ({"model": "gpt-6-luna"}, ("gpt-6-luna", None)),
            ({}, (None, None)),
        ):
            assert await client.call("setDefaultModel", **asked) == {}
            config = (await client.call("config/read"))["config"]
            assert (config["model"], config["model_reasoning_effort"]) == kept
        for method in ("hooks/list", "skills/list"):
            for cwds, folders in ((["/a", "/b"], ["/a", "/b"]), ([], None)):
                answer = await client.call(method, cwds=cwds)
                check_answer(method, answer)
                if folders is not None:
                    assert [entry["cwd"] for entry in answer["data"]] == folders
                assert len(answer["data"]) == max(len(cwds), 1)


@trio_test
async def test_what_a_turn_says_of_its_model_stays_for_later_turns(daemon: Daemon) -> None:
    replies = [(Say((str(n),)), Use(1, 0, 1, 0)) for n in range(3)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(model="gpt-5.5")
            await client.run_turn(thread, "1?")
            await client.run_turn(thread, "2?", model="gpt-6-luna", effort="max", summary="concise")
            await client.run_turn(thread, "3?")
    sent = [json.loads(request.body) for request in model.requests]
    assert [(body["model"], body["reasoning"]) for body in sent] == [
        ("gpt-5.5", {"summary": "auto"}),
        ("gpt-6-luna", {"effort": "max", "summary": "concise"}),
        ("gpt-6-luna", {"effort": "max", "summary": "concise"}),
    ]


@trio_test
async def test_a_service_tier_is_sent_to_models_that_have_it(daemon: Daemon) -> None:
    replies = [(Say((str(n),)), Use(1, 0, 1, 0)) for n in range(6)]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url, more='service_tier = "fast"')
        async with connected(daemon.home.socket) as client:
            started = await client.call("thread/start", model="gpt-5.5")
            thread = started["thread"]["id"]
            assert started["serviceTier"] == "priority"
            await client.run_turn(thread, "1?")
            await client.run_turn(thread, "2?", serviceTierForTurn="default")
            await client.run_turn(thread, "3?")
            await client.run_turn(thread, "4?", serviceTier=None)
            await client.call("thread/settings/update", threadId=thread, serviceTier="priority")
            await client.run_turn(thread, "5?")
            await client.run_turn(thread, "6?", model="gpt-daybreak-blue-latest")
            warned = [note.params["message"] for note in client.of("warning")]
    sent = [json.loads(request.body).get("service_tier") for request in model.requests]
    assert sent == ["priority", None, "priority", None, "priority", None]
    assert any("service tier 'priority' was left out" in text for text in warned)


@trio_test
async def test_features_of_config_toml_and_of_a_client_take_tools_away(daemon: Daemon) -> None:
    replies = [(Say((str(n),)), Use(1, 0, 1, 0)) for n in range(3)]
    off = (
        "[features]\nshell_tool = false\nview_image = false\n[tools.update_plan]\nenabled = false\n"
    )
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url, more=off)
        async with connected(daemon.home.socket) as client:
            own = await client.start_thread()
            await client.run_turn(own, "1?")
            again = await client.start_thread(config={"features.shell_tool": True})
            await client.run_turn(again, "2?")
            await client.call(
                "thread/resume", threadId=again, config={"features": {"view_image": True}}
            )
            await client.run_turn(again, "3?")
    offered = [
        {tool.get("name") for tool in json.loads(request.body)["tools"]}
        for request in model.requests
    ]
    optional = {"shell_command", "view_image", "update_plan"}
    assert [names & optional for names in offered] == [
        set(), {"shell_command"}, {"shell_command", "view_image"},
    ]  # fmt: skip
