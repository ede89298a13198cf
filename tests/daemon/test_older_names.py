"""Methods by the names that Codex gave them in the autumn of 2025: each does what the one of today does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from codexd.models.scripted.scripts import Hang, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Json, connected
from daemon_house import Daemon, Home
from trio_test import trio_test


def text(words: str) -> list[Json]:
    """A message as it was sent then."""
    return [{"type": "text", "data": {"text": words}}]


@trio_test
async def test_a_conversation_is_held_by_the_older_names(daemon: Daemon, tmp_path: Path) -> None:
    script: list[Part | Reply] = [Say(("one",)), Say(("two",)), Hang(("thr",)), Hang(("four",))]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            made = await client.call(
                "newConversation", cwd=str(tmp_path), sandbox="read-only", approvalPolicy="never",
                config={"model_reasoning_effort": "low"}, includeApplyPatchTool=False,
            )  # fmt: skip
            thread, path = made["conversationId"], made["rolloutPath"]
            assert (made["model"], made["reasoningEffort"]) == ("scripted", "low")
            assert path.endswith(f"{thread}.jsonl")
            listening = await client.call("addConversationListener", conversationId=thread)
            assert (
                await client.call("sendUserMessage", conversationId=thread, items=text("1?")) == {}
            )
            await client.until_notified("turn/completed", times=1)
            sandbox = {"mode": "workspace-write", "writable_roots": ["/v"], "network_access": True}
            turn: Json = {
                "conversationId": thread, "items": text("2?"), "cwd": "/", "approvalPolicy": "on-request",
                "sandboxPolicy": sandbox, "model": "other", "effort": "high", "summary": "concise",
            }  # fmt: skip
            assert await client.call("sendUserTurn", **turn) == {}
            await client.until_notified("turn/completed", times=2)
            # The settings of a turn stay.
            now = await client.call("thread/resume", threadId=thread, excludeTurns=True)
            assert (now["cwd"], now["model"], now["reasoningEffort"]) == ("/", "other", "high")
            assert now["sandbox"]["writableRoots"] == ["/v"]
            await client.call("sendUserMessage", conversationId=thread, items=text("3?"))
            await client.until_notified("item/agentMessage/delta", times=3)
            # A message to a running turn is added to it.
            await client.call("sendUserMessage", conversationId=thread, items=text("and?"))
            stopped = await client.call("interruptConversation", conversationId=thread)
            assert stopped == {"abortReason": "interrupted"}
            resumed = await client.call("resumeConversation", path=path)
            assert resumed["conversationId"] == thread
            said = [(m["type"], m["message"]) for m in resumed["initialMessages"]]
            assert said[:4] == [
                ("user_message", "1?"), ("agent_message", "one"), ("user_message", "2?"), ("agent_message", "two"),
            ]  # fmt: skip
            assert [words for kind, words in said if kind == "user_message"] == [
                "1?",
                "2?",
                "3?",
                "and?",
            ]
            subscription = listening["subscriptionId"]
            removed = await client.call("removeConversationListener", subscriptionId=subscription)
            assert removed == {}
            refused = await client.refused(
                "removeConversationListener", subscriptionId=subscription
            )
            assert "subscription not found" in refused.message


@trio_test
async def test_conversations_are_listed_and_put_aside_by_id_and_path(
    daemon: Daemon, tmp_path: Path
) -> None:
    async with scripted_model([]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        made = [await client.call("newConversation", cwd=str(tmp_path)) for _ in range(2)]
        (first, path), (second, other) = [(m["conversationId"], m["rolloutPath"]) for m in made]
        for conversation in (first, second):
            await client.begin(conversation)
        page = await client.call("listConversations", pageSize=1)
        rest = await client.call("listConversations", pageSize=1, cursor=page["nextCursor"])
        assert [item["conversationId"] for item in (*page["items"], *rest["items"])] == [
            second,
            first,
        ]
        [item] = page["items"]
        assert (item["path"], item["cwd"], item["modelProvider"]) == (
            other,
            str(tmp_path),
            "scripted",
        )
        assert item["timestamp"].endswith("Z")
        for named in ({"conversationId": second}, {"rolloutPath": other}):
            assert (await client.call("getConversationSummary", **named))["summary"] == item
        outside, beside = tmp_path / f"{first}.jsonl", Path(path).parent / f"x-{first}.jsonl"
        shutil.copy(path, outside)
        os.symlink(outside, beside)
        try:
            for wrong, because in (
                (str(outside), "must be the log of a thread"),
                (str(beside), "must be the log of a thread"),
                (str(tmp_path / "none.jsonl"), "must be the log of a thread"),
                (path + ".bak", "must be the log of a thread"),
                (other, "does not match conversation id"),
            ):
                refused = await client.refused(
                    "archiveConversation", conversationId=first, rolloutPath=wrong
                )
                assert (refused.code, because in refused.message) == (-32600, True), refused.message
        finally:
            os.unlink(beside)
        archived = await client.call("archiveConversation", conversationId=first, rolloutPath=path)
        assert archived == {}
        listed = await client.call("thread/list", archived=True)
        assert first in [thread["id"] for thread in listed["data"]]
        refused = await client.refused("resumeConversation", path=path)
        assert refused.code == -32600


@trio_test
async def test_what_cannot_be_read_is_refused_with_its_place(daemon: Daemon) -> None:
    async with scripted_model([]) as model, connected(daemon.home.socket) as client:
        daemon.home.use_model(model.base_url)
        thread = (await client.call("newConversation"))["conversationId"]
        for method, params, because in (
            ("sendUserMessage", {"items": [{"type": "text"}]}, "items[0]"),
            (
                "sendUserMessage",
                {"items": [*text("a"), {"type": "image", "data": {}}]},
                "items[1].data",
            ),
            (
                "sendUserTurn",
                {"items": text("a"), "sandboxPolicy": {"mode": "none"}},
                "sandboxPolicy",
            ),
            ("interruptConversation", {}, "no active turn"),
        ):
            refused = await client.refused(method, conversationId=thread, **params)
            assert because in refused.message
        refused = await client.refused("resumeConversation")
        assert "expected conversationId or path, found neither" in refused.message


@trio_test
async def test_the_saved_config_has_what_is_set_and_nothing_else(daemon: Daemon) -> None:
    more = "[tools]\nweb_search = true\n[sandbox_workspace_write]\nnetwork_access = true\n"
    async with connected(daemon.home.socket) as client:
        daemon.home.use_model(
            "http://127.0.0.1:1/v1", more='model_reasoning_effort = "low"\n' + more
        )
        saved = (await client.call("getUserSavedConfig"))["config"]
    assert saved == {
        "approvalPolicy": "never",
        "sandboxMode": "danger-full-access",
        "sandboxSettings": {
            "writableRoots": [],
            "networkAccess": True,
            "excludeTmpdirEnvVar": False,
            "excludeSlashTmp": False,
        },
        "model": "scripted",
        "modelReasoningEffort": "low",
        "tools": {"webSearch": True},
    }


@trio_test
async def test_a_person_logs_in_and_out_by_the_older_names(home: Home) -> None:
    home.configure('model_provider = "openai"\n')
    home.start()
    async with connected(home.socket) as client:
        nobody = {"requiresOpenaiAuth": True}
        assert await client.call("getAuthStatus") == nobody
        assert await client.call("loginApiKey", apiKey="sk-older-0123456789abcdef") == {}
        await client.until_notified("account/updated", times=1)
        status = await client.call("getAuthStatus", includeToken=True, refreshToken=False)
        assert status == {"authMethod": "apikey", "requiresOpenaiAuth": True}
        assert await client.call("userInfo") == {"allegedUserEmail": None}
        refused = await client.refused("loginApiKey", apiKey="  ")
        assert refused.data["code"] == "invalid_api_key"
        assert await client.call("logoutChatGpt") == {}
        assert await client.call("getAuthStatus") == nobody
