"""Everything we send is valid by Codex's own JSON schemas, where they are installed."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]  # it has no types, and its stubs are a package more
import msgspec
import pytest

from codexd.config.effective import effective, layers_shown, origins
from codexd.config.file import convert, parse_config
from codexd.config.layers.layer import (
    FlagsSource,
    Layer,
    ProjectSource,
    SystemSource,
    UserSource,
)
from codexd.core.policy.approval import action_hash
from codexd.core.values import items
from codexd.core.values.ids import ApprovalId, ItemId, TurnId
from codexd.core.values.items import PlanStep
from codexd.core.values.tool_actions import McpToolCall
from codexd.projections.clients.notifications import ApprovalAsked
from codexd.protocol import (
    account,
    collaboration,
    commands,
    config,
    feedback,
    fs,
    fuzzy_search,
    goals,
    history,
    injecting,
    inventories,
    machine,
    mcp,
    methods,
    models,
    notifications,
    policies,
    queue,
    read_state,
    searching,
    settings,
    threads,
    turns,
)
from codexd.protocol.clients import DecidedBy
from codexd.protocol.codexd_methods import SearchHit, TextRange
from codexd.protocol.methods import METHODS
from codexd.protocol.not_offered import EMPTY_ANSWERS
from codexd.protocol.notifications import NOTIFICATIONS
from codexd.protocol.requests import (
    CommandApprovalParams,
    CommandApprovalResponse,
    ElicitationParams,
    FileChangeApprovalParams,
)
from codexd.protocol.usage import ThreadTokenUsage, TokenUsageBreakdown
from codexd.server.feed.asking import mcp_call_params
from installed_codex import SCHEMAS, needs_schemas
from wire_schemas import is_theirs, their_name

pytestmark = needs_schemas

M = ItemId("m")
FOUND_FILE = fuzzy_search.FuzzyFileSearchResult("/r", "a/b", "directory", "b", 1, (0, 2))
READ_STATES = (
    read_state.ThreadReadState(None, "3"),
    read_state.ThreadReadState(read_state.FromStart(), "3"),
    read_state.ThreadReadState(read_state.FromTurn("t"), "3"),
)
WAITING = (
    queue.QueuedSubmission("q", (items.TextInput("later"),), "mine"),
    queue.QueuedSubmission("q", (items.TextInput("later"),), "", {"a": "b"}),
)
ITEMS: tuple[items.ThreadItem, ...] = (
    items.UserMessage(
        id=M,
        client_id="c",
        content=(
            items.TextInput("hi"),
            items.ImageInput("data:image/png;base64,AA=="),
            items.LocalImageInput("/w/a.png"),
            items.SkillInput("s", "/w/SKILL.md"),
            items.MentionInput("f", "/w/f"),
        ),
    ),
    items.AgentMessage(id=M, text="hi", phase="final_answer", started_at_ms=1, completed_at_ms=2),
    items.Reasoning(id=M, summary=("a",), content=("b",)),
    items.CommandExecution(
        id=M,
        command="ls",
        cwd="/w",
        status="completed",
        command_actions=(items.UnknownAction("ls"),),
        aggregated_output="a\n",
        exit_code=0,
        duration_ms=3,
    ),
    items.CommandExecution(
        id=M,
        command="bash",
        cwd="/w",
        process_id="1000",
        source="unifiedExecStartup",
        status="inProgress",
    ),
    items.FileChange(
        id=M,
        changes=(
            items.FileUpdate("/w/a", items.ChangeKind("add"), "new\n"),
            items.FileUpdate("/w/b", items.ChangeKind("delete"), "old\n"),
            items.FileUpdate("/w/c", items.ChangeKind("update", "/w/d"), "@@ -1 +1 @@\n-a\n+b\n"),
        ),
        status="completed",
        started_at_ms=1,
        completed_at_ms=2,
    ),
    items.McpCall(id=M, server="s", tool="t", status="inProgress", arguments=msgspec.Raw(b"{}")),
    *[
        items.McpCall(
            id=M,
            server="s",
            tool="t",
            status="completed" if error is None else "failed",
            arguments=msgspec.Raw(b'{"a":1}'),
            read_only_hint=True,
            result=result,
            error=error,
            duration_ms=3,
        )
        for result, error in (
            (None, items.McpError("e")),
            (items.McpResult((msgspec.Raw(b'{"type":"text"}'),)), None),
            (items.McpResult((), msgspec.Raw(b"{}")), None),
        )
    ],
    items.ImageView(id=M, path="/w/a.png", started_at_ms=1, completed_at_ms=2),
    items.ContextCompaction(id=M),
    items.EnteredReviewMode(id=M, review="r"),
    items.ExitedReviewMode(id=M, review="r"),
    items.ToolCall(
        id=M,
        tool="t",
        arguments=msgspec.Raw(b'{"a":1}'),
        status="failed",
        success=False,
        content_items=(items.ToolText("no such tool"),),
    ),
)
ERRORS = (
    items.TurnError("m"),
    items.TurnError("m", "contextWindowExceeded", "details"),
    items.TurnError("m", {"responseStreamDisconnected": {"httpStatusCode": 401}}),
    items.TurnError("m", {"httpConnectionFailed": {"httpStatusCode": None}}),
)
TURNS = (
    turns.Turn(id="u", status="inProgress"),
    turns.Turn(
        id="u",
        root_turn_id="u",
        items=(*ITEMS, msgspec.Raw(msgspec.json.encode(ITEMS[0]))),
        items_view="full",
        status="completed",
        started_at=1,
        completed_at=2,
        duration_ms=1000,
        plan=turns.TurnPlan((PlanStep("a", "pending"), PlanStep("b", "completed")), "c"),
    ),
    *(turns.Turn(id="u", status="failed", error=error) for error in ERRORS),
)
STATUSES: tuple[threads.ThreadStatus, ...] = (
    threads.NotLoaded(),
    threads.Idle(),
    threads.InError(),
    threads.Active(),
    threads.Active(("waitingOnApproval",)),
)
POLICIES: tuple[policies.SandboxPolicy, ...] = (
    policies.ReadOnly(),
    policies.WorkspaceWrite(("/w",), network_access=True),
    policies.DangerFullAccess(),
    policies.ExternalSandbox(),
)


RAW_TURN = msgspec.Raw(msgspec.json.encode(TURNS[1]))


def a_thread(
    status: threads.ThreadStatus | None = None, turns: tuple[turns.Turn | msgspec.Raw, ...] = ()
) -> threads.Thread:
    return threads.Thread(
        id="t",
        environments=(threads.Environment("/w", ("/w",)),),
        session_id="t",
        preview="hi",
        ephemeral=False,
        model_provider="openai",
        model="m",
        created_at=1,
        updated_at=2,
        recency_at=2,
        status=status or threads.Idle(),
        path="/w/t.jsonl",
        cwd="/w",
        cli_version="0.1.0",
        git_info=threads.GitInfo("abc", "main", None),
        turns=turns,
    )


def settled(kind: type[msgspec.Struct], **more: object) -> list[msgspec.Struct]:
    return [
        msgspec.convert(
            {
                "thread": a_thread(),
                "model": "m",
                "modelProvider": "p",
                "cwd": "/w",
                "approvalPolicy": "untrusted",
                "sandbox": policy,
                "activePermissionProfile": profile,
                **more,
            },
            kind,
        )
        for policy in POLICIES
        for profile in (None, {"id": ":workspace"}, {"id": "p", "extends": ":workspace"})
    ]


PAGE = threads.TurnsPage(TURNS, "next", None)
ENTRIES = tuple(threads.ThreadItemEntry("u", item, 1, None) for item in ITEMS)
LAYERS = (
    Layer(SystemSource("/etc/codex/config.toml"), {"model": "m"}),
    Layer(
        UserSource("/w/c.toml"),
        {
            "approval_policy": {
                "granular": {"rules": True, "sandbox_approval": True, "mcp_elicitations": False}
            }
        },
    ),
    Layer(UserSource("/w/x.config.toml", "x"), {"tools": {"web_search": True}, "notify": ["a"]}),
    Layer(ProjectSource("/w/p/.codex"), {"model": "n"}, disabled="not trusted"),
    Layer(
        FlagsSource(),
        {"sandbox_workspace_write": {"writable_roots": ["/x"]}, "tui": {"theme": "x"}},
    ),
)
WRITTEN: list[msgspec.Struct] = [
    config.ConfigWriteResponse(status="ok", version="sha256:0", file_path="/w/c.toml"),
    config.ConfigWriteResponse(
        status="okOverridden",
        version="sha256:0",
        file_path="/w/c.toml",
        overridden_metadata=config.OverriddenMetadata(
            "m",
            config.ConfigLayerMetadata(
                msgspec.Raw(msgspec.json.encode(ProjectSource("/w/.codex"))), "v"
            ),
            msgspec.Raw(b"null"),
        ),
        warnings=("w",),
        copied_from="/x",
    ),
]
CONFIGS = (
    parse_config(b'model = "m"\n[model_providers.p]\nhttp_headers = {a = "b"}\n', "/w/c.toml"),
    convert(LAYERS),
)

TOOL = msgspec.Raw(b'{"name":"t","inputSchema":{"type":"object"}}')
SERVERS = (
    *[
        mcp.McpServerStatus(name="s", auth_status=auth, runtime_status=status)
        for auth, status in product(get_args(mcp.AuthStatus), get_args(mcp.ConnectionStatus))
    ],
    mcp.McpServerStatus(
        name="s",
        auth_status="oAuth",
        tools={"t": TOOL},
        resources=(msgspec.Raw(b'{"name":"n","uri":"u"}'),),
        resource_templates=(msgspec.Raw(b'{"name":"n","uriTemplate":"u"}'),),
        server_info=msgspec.Raw(b'{"name":"n","version":"1"}'),
        server_capabilities=msgspec.Raw(b"{}"),
        http_origin="http://a",
        tools_error="e",
        codexd=mcp.McpServerOwn(transport="t", model_names={"t": "mcp__s__t"}),
    ),
)

LIMITS = account.RateLimits(
    "codex",
    "Codex",
    primary=account.RateLimitWindow(13, 300, 1795226698),
    secondary=account.RateLimitWindow(0),
    credits=account.Credits(True, False, "9.5"),
    plan_type="plus",
    rate_limit_reached_type="rate_limit_reached",
)
GOAL = goals.ThreadGoal(
    thread_id="t",
    objective="o",
    status="active",
    token_budget=9,
    tokens_used=1,
    time_used_seconds=2,
    created_at=3,
    updated_at=4,
)
ANSWERS: dict[str, list[msgspec.Struct]] = {
    "thread/goal/clear": [goals.ThreadGoalClearResponse(True)],
    "thread/goal/get": [goals.ThreadGoalGetResponse(GOAL), goals.ThreadGoalGetResponse(None)],
    "thread/goal/set": [goals.ThreadGoalSetResponse(GOAL)],
    "collaborationMode/list": [
        collaboration.CollaborationModeListResponse(
            (
                collaboration.CollaborationModeMask("Plan", "plan", reasoning_effort="medium"),
                collaboration.CollaborationModeMask("Default", "default"),
            )
        )
    ],
    "initialize": [methods.InitializeResponse("codexd/0.169.0", "/w", "unix", "linux")],
    "account/read": [
        account.AccountReadResponse(None, requires_openai_auth=False),
        account.AccountReadResponse(account.ApiKeyAccount(), requires_openai_auth=True),
        *[
            account.AccountReadResponse(
                account.ChatgptAccount(email, plan),
                requires_openai_auth=True,
                user_id="user",
                codexd=account.AccountOwn(method="chatgpt"),
            )
            for email, plan in (("ann@example.org", "plus"), (None, "unknown"))
        ],
    ],
    "account/gatewayOAuth/read": [account.GatewayOAuthReadResponse("openai", "OpenAI")],
    "account/login/cancel": [
        account.AccountLoginCancelResponse("canceled"),
        account.AccountLoginCancelResponse("notFound"),
    ],
    "account/login/start": [
        account.AccountLoginStartResponse(type="apiKey"),
        account.AccountLoginStartResponse(type="chatgpt", login_id="l", auth_url="http://a"),
        account.AccountLoginStartResponse(
            type="chatgptDeviceCode", login_id="l", verification_url="http://a", user_code="A-1"
        ),
    ],
    "account/logout": [account.AccountLogoutResponse(), account.AccountLogoutResponse(True, "f")],
    "account/rateLimits/read": [
        account.AccountRateLimitsReadResponse(account.RateLimits("codex")),
        account.AccountRateLimitsReadResponse(
            LIMITS, {"codex": LIMITS}, codexd=account.RateLimitsOwn({"codex": 1})
        ),
    ],
    "account/usage/read": [account.AccountUsageReadResponse({})],
    "account/workspaceMessages/read": [account.WorkspaceMessagesReadResponse()],
    "accountSession/list": [
        account.AccountSessionsResponse(),
        account.AccountSessionsResponse(
            "s",
            (
                account.AccountSession(
                    session_id="s", last_used_at=1, workspaces=({"accountId": "a"},)
                ),
            ),
        ),
    ],
    "config/read": [
        config.ConfigReadResponse(
            msgspec.Raw(effective(read)),
            msgspec.Raw(origins(read)),
            msgspec.Raw(msgspec.json.encode(layers_shown(read.layers))),
        )
        for read in CONFIGS
    ],
    "config/value/write": WRITTEN,
    "config/batchWrite": WRITTEN,
    "experimentalFeature/list": [
        config.ExperimentalFeatureListResponse(
            (config.ExperimentalFeature("f", "beta", enabled=True, default_enabled=False),), "1"
        )
    ],
    "command/exec": [commands.CommandExecResponse(1, "out", "bad")],
    "command/exec/resize": [commands.CommandExecResizeResponse()],
    "command/exec/terminate": [commands.CommandExecTerminateResponse()],
    "command/exec/write": [commands.CommandExecWriteResponse()],
    "environment/info": [
        machine.EnvironmentInfoResponse(machine.EnvironmentShell("sh", "/bin/sh"), "file:///h")
    ],
    "environment/status": [
        machine.EnvironmentStatusResponse("ready"),
        machine.EnvironmentStatusResponse("unknown", "e"),
    ],
    "fuzzyFileSearch": [fuzzy_search.FuzzyFileSearchResponse((FOUND_FILE,))],
    "fuzzyFileSearch/sessionStart": [fuzzy_search.FuzzyFileSearchSessionStartResponse()],
    "fuzzyFileSearch/sessionStop": [fuzzy_search.FuzzyFileSearchSessionStopResponse()],
    "fuzzyFileSearch/sessionUpdate": [fuzzy_search.FuzzyFileSearchSessionUpdateResponse()],
    "modelProvider/capabilities/read": [
        machine.ModelProviderCapabilitiesReadResponse(image_generation=False, web_search=True)
    ],
    "server/diagnostics": [
        machine.ServerDiagnosticsResponse(
            machine.DiagnosedProcess(1, None), (machine.Gauge("g", 1),)
        )
    ],
    "fs/copy": [fs.FsCopyResponse()],
    "fs/createDirectory": [fs.FsCreateDirectoryResponse()],
    "fs/getMetadata": [
        fs.FsGetMetadataResponse(
            is_directory=True, is_file=False, is_symlink=True, created_at_ms=0, modified_at_ms=1
        )
    ],
    "fs/readDirectory": [
        fs.FsReadDirectoryResponse((fs.FsReadDirectoryEntry("f", False, True),)),
    ],
    "fs/readFile": [fs.FsReadFileResponse("YQ==")],
    "fs/remove": [fs.FsRemoveResponse()],
    "fs/unwatch": [fs.FsUnwatchResponse()],
    "fs/watch": [fs.FsWatchResponse("/f")],
    "fs/writeFile": [fs.FsWriteFileResponse()],
    "configRequirements/read": [config.ConfigRequirementsReadResponse()],
    "config/mcpServer/reload": [mcp.McpServerRefreshResponse()],
    "mcpServer/oauth/login": [
        mcp.McpServerOauthLoginResponse(authorization_url="http://a", login_id=login)
        for login in (None, "l")
    ],
    "mcpServer/resource/read": [
        mcp.McpResourceReadResponse(contents=(msgspec.Raw(b'{"uri":"u","text":"t"}'),))
    ],
    "mcpServer/tool/call": [
        mcp.McpServerToolCallResponse(
            content=(msgspec.Raw(b'{"type":"text"}'),),
            structured_content=structured,
            is_error=False,
        )
        for structured in (None, msgspec.Raw(b"[1]"))
    ],
    "mcpServerStatus/list": [
        mcp.ListMcpServerStatusResponse(data=SERVERS, next_cursor=cursor) for cursor in (None, "s")
    ],
    "model/list": [
        models.ModelListResponse(()),
        models.ModelListResponse(
            (
                models.Model(
                    id="m",
                    model="m",
                    display_name="M",
                    description="d",
                    supported_reasoning_efforts=(models.ReasoningEffortOption("low", "d"),),
                    default_reasoning_effort="low",
                    is_default=True,
                ),
            ),
            "1",
        ),
    ],
    "hooks/list": [inventories.HooksListResponse((inventories.HooksListEntry("/w"),))],
    "skills/list": [inventories.SkillsListResponse((inventories.SkillsListEntry("/w"),))],
    "modelProvider/list": [
        models.ModelProviderListResponse(
            (
                models.ModelProviderSummary(
                    id="openai", name="OpenAI", settings=models.OpenaiSettings()
                ),
                *[
                    models.ModelProviderSummary(
                        id="p",
                        name="P",
                        base_url="http://p/v1",
                        settings=models.GatewaySettings(auth),
                    )
                    for auth in (
                        models.NoAuth(),
                        models.VariableAuth("P_KEY"),
                        models.OtherAuth(),
                        models.OtherAuth("P_KEY"),
                    )
                ],
            ),
            "p",
        )
    ],
    "permissionProfile/list": [
        models.PermissionProfileListResponse(
            (
                models.PermissionProfileSummary(":workspace", None, allowed=True),
                models.PermissionProfileSummary("p", "d", allowed=False),
            ),
            cursor,
        )
        for cursor in (None, "2")
    ],
    "review/start": [
        turns.ReviewStartResponse(
            turns.Turn(
                id="t1",
                root_turn_id="t1",
                status="inProgress",
                items=(items.UserMessage(id=M, content=(items.TextInput("current changes"),)),),
            ),
            "t",
        )
    ],
    "thread/compact/start": [history.ThreadCompactStartResponse("t1")],
    "thread/archive": [threads.ThreadArchiveResponse()],
    "thread/backgroundTerminals/clean": [commands.ThreadBackgroundTerminalsCleanResponse()],
    "thread/backgroundTerminals/list": [
        commands.ThreadBackgroundTerminalsListResponse(
            (
                commands.BackgroundTerminal(
                    item_id="i",
                    process_id="1000",
                    command="cat",
                    cwd="/w",
                    os_pid=4711,
                    thread_id="t",
                    tty=True,
                    started_at_ms=1,
                ),
            ),
            "1",
        )
    ],
    "thread/backgroundTerminals/terminate": [
        commands.ThreadBackgroundTerminalsTerminateResponse(True)
    ],
    "thread/delete": [threads.ThreadDeleteResponse()],
    "thread/fork": settled(threads.ThreadForkResponse),
    "thread/items/read": [threads.ThreadItemsReadResponse(ENTRIES)],
    "thread/items/list": [threads.ThreadItemsListResponse(ENTRIES, None, "back")],
    "thread/inject_items": [injecting.ThreadInjectItemsResponse()],
    "thread/prepareApprovedPlan": [injecting.ThreadPrepareApprovedPlanResponse("Go.")],
    "thread/list": [
        threads.ThreadListResponse(
            tuple(a_thread(status) for status in STATUSES),
            read_states={str(number): state for number, state in enumerate(READ_STATES)},
        )
    ],
    "thread/loaded/list": [threads.ThreadLoadedListResponse(("t",))],
    "thread/name/set": [threads.ThreadSetNameResponse()],
    "thread/queue/add": [queue.ThreadQueueAddResponse(waits) for waits in WAITING],
    "thread/queue/delete": [queue.ThreadQueueDeleteResponse(deleted=True)],
    "thread/queue/list": [queue.ThreadQueueListResponse(WAITING, "c")],
    "thread/queue/reorder": [queue.ThreadQueueReorderResponse()],
    "thread/queue/start": [queue.ThreadQueueStartResponse(TURNS[0])],
    "thread/queue/update": [queue.ThreadQueueUpdateResponse(waits) for waits in WAITING],
    "thread/readState/update": [
        read_state.ThreadReadStateUpdateResponse(state) for state in READ_STATES
    ],
    "thread/read": [threads.ThreadReadResponse(a_thread(turns=(*TURNS, RAW_TURN)))],
    "thread/resume": settled(
        threads.ThreadResumeResponse, initialTurnsPage=PAGE, turnsBackwardsCursor="c"
    ),
    "thread/revert": [history.ThreadRevertResponse(a_thread(), "c", "c", 2)],
    "thread/search": [
        searching.ThreadSearchResponse(
            (
                searching.ThreadSearchResult(a_thread(), "found"),
                searching.ThreadSearchResult(
                    a_thread(),
                    "found",
                    (SearchHit(3, "prompt", "u", "i", "found", (TextRange(0, 5),)),),
                ),
            ),
            "next",
            "back",
        )
    ],
    "thread/searchOccurrences": [
        searching.ThreadSearchOccurrencesResponse(
            (searching.ThreadSearchOccurrence("i", "u", "found", TextRange(0, 5), "at-3.0"),),
            "next",
        )
    ],
    "thread/start": [
        *settled(threads.ThreadStartResponse),
        *settled(threads.ThreadStartResponse, seq=3),
    ],
    "thread/settings/update": [settings.ThreadSettingsUpdateResponse()],
    "feedback/save": [feedback.FeedbackSaveResponse("t", "/a.zip", "0f")],
    "feedback/upload": [feedback.FeedbackUploadResponse("t")],
    "mcpServer/event/stream/start": [mcp.McpServerEventStreamStartResponse()],
    "thread/shellCommand": [turns.ThreadShellCommandResponse()],
    "thread/turns/list": [threads.ThreadTurnsListResponse(TURNS, None, "back")],
    "thread/unarchive": [threads.ThreadUnarchiveResponse(a_thread())],
    "thread/unsubscribe": [threads.ThreadUnsubscribeResponse("notSubscribed")],
    "turn/interrupt": [turns.TurnInterruptResponse()],
    "turn/start": [turns.TurnStartResponse(turn) for turn in TURNS],
    "turn/steer": [turns.TurnSteerResponse("u")],
}

ITEM_AT = {"thread_id": "t", "turn_id": "u", "item_id": "i"}
USAGE = ThreadTokenUsage(TokenUsageBreakdown(10, 8, 1, 0, 2, 1), TokenUsageBreakdown())
TOLD: dict[str, list[msgspec.Struct]] = {
    "configWarning": [
        config.ConfigWarningNotification("cannot be used"),
        config.ConfigWarningNotification(
            "cannot be used",
            "d",
            "/w/c.toml",
            config.TextRange(config.TextPosition(1, 1), config.TextPosition(1, 1)),
        ),
    ],
    "fuzzyFileSearch/sessionCompleted": [
        fuzzy_search.FuzzyFileSearchSessionCompletedNotification("s")
    ],
    "fuzzyFileSearch/sessionUpdated": [
        fuzzy_search.FuzzyFileSearchSessionUpdatedNotification("s", "q", (FOUND_FILE,))
    ],
    "fs/changed": [fs.FsChangedNotification("w", ("/f",))],
    "command/exec/outputDelta": [
        commands.CommandExecOutputDeltaNotification("p", "stderr", "YQ==", True),
    ],
    "account/login/completed": [
        account.AccountLoginCompletedNotification(success=True),
        account.AccountLoginCompletedNotification(login_id="l", success=False, error="e"),
    ],
    "account/rateLimits/updated": [account.AccountRateLimitsUpdatedNotification(LIMITS)],
    "account/updated": [
        account.AccountUpdatedNotification(None),
        account.AccountUpdatedNotification("apikey"),
        *[account.AccountUpdatedNotification("chatgpt", plan) for plan in sorted(account.PLANS)],
    ],
    "error": [
        notifications.ErrorNotification(error, will_retry=True, thread_id="t", turn_id="u")
        for error in ERRORS
    ],
    "item/agentMessage/delta": [
        notifications.AgentMessageDeltaNotification(**ITEM_AT, delta="d"),
    ],
    "item/commandExecution/outputDelta": [
        notifications.CommandExecutionOutputDeltaNotification(**ITEM_AT, delta="d"),
    ],
    "item/commandExecution/terminalInteraction": [
        notifications.TerminalInteractionNotification(**ITEM_AT, process_id="1000", stdin="y\n"),
    ],
    "item/completed": [
        notifications.ItemCompletedNotification(item, "t", "u", 1) for item in ITEMS
    ],
    "thread/goal/cleared": [goals.ThreadGoalClearedNotification(thread_id="t")],
    "thread/goal/updated": [
        goals.ThreadGoalUpdatedNotification(thread_id="t", turn_id=turn, goal=GOAL)
        for turn in (None, "u")
    ],
    "item/plan/delta": [
        notifications.PlanDeltaNotification(thread_id="t", turn_id="u", item_id="i", delta="d")
    ],
    "item/reasoning/summaryPartAdded": [
        notifications.ReasoningSummaryPartAddedNotification(**ITEM_AT, summary_index=0),
    ],
    "item/reasoning/summaryTextDelta": [
        notifications.ReasoningSummaryTextDeltaNotification(**ITEM_AT, summary_index=0, delta="d"),
    ],
    "item/reasoning/textDelta": [
        notifications.ReasoningTextDeltaNotification(**ITEM_AT, content_index=0, delta="d"),
    ],
    "item/mcpToolCall/progress": [mcp.McpToolCallProgressNotification(**ITEM_AT, message="half")],
    "mcpServer/oauthLogin/completed": [
        mcp.McpServerOauthLoginCompletedNotification(name="s", success=True, login_id="l"),
        mcp.McpServerOauthLoginCompletedNotification(name="s", success=False, error="e"),
    ],
    "mcpServer/startupStatus/updated": [
        *[
            mcp.McpServerStatusUpdatedNotification(name="s", status=status)
            for status in get_args(mcp.StartupStatus)
        ],
        mcp.McpServerStatusUpdatedNotification(
            name="s", status="failed", error="e", failure_reason="reauthenticationRequired"
        ),
    ],
    "item/started": [notifications.ItemStartedNotification(item, "t", "u", 1) for item in ITEMS],
    "serverRequest/resolved": [
        notifications.ServerRequestResolvedNotification(thread_id="t", request_id=1),
        notifications.ServerRequestResolvedNotification(thread_id="t", request_id="a"),
        notifications.ServerRequestResolvedNotification(
            thread_id="t", request_id=1, codexd=DecidedBy("accept", "c:1", note="n")
        ),
    ],
    "thread/archived": [notifications.ThreadArchivedNotification(thread_id="t")],
    "thread/deleted": [notifications.ThreadDeletedNotification(thread_id="t")],
    "thread/compacted": [notifications.ContextCompactedNotification(thread_id="t", turn_id="u")],
    "thread/closed": [notifications.ThreadClosedNotification(thread_id="t")],
    "thread/name/updated": [
        notifications.ThreadNameUpdatedNotification(thread_id="t", thread_name="n"),
        notifications.ThreadNameUpdatedNotification(thread_id="t", thread_name=None),
    ],
    "thread/readState/changed": [
        read_state.ThreadReadStateChangedNotification(thread_id="t", read_state=state)
        for state in READ_STATES
    ],
    "thread/queue/changed": [notifications.ThreadQueueChangedNotification(thread_id="t")],
    "thread/reverted": [
        notifications.ThreadRevertedNotification(thread_id="t", turns=2, before_turn_id="u"),
        notifications.ThreadRevertedNotification(thread_id="t", turns=2),
    ],
    "thread/settings/updated": [
        notifications.ThreadSettingsUpdatedNotification(
            thread_id="t",
            thread_settings=notifications.ThreadSettings(
                cwd="/w",
                approval_policy="never",
                sandbox_policy=policy,
                active_permission_profile=policies.ActivePermissionProfile("p", "q"),
                model="m",
                model_provider="p",
                effort="low",
                summary="auto",
                collaboration_mode=turns.CollaborationMode("default", turns.ModeSettings("m")),
            ),
        )
        for policy in POLICIES
    ],
    "thread/started": [notifications.ThreadStartedNotification(a_thread())],
    "thread/status/changed": [
        notifications.ThreadStatusChangedNotification(thread_id="t", status=status)
        for status in STATUSES
    ],
    "thread/tokenUsage/updated": [
        notifications.ThreadTokenUsageUpdatedNotification(
            thread_id="t", turn_id="u", token_usage=USAGE
        )
    ],
    "thread/unarchived": [notifications.ThreadUnarchivedNotification(thread_id="t")],
    "turn/completed": [
        notifications.TurnCompletedNotification(thread_id="t", turn=turn) for turn in TURNS
    ],
    "turn/diff/updated": [
        notifications.TurnDiffUpdatedNotification(thread_id="t", turn_id="u", diff="@@")
    ],
    "turn/plan/updated": [
        notifications.TurnPlanUpdatedNotification(
            thread_id="t", turn_id="u", explanation=why, plan=(PlanStep("a", "inProgress"),)
        )
        for why in (None, "b")
    ],
    "turn/started": [notifications.TurnStartedNotification(thread_id="t", turn=TURNS[0])],
    "warning": [
        notifications.WarningNotification("m"),
        notifications.WarningNotification("m", "t"),
    ],
}

# Params of Codex's methods that only codexd has.
OURS = {
    "after", "idempotencyKey", "meant", "atSeq", "hits", "kinds", "withCalls", "detachChildren",
    "source", "verbosity", "modelProvider", "updateEnvironment", "start", "providerKeys", "traceparent",
    "interruptOnDisconnect",
    "refuseUnknown",
    "includedThreadIds",  # of Codex 0.171; the schemas are those of 0.169
}  # fmt: skip

EMPTY_SCHEMAS = {
    "account/bedrock/checkGovCloudRequirements": "BedrockCheckGovCloudRequirementsResponse",
    "account/bedrock/discover": "BedrockDiscoverResponse",
    "account/gatewayOAuth/cancel": "GatewayOAuthCancelResponse",
    "account/securitySetup/read": "GetAccountSecuritySetupResponse",
    "app/installed": "AppsInstalledResponse",
    "app/list": "AppsListResponse",
    "externalAgentConfig/detect": "ExternalAgentConfigDetectResponse",
    "memory/status": "MemoryStatusResponse",
    "plugin/search": "PluginSearchResponse",
    "plugin/share/list": "PluginShareListResponse",
    "project/list": "ProjectListResponse",
    "remoteControl/status/read": "RemoteControlStatusReadResponse",
    "thread/attachmentOwner/list": "ThreadAttachmentOwnerListResponse",
    "threadSection/list": "ThreadSectionListResponse",
    "mcpServer/event/stream/stop": "McpServerEventStreamStopResponse",
    "plugin/list": "PluginListResponse",
    "thread/attachment/list": "ThreadAttachmentListResponse",
    "plugin/installed": "PluginInstalledResponse",
}


def schema(name: str) -> dict[str, Any]:
    file = f"{their_name(name)}.json"
    (found,) = [found for folder in ("v2", "v1", ".") for found in (SCHEMAS / folder).glob(file)]
    loaded: dict[str, Any] = json.loads(found.read_bytes())
    return loaded


def properties_of(of: dict[str, Any]) -> set[str]:
    """The names of a schema's members; of several forms, of all."""
    forms = [*of.get("oneOf", ()), *(of["definitions"].values() if "anyOf" in of else ())]
    return set(of.get("properties", ())).union(*map(properties_of, forms))


def required_by(of: dict[str, Any]) -> set[str]:
    """The names that a schema requires; of several forms, that all require."""
    forms = [set(form.get("required", ())) for form in of.get("oneOf", ())]
    return set.intersection(*forms) if forms else set(of.get("required", ()))


def check(value: msgspec.Struct | msgspec.Raw, of: dict[str, Any]) -> None:
    # Not jsonschema.validate, which checks the schema itself as well, each time.
    jsonschema.Draft7Validator(of).validate(json.loads(msgspec.json.encode(value)))


def test_the_schemas_would_refuse_something_else() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(a_thread(), schema("TurnStartResponse"))
    with pytest.raises(jsonschema.ValidationError):
        check(
            msgspec.Raw(b'{"turn":{"id":"u","items":[],"status":"asleep"}}'),
            schema("TurnStartResponse"),
        )


def test_nothing_that_codex_has_is_left_out() -> None:
    assert ANSWERS.keys() == set(filter(is_theirs, METHODS))
    assert TOLD.keys() == set(filter(is_theirs, NOTIFICATIONS))
    assert EMPTY_SCHEMAS.keys() == set(filter(is_theirs, EMPTY_ANSWERS))


@pytest.mark.parametrize("method", sorted(ANSWERS))
def test_an_answer(method: str) -> None:
    of = schema(METHODS[method].response.__name__)
    for answer in ANSWERS[method]:
        assert isinstance(answer, METHODS[method].response)
        check(answer, of)


@pytest.mark.parametrize("method", sorted(ANSWERS))
def test_params_have_the_names_of_the_schemas(method: str) -> None:
    kind = METHODS[method].params
    if kind is methods.NoParams:
        return
    ours = {field.encode_name for field in msgspec.structs.fields(kind)}
    theirs = schema(kind.__name__)
    assert ours - properties_of(theirs) <= OURS
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    assert required <= required_by(theirs)


@pytest.mark.parametrize("method", sorted(TOLD))
def test_a_notification(method: str) -> None:
    of = schema(NOTIFICATIONS[method].__name__)
    for told in TOLD[method]:
        assert isinstance(told, NOTIFICATIONS[method])
        check(told, of)


@pytest.mark.parametrize("method", sorted(EMPTY_SCHEMAS))
def test_an_empty_answer(method: str) -> None:
    check(msgspec.Raw(EMPTY_ANSWERS[method]), schema(EMPTY_SCHEMAS[method]))


def test_a_question_about_a_command_and_its_answer() -> None:
    asked = CommandApprovalParams(thread_id="t", turn_id="u", item_id="i", started_at_ms=1)
    check(asked, schema("CommandExecutionRequestApprovalParams"))
    check(CommandApprovalResponse("accept"), schema("CommandExecutionRequestApprovalResponse"))


def test_a_question_about_a_call_and_its_answers() -> None:
    call = McpToolCall("s", "t", '{"a":1,"b":"\u202e"}', title="T")
    asks = ApprovalAsked(
        ApprovalId("u/1"), ItemId("i"), TurnId("u"), call, "why", action_hash(call), 1
    )
    asked = mcp_call_params(asks, "t")
    check(asked, schema("McpServerElicitationRequestParams"))
    sent = json.loads(msgspec.json.encode(asked))
    assert sent["_meta"]["tool_params"] == {"a": 1, "b": "\\u{202e}"}
    for form in (
        ElicitationParams(
            thread_id="t",
            turn_id=None,
            server_name="s",
            message="m",
            requested_schema=msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}'),
        ),
        ElicitationParams(
            thread_id="t",
            turn_id="u",
            server_name="s",
            mode="url",
            message="m",
            url="http://a",
            elicitation_id="e",
        ),
    ):
        check(form, schema("McpServerElicitationRequestParams"))


def test_a_question_about_a_patch_and_its_answer() -> None:
    asked = FileChangeApprovalParams(thread_id="t", turn_id="u", item_id="i", started_at_ms=1)
    check(asked, schema("FileChangeRequestApprovalParams"))
    check(CommandApprovalResponse("accept"), schema("FileChangeRequestApprovalResponse"))
