"""A whole session over the real wire, each message valid by Codex's own schemas."""

from __future__ import annotations

from uuid import uuid4

import pytest

from codexd.models.scripted.scripts import Call, Cut, Fail, Hang, Part, Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from codexd.protocol.methods import METHODS
from daemon_client import CURSOR, FRAMINGS, Client, Framing, connected, typed
from daemon_house import Daemon
from installed_codex import needs_schemas
from trio_test import trio_test
from wire_schemas import check_answer, check_asked, check_told, is_theirs

pytestmark = needs_schemas

SCRIPT: list[Part | Reply] = [
    (Think(("let ", "me")), Call("shell_command", '{"command":"touch a; echo out"}')),
    (Call("nothing", "{}"), Call("shell_command", "{")),
    Say(("all ", "done")),
    Cut(("half",)),
    Say(("whole",)),
    Fail(400),
    Hang(("wait",)),
    Hang(("steered",)),
    Call("shell_command", '{"command":"touch b"}'),
    Say(("ok",)),
    Say(("So ", "far.")),
    (Think(("hm",)), Call("shell_command", '{"command":"touch c"}')),
    Say(('{"findings":[{"title":"t"}]}',)),
]


# Methods under which something is told to those as well who do not follow the thread.
TO_EVERYBODY = {
    "account/login/completed",
    "account/updated",
    "account/rateLimits/updated",
    "thread/archived",
    "thread/closed",
    "thread/deleted",
    "thread/name/updated",
    "thread/readState/changed",
    "thread/started",
    "thread/status/changed",
    "thread/unarchived",
    "warning",
}
# Refused to all that are not logged in with ChatGPT; `test_who_is_logged_in.py` has that login.
OF_CHATGPT = {"account/usage/read", "account/workspaceMessages/read"}
# Methods that a server of MCP has to be there for.
OF_MCP_SERVERS = {
    *("mcpServer/oauth/login", "mcpServer/resource/read", "mcpServer/tool/call"),
    "mcpServer/event/stream/start",
}
# A prompt waits only while a turn runs, and then none can be started.
OF_IDLE_QUEUES = {"thread/queue/start"}
OF_FILES = {"fs/changed", "fuzzyFileSearch/sessionCompleted", "fuzzyFileSearch/sessionUpdated"}
# A method that an endpoint has to be configured for.
OF_ENDPOINTS = {"feedback/upload"}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("cursor", [False, True])
@trio_test
async def test_all_that_is_said_is_valid_by_the_schemas(
    daemon: Daemon, framing: Framing, cursor: bool
) -> None:
    async with scripted_model(SCRIPT) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        codexd = CURSOR if cursor else None
        socket = daemon.home.socket
        async with connected(socket, framing, codexd=codexd) as client, connected(socket) as other:
            await everything(client)
            await some_files(client, f"{daemon.home.work}/{uuid4()}")
            report = daemon.home.root / f"{uuid4()}.zip"
            await client.call("feedback/save", classification="bug", savePath=str(report))
            answered = {method for method, _ in client.results}
            theirs = {method for method in METHODS if is_theirs(method)}
            assert answered >= theirs - OF_MCP_SERVERS - OF_ENDPOINTS - OF_CHATGPT - OF_IDLE_QUEUES
            for peer in (client, other):
                for method, result in peer.results:
                    if is_theirs(method):
                        check_answer(method, result)
                for note in peer.notified:
                    check_told(note.method, note.params)
                for asked in peer.asked:
                    check_asked(asked.params)
            assert {note.method for note in client.notified} >= {
                "account/login/completed", "account/rateLimits/updated", "account/updated", "command/exec/outputDelta", "error", "item/agentMessage/delta",
                "item/commandExecution/outputDelta", "item/completed",
                "item/reasoning/summaryPartAdded", "item/reasoning/summaryTextDelta", "item/started",
                "serverRequest/resolved", "thread/archived", "thread/closed", "thread/compacted",
                "thread/name/updated", "thread/queue/changed", "thread/readState/changed",
                "thread/settings/updated", "thread/started", "thread/status/changed",
                "thread/tokenUsage/updated", "thread/unarchived", "turn/completed", "turn/started",
            }  # fmt: skip
            numbered = {note.method for note in client.notified if note.seq is not None}
            bare = {note.method for note in client.notified if note.seq is None}
            if cursor:  # What is of no thread is in no thread's stream.
                assert bare <= {*TO_EVERYBODY, *OF_FILES, "command/exec/outputDelta"}
                assert {"turn/started", "item/completed", "turn/completed"} <= numbered
            else:
                assert not numbered


async def choices(client: Client) -> None:
    await client.call("model/list", includeHidden=True)
    await client.call("collaborationMode/list")
    await client.call("permissionProfile/list")
    await client.call("modelProvider/list")
    await client.call("experimentalFeature/list")
    await client.call("config/batchWrite", edits=[])
    edit = {"keyPath": "hide_agent_reasoning", "value": None, "mergeStrategy": "replace"}
    await client.call("config/value/write", **edit)
    await client.call("hooks/list", cwds=[])
    await client.call("skills/list", cwds=["/"])


async def some_files(client: Client, folder: str) -> None:
    for method in ("server/diagnostics", "modelProvider/capabilities/read"):
        await client.call(method)
    for method in ("info", "status"):
        await client.call(f"environment/{method}", environmentId="local")
    await client.call("fs/createDirectory", path=folder)
    await client.call("fs/watch", path=folder, watchId="w")
    await client.call("fs/writeFile", path=f"{folder}/a", dataBase64="YQ==")
    await client.until_notified("fs/changed", watchId="w")
    await client.call("fs/unwatch", watchId="w")
    where = {"sourcePath": f"{folder}/a", "destinationPath": f"{folder}/b"}
    await client.call("fs/copy", **where)
    for method in ("getMetadata", "readFile", "remove"):
        await client.call(f"fs/{method}", path=f"{folder}/b")
    await client.call("fs/readDirectory", path=folder)
    await client.call("fuzzyFileSearch", query="a", roots=[folder])
    await client.call("fuzzyFileSearch/sessionStart", sessionId="s", roots=[folder])
    await client.call("fuzzyFileSearch/sessionUpdate", sessionId="s", query="a")
    await client.until_notified("fuzzyFileSearch/sessionCompleted", sessionId="s")
    await client.call("fuzzyFileSearch/sessionStop", sessionId="s")


async def everything(client: Client) -> None:
    for method in ("account/read", "config/read", "configRequirements/read", "server/status"):
        await client.call(method)
    for method in ("config/mcpServer/reload", "mcpServerStatus/list"):
        await client.call(method)
    await a_program(client)
    await choices(client)
    thread = await client.start_thread(historyMode="paginated", threadSource="test")
    turn = await client.start_turn(thread, "go", clientUserMessageId="mine", effort="low")
    await client.decide(await client.until_asked(), "accept")
    await client.turn_ended(turn)
    await client.run_turn(thread, "cut")
    await client.run_turn(thread, "fail")
    turn = await client.start_turn(thread, "hang")
    await client.until_notified("item/agentMessage/delta", delta="wait")
    await client.call("turn/steer", threadId=thread, expectedTurnId=turn, input=typed("steered"))
    await the_queue(client, thread)
    await client.call("turn/interrupt", threadId=thread, turnId=turn)
    await client.turn_ended(turn)
    await client.call("thread/settings/update", threadId=thread, effort="high", summary="concise")
    turn = await client.start_turn(thread, "decline")
    await client.decide(await client.until_asked(2), "decline")
    await client.turn_ended(turn)
    for method in ("list", "clean"):
        await client.call(f"thread/backgroundTerminals/{method}", threadId=thread)
    await client.call("thread/backgroundTerminals/terminate", threadId=thread, processId="1000")
    ended = len(client.of("turn/completed"))
    await client.call("thread/shellCommand", threadId=thread, command="exit 1", timeoutMs=None)
    await client.until(lambda: len(client.of("turn/completed")) > ended, "a person's command")
    compacting = await client.call("thread/compact/start", threadId=thread)
    await client.turn_ended(compacting["turnId"])
    await client.call("thread/revert", threadId=thread, beforeTurnId=compacting["turnId"])
    review = await client.call(
        "review/start", threadId=thread, target={"type": "custom", "instructions": "look"}
    )
    await client.decide(await client.until_asked(3), "accept")
    await client.turn_ended(review["turn"]["id"])
    await a_name_and_a_goal(client, thread)
    read = client.of("thread/readState/changed")[-1].params["readState"]
    await client.call(
        "thread/readState/update",
        threadId=thread,
        operation={"type": "read"},
        expectedRevision=read["revision"],
    )
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    await client.call("thread/inject_items", threadId=thread, items=[item])
    for include in (True, False):
        await client.call("thread/read", threadId=thread, includeTurns=include)
    for view in ("full", "summary", "notLoaded"):
        await client.call("thread/turns/list", threadId=thread, itemsView=view)
    await the_items(client, thread)
    await client.call("thread/resume", threadId=thread, initialTurnsPage={})
    child = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
    await client.call("thread/unsubscribe", threadId=child)
    await client.call("thread/archive", threadId=child)
    for archived in (True, False):
        await client.call("thread/list", archived=archived)
    await client.call("thread/search", searchTerm="whole")
    await client.call("thread/searchOccurrences", threadId=thread, searchTerm="whole")
    await client.call("thread/unarchive", threadId=child)
    await client.call("thread/loaded/list")
    await client.call("thread/delete", threadId=child)
    await the_account(client)


async def a_name_and_a_goal(client: Client, thread: str) -> None:
    await client.call("thread/name/set", threadId=thread, name="a name")
    await client.call("thread/goal/set", threadId=thread, objective="a goal", status="paused")
    await client.call("thread/prepareApprovedPlan", threadId=thread, markdown="a plan")
    for method in ("get", "clear"):
        await client.call(f"thread/goal/{method}", threadId=thread)


async def the_items(client: Client, thread: str) -> None:
    items = (await client.call("thread/items/list", threadId=thread))["data"]
    first = {"turnId": items[0]["turnId"], "itemIds": [items[0]["item"]["id"]]}
    await client.call("thread/items/read", threadId=thread, **first)


async def the_queue(client: Client, thread: str) -> None:
    waiting = []
    for prompt in ("first", "second"):
        added = await client.call(
            "thread/queue/add", threadId=thread, input=typed(prompt), clientUserMessageId=prompt
        )
        waiting.append(added["queuedSubmission"]["id"])
    for method, params in (
        ("update", {"queuedSubmissionId": waiting[0], "input": typed("third")}),
        ("reorder", {"queuedSubmissionIds": waiting[::-1]}),
        ("list", {"limit": 1}),
        *(("delete", {"queuedSubmissionId": waits}) for waits in waiting),
    ):
        await client.call(f"thread/queue/{method}", threadId=thread, **params)


async def the_account(client: Client) -> None:
    await client.call("account/rateLimits/read")
    await client.call("account/login/start", type="apiKey", apiKey="sk-0123456789abcdefghij")
    await client.call("account/login/cancel", loginId="nobody's")
    for method in ("account/read", "accountSession/list", "account/gatewayOAuth/read"):
        await client.call(method)
    await client.call("account/logout")
    await client.until_notified("account/updated", authMode=None)


async def a_program(client: Client) -> None:
    named = await client.post(
        "command/exec",
        command=["cat"],
        processId="p",
        tty=True,
        size={"rows": 9, "cols": 9},
        disableTimeout=True,
    )
    await client.call("command/exec/resize", processId="p", size={"rows": 5, "cols": 5})
    await client.call("command/exec/write", processId="p", deltaBase64="aGkK")
    await client.until_notified("command/exec/outputDelta", processId="p")
    await client.call("command/exec/terminate", processId="p")
    await client.answered(named)
