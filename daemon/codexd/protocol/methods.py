"""The table of methods that a client may call, and how their params are decoded.

Law: the daemon answers only the methods of this table. Methods for features that codexd does not have are
answered with an empty result from `not_offered.EMPTY_ANSWERS`; any other name is unknown.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from codexd.protocol import account as a
from codexd.protocol import (
    clients,
    fs,
    fuzzy_search,
    injecting,
    machine,
    mcp,
    models,
    queue,
    read_state,
    rules,
    settings,
    transfer,
    turns,
)
from codexd.protocol import codexd_methods as c
from codexd.protocol import collaboration as b
from codexd.protocol import commands as p
from codexd.protocol import config as g
from codexd.protocol import doctor as d
from codexd.protocol import feedback as f
from codexd.protocol import goals as w
from codexd.protocol import history as h
from codexd.protocol import hooks as k
from codexd.protocol import inventories as i
from codexd.protocol import older_names as o
from codexd.protocol import searching as s
from codexd.protocol import threads as t
from codexd.protocol import usage as u
from codexd.protocol.not_offered import EMPTY_ANSWERS
from codexd.protocol.wire.complaints import complaint
from codexd.protocol.wire.rpc import invalid_params

Params = TypeVar("Params", bound=msgspec.Struct)


class NoParams(msgspec.Struct, frozen=True):
    """No params."""


class ClientInfo(msgspec.Struct, frozen=True):
    """The client's name and version."""

    name: str
    version: str = ""
    title: str | None = None


class CodexdCapabilities(msgspec.Struct, frozen=True):
    """Extensions of Codex's protocol that a client wants."""

    cursor: bool = False  # `seq` on notifications, `offset` on deltas, `after` in thread/resume
    observer: bool = False  # it is never asked, and answers nothing
    clients: bool = False  # `thread/clients/changed`, for the threads that it is attached to
    stopping: bool = False  # `daemon/stopping`


class Capabilities(msgspec.Struct, frozen=True, rename="camel"):
    """The capabilities and options of a client."""

    experimental_api: bool | None = False
    opt_out_notification_methods: tuple[str, ...] | None = None  # exact names
    codexd: CodexdCapabilities | None = None


class InitializeParams(msgspec.Struct, frozen=True, rename="camel"):
    """Begin a connection."""

    client_info: ClientInfo
    capabilities: Capabilities | None = None


class InitializeOwn(msgspec.Struct, frozen=True, rename="camel"):
    """More of the daemon, for clients that asked for extensions."""

    key_variables: tuple[
        str, ...
    ] = ()  # the variables that `providerKeys` of `turn/start` may have


class InitializeResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The daemon. Clients expect `name/X.Y.Z` in the user agent: the SDK reads the version from it."""

    user_agent: str
    codex_home: str
    platform_family: str
    platform_os: str
    codexd: InitializeOwn | msgspec.UnsetType = msgspec.UNSET


class Method(msgspec.Struct, frozen=True):
    """The params and the result of a method."""

    params: type[msgspec.Struct]
    response: type[msgspec.Struct]
    needs_initialize: bool = True
    looks: bool = False  # read-only: it changes neither a thread nor what the connection follows
    large: bool = False  # its answer grows with the thread


METHODS: dict[str, Method] = {
    "initialize": Method(InitializeParams, InitializeResponse, needs_initialize=False),
    "account/gatewayOAuth/read": Method(NoParams, a.GatewayOAuthReadResponse, looks=True),
    "account/login/cancel": Method(a.AccountLoginCancelParams, a.AccountLoginCancelResponse),
    "account/login/start": Method(a.AccountLoginStartParams, a.AccountLoginStartResponse),
    "account/logout": Method(NoParams, a.AccountLogoutResponse),
    "account/rateLimits/read": Method(
        a.AccountRateLimitsReadParams, a.AccountRateLimitsReadResponse, looks=True
    ),
    "account/read": Method(a.AccountReadParams, a.AccountReadResponse, looks=True),
    "account/usage/read": Method(NoParams, a.AccountUsageReadResponse, looks=True),
    "account/workspaceMessages/read": Method(NoParams, a.WorkspaceMessagesReadResponse, looks=True),
    "accountSession/list": Method(NoParams, a.AccountSessionsResponse, looks=True),
    "collaborationMode/list": Method(
        b.CollaborationModeListParams, b.CollaborationModeListResponse, looks=True
    ),
    "command/exec": Method(p.CommandExecParams, p.CommandExecResponse),
    "command/exec/resize": Method(p.CommandExecResizeParams, p.CommandExecResizeResponse),
    "command/exec/terminate": Method(p.CommandExecTerminateParams, p.CommandExecTerminateResponse),
    "command/exec/write": Method(p.CommandExecWriteParams, p.CommandExecWriteResponse),
    "config/read": Method(g.ConfigReadParams, g.ConfigReadResponse, looks=True),
    "configRequirements/read": Method(NoParams, g.ConfigRequirementsReadResponse, looks=True),
    "config/value/write": Method(g.ConfigValueWriteParams, g.ConfigWriteResponse),
    "config/batchWrite": Method(g.ConfigBatchWriteParams, g.ConfigWriteResponse),
    "config/explain": Method(g.ConfigExplainParams, g.ConfigExplainResponse, looks=True),
    "config/file/read": Method(NoParams, g.ConfigFileReadResponse, looks=True),
    "config/file/write": Method(g.ConfigFileWriteParams, g.ConfigWriteResponse),
    "experimentalFeature/list": Method(
        g.ExperimentalFeatureListParams, g.ExperimentalFeatureListResponse, looks=True
    ),
    "environment/info": Method(
        machine.EnvironmentInfoParams, machine.EnvironmentInfoResponse, looks=True
    ),
    "environment/status": Method(
        machine.EnvironmentStatusParams, machine.EnvironmentStatusResponse, looks=True
    ),
    "fs/copy": Method(fs.FsCopyParams, fs.FsCopyResponse),
    "fs/createDirectory": Method(fs.FsCreateDirectoryParams, fs.FsCreateDirectoryResponse),
    "fs/getMetadata": Method(fs.FsGetMetadataParams, fs.FsGetMetadataResponse, looks=True),
    "fs/readDirectory": Method(fs.FsReadDirectoryParams, fs.FsReadDirectoryResponse, looks=True),
    "fs/readFile": Method(fs.FsReadFileParams, fs.FsReadFileResponse, looks=True, large=True),
    "fs/remove": Method(fs.FsRemoveParams, fs.FsRemoveResponse),
    "fs/unwatch": Method(fs.FsUnwatchParams, fs.FsUnwatchResponse),
    "fs/watch": Method(fs.FsWatchParams, fs.FsWatchResponse),
    "fs/writeFile": Method(fs.FsWriteFileParams, fs.FsWriteFileResponse),
    "fuzzyFileSearch": Method(
        fuzzy_search.FuzzyFileSearchParams, fuzzy_search.FuzzyFileSearchResponse, looks=True
    ),
    "fuzzyFileSearch/sessionStart": Method(
        fuzzy_search.FuzzyFileSearchSessionStartParams,
        fuzzy_search.FuzzyFileSearchSessionStartResponse,
    ),
    "fuzzyFileSearch/sessionStop": Method(
        fuzzy_search.FuzzyFileSearchSessionStopParams,
        fuzzy_search.FuzzyFileSearchSessionStopResponse,
    ),
    "fuzzyFileSearch/sessionUpdate": Method(
        fuzzy_search.FuzzyFileSearchSessionUpdateParams,
        fuzzy_search.FuzzyFileSearchSessionUpdateResponse,
    ),
    "hooks/list": Method(i.HooksListParams, i.HooksListResponse, looks=True),
    "skills/list": Method(i.SkillsListParams, i.SkillsListResponse, looks=True),
    "hook/add": Method(k.HookAddParams, k.HookAddResponse),
    "hook/list": Method(k.HookListParams, k.HookListResponse, looks=True),
    "hook/receipts": Method(k.HookReceiptsParams, k.HookReceiptsResponse, looks=True),
    "hook/remove": Method(k.HookNameParams, k.HookRemoveResponse),
    "hook/retry": Method(k.HookNameParams, k.HookRetryResponse),
    "item/output/read": Method(
        c.ItemOutputReadParams, c.ItemOutputReadResponse, looks=True, large=True
    ),
    "config/mcpServer/reload": Method(NoParams, mcp.McpServerRefreshResponse),
    "mcpServer/config/add": Method(mcp.McpServerConfigAddParams, mcp.McpServerConfigResponse),
    "mcpServer/config/remove": Method(mcp.McpServerConfigRemoveParams, mcp.McpServerConfigResponse),
    "mcpServer/event/stream/start": Method(
        mcp.McpServerEventStreamStartParams, mcp.McpServerEventStreamStartResponse
    ),
    "mcpServer/oauth/login": Method(mcp.McpServerOauthLoginParams, mcp.McpServerOauthLoginResponse),
    "mcpServer/oauth/logout": Method(
        mcp.McpServerOauthLogoutParams, mcp.McpServerOauthLogoutResponse
    ),
    "mcpServer/resource/read": Method(
        mcp.McpResourceReadParams, mcp.McpResourceReadResponse, looks=True, large=True
    ),
    "mcpServer/tool/call": Method(
        mcp.McpServerToolCallParams, mcp.McpServerToolCallResponse, looks=True, large=True
    ),
    "mcpServerStatus/list": Method(
        mcp.ListMcpServerStatusParams, mcp.ListMcpServerStatusResponse, looks=True, large=True
    ),
    "model/list": Method(models.ModelListParams, models.ModelListResponse, looks=True),
    "modelProvider/capabilities/read": Method(
        NoParams, machine.ModelProviderCapabilitiesReadResponse, looks=True
    ),
    "modelProvider/default/set": Method(
        models.ModelProviderDefaultSetParams, g.ConfigWriteResponse
    ),
    "modelProvider/list": Method(NoParams, models.ModelProviderListResponse, looks=True),
    "permissionProfile/list": Method(
        models.PermissionProfileListParams, models.PermissionProfileListResponse, looks=True
    ),
    "policy/check": Method(rules.PolicyCheckParams, rules.PolicyCheckResponse, looks=True),
    "policy/list": Method(rules.PolicyListParams, rules.PolicyListResponse, looks=True),
    "policy/revoke": Method(rules.PolicyRevokeParams, rules.PolicyRevokeResponse),
    "provider/findLocal": Method(
        c.ProviderFindLocalParams, c.ProviderFindLocalResponse, looks=True
    ),
    "review/start": Method(turns.ReviewStartParams, turns.ReviewStartResponse),
    "server/diagnostics": Method(NoParams, machine.ServerDiagnosticsResponse, looks=True),
    "server/doctor": Method(d.ServerDoctorParams, d.ServerDoctorResponse, looks=True),
    "server/restart": Method(c.ServerRestartParams, c.ServerRestartResponse),
    "server/status": Method(NoParams, c.ServerStatusResponse, looks=True),
    "store/blobs/sweep": Method(NoParams, c.StoreBlobsSweepResponse),
    "store/blobs/verify": Method(c.StoreBlobsVerifyParams, c.StoreBlobsVerifyResponse, looks=True),
    "store/streams": Method(c.StoreStreamsParams, c.StoreStreamsResponse, looks=True),
    "thread/archive": Method(t.ThreadArchiveParams, t.ThreadArchiveResponse),
    "thread/backgroundTerminals/clean": Method(
        p.ThreadBackgroundTerminalsCleanParams, p.ThreadBackgroundTerminalsCleanResponse
    ),
    "thread/backgroundTerminals/list": Method(
        p.ThreadBackgroundTerminalsListParams, p.ThreadBackgroundTerminalsListResponse, looks=True
    ),
    "thread/backgroundTerminals/resize": Method(
        p.ThreadBackgroundTerminalsResizeParams,
        p.ThreadBackgroundTerminalsResizeResponse,
    ),
    "thread/backgroundTerminals/terminate": Method(
        p.ThreadBackgroundTerminalsTerminateParams, p.ThreadBackgroundTerminalsTerminateResponse
    ),
    "thread/backgroundTerminals/write": Method(
        p.ThreadBackgroundTerminalsWriteParams,
        p.ThreadBackgroundTerminalsWriteResponse,
    ),
    "thread/clients": Method(
        clients.ThreadClientsParams, clients.ThreadClientsResponse, looks=True
    ),
    "thread/compact/preview": Method(
        h.ThreadCompactPreviewParams, c.ThreadCompactPreviewResponse, looks=True
    ),
    "thread/compact/start": Method(h.ThreadCompactStartParams, h.ThreadCompactStartResponse),
    "thread/compact/undo": Method(h.ThreadCompactUndoParams, c.ThreadCompactUndoResponse),
    "thread/delete": Method(t.ThreadDeleteParams, t.ThreadDeleteResponse),
    "feedback/save": Method(f.FeedbackSaveParams, f.FeedbackSaveResponse, looks=True),
    "feedback/upload": Method(f.FeedbackUploadParams, f.FeedbackUploadResponse, looks=True),
    "thread/export": Method(transfer.ThreadExportParams, transfer.ThreadExportResponse, looks=True),
    "thread/goal/clear": Method(w.ThreadGoalClearParams, w.ThreadGoalClearResponse),
    "thread/goal/get": Method(w.ThreadGoalGetParams, w.ThreadGoalGetResponse, looks=True),
    "thread/goal/set": Method(w.ThreadGoalSetParams, w.ThreadGoalSetResponse),
    "thread/fork": Method(t.ThreadForkParams, t.ThreadForkResponse, large=True),
    "thread/inject_items": Method(
        injecting.ThreadInjectItemsParams, injecting.ThreadInjectItemsResponse
    ),
    "thread/import": Method(transfer.ThreadImportParams, transfer.ThreadImportResponse),
    "thread/items/list": Method(
        t.ThreadItemsListParams, t.ThreadItemsListResponse, looks=True, large=True
    ),
    "thread/items/read": Method(
        t.ThreadItemsReadParams, t.ThreadItemsReadResponse, looks=True, large=True
    ),
    "thread/list": Method(t.ThreadListParams, t.ThreadListResponse, looks=True),
    "thread/loaded/list": Method(t.ThreadLoadedListParams, t.ThreadLoadedListResponse, looks=True),
    "thread/log/read": Method(
        c.ThreadLogReadParams, c.ThreadLogReadResponse, looks=True, large=True
    ),
    "thread/name/set": Method(t.ThreadSetNameParams, t.ThreadSetNameResponse),
    "thread/pin/add": Method(h.ThreadPinParams, c.ThreadPinsResponse),
    "thread/pin/list": Method(h.ThreadPinListParams, c.ThreadPinsResponse, looks=True),
    "thread/pin/remove": Method(h.ThreadPinParams, c.ThreadPinsResponse),
    "thread/queue/add": Method(queue.ThreadQueueAddParams, queue.ThreadQueueAddResponse),
    "thread/queue/delete": Method(queue.ThreadQueueDeleteParams, queue.ThreadQueueDeleteResponse),
    "thread/queue/list": Method(
        queue.ThreadQueueListParams, queue.ThreadQueueListResponse, looks=True
    ),
    "thread/queue/reorder": Method(
        queue.ThreadQueueReorderParams, queue.ThreadQueueReorderResponse
    ),
    "thread/queue/start": Method(queue.ThreadQueueStartParams, queue.ThreadQueueStartResponse),
    "thread/queue/update": Method(queue.ThreadQueueUpdateParams, queue.ThreadQueueUpdateResponse),
    "thread/readState/update": Method(
        read_state.ThreadReadStateUpdateParams, read_state.ThreadReadStateUpdateResponse
    ),
    "thread/prepareApprovedPlan": Method(
        injecting.ThreadPrepareApprovedPlanParams, injecting.ThreadPrepareApprovedPlanResponse
    ),
    "thread/read": Method(t.ThreadReadParams, t.ThreadReadResponse, looks=True, large=True),
    "thread/resume": Method(t.ThreadResumeParams, t.ThreadResumeResponse, large=True),
    "thread/search": Method(s.ThreadSearchParams, s.ThreadSearchResponse, looks=True),
    "thread/search/cancel": Method(
        s.ThreadSearchCancelParams, s.ThreadSearchCancelResponse, looks=True
    ),
    "thread/search/stream": Method(s.ThreadSearchStreamParams, s.ThreadSearchResponse, looks=True),
    "thread/search/stream/cancel": Method(
        s.ThreadSearchCancelParams, s.ThreadSearchCancelResponse, looks=True
    ),
    "thread/searchOccurrences": Method(
        s.ThreadSearchOccurrencesParams, s.ThreadSearchOccurrencesResponse, looks=True
    ),
    "thread/revert": Method(h.ThreadRevertParams, h.ThreadRevertResponse),
    "thread/revert/undo": Method(h.ThreadRevertUndoParams, h.ThreadRevertUndoResponse),
    "thread/scrub": Method(c.ThreadScrubParams, c.ThreadScrubResponse),
    "thread/settings/update": Method(
        settings.ThreadSettingsUpdateParams, settings.ThreadSettingsUpdateResponse
    ),
    "thread/shellCommand": Method(turns.ThreadShellCommandParams, turns.ThreadShellCommandResponse),
    "thread/start": Method(t.ThreadStartParams, t.ThreadStartResponse),
    "thread/turns/list": Method(
        t.ThreadTurnsListParams, t.ThreadTurnsListResponse, looks=True, large=True
    ),
    "thread/unarchive": Method(t.ThreadUnarchiveParams, t.ThreadUnarchiveResponse),
    "thread/unsubscribe": Method(t.ThreadUnsubscribeParams, t.ThreadUnsubscribeResponse),
    "thread/usage/list": Method(u.ThreadUsageListParams, u.ThreadUsageListResponse, looks=True),
    "thread/usage/read": Method(u.ThreadUsageReadParams, u.ThreadUsageReadResponse, looks=True),
    "thread/verify": Method(c.ThreadVerifyParams, c.ThreadVerifyResponse, looks=True),
    "turn/interrupt": Method(turns.TurnInterruptParams, turns.TurnInterruptResponse),
    "turn/start": Method(turns.TurnStartParams, turns.TurnStartResponse),
    "turn/steer": Method(turns.TurnSteerParams, turns.TurnSteerResponse),
    # The names of before `thread/*` and `turn/*`.
    "addConversationListener": Method(
        o.AddConversationListenerParams, o.AddConversationListenerResponse
    ),
    "archiveConversation": Method(o.ArchiveConversationParams, o.Done),
    "getAuthStatus": Method(o.GetAuthStatusParams, o.GetAuthStatusResponse),
    "getConversationSummary": Method(
        o.GetConversationSummaryParams, o.GetConversationSummaryResponse, looks=True
    ),
    "getUserSavedConfig": Method(NoParams, o.GetUserSavedConfigResponse, looks=True),
    "gitDiffToRemote": Method(
        o.GitDiffToRemoteParams, o.GitDiffToRemoteResponse, looks=True, large=True
    ),
    "interruptConversation": Method(o.InterruptConversationParams, o.InterruptConversationResponse),
    "listConversations": Method(o.ListConversationsParams, o.ListConversationsResponse, looks=True),
    "loginApiKey": Method(o.LoginApiKeyParams, o.Done),
    "logoutChatGpt": Method(NoParams, o.Done),
    "newConversation": Method(o.NewConversationParams, o.NewConversationResponse),
    "removeConversationListener": Method(o.RemoveConversationListenerParams, o.Done),
    "resumeConversation": Method(
        o.ResumeConversationParams, o.ResumeConversationResponse, large=True
    ),
    "sendUserMessage": Method(o.SendUserMessageParams, o.Done),
    "sendUserTurn": Method(o.SendUserTurnParams, o.Done),
    "setDefaultModel": Method(o.SetDefaultModelParams, o.Done),
    "userInfo": Method(NoParams, o.UserInfoResponse, looks=True),
}


def known_methods() -> tuple[str, ...]:
    """The names of all methods, for the error about an unknown one."""
    return (*METHODS, *EMPTY_ANSWERS)


def read_params(method: str, kind: type[Params], params: msgspec.Raw) -> Params:
    """The params of a request; missing ones and null count as none given.

    Raises:
        RpcError: a member is missing or of the wrong type; says which.
    """
    encoded = bytes(params)
    if encoded in (b"", b"null"):
        encoded = b"{}"
    try:
        return msgspec.json.decode(encoded, type=kind)
    except msgspec.ValidationError as error:
        raise invalid_params(f"{method}: {complaint(error, kind)}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # The message was valid JSON, so a string or the depth is invalid only for this type.
        raise invalid_params(f"{method}: {error}") from error
