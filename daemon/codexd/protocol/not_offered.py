"""Methods of Codex whose features codexd does not have: their empty answers, and why others are refused."""

from __future__ import annotations

# Encoded results of methods whose features codexd does not have: the same as in Codex where there is nothing. Params are not read.
EMPTY_ANSWERS: dict[str, bytes] = {
    "account/bedrock/checkGovCloudRequirements": b'{"isGovCloud":false,"shouldWarn":false}',
    "account/bedrock/discover": b'{"profiles":[],"environmentCredentials":[]}',
    "account/gatewayOAuth/cancel": b"{}",
    "account/securitySetup/read": b'{"notice":null}',
    "app/installed": b'{"apps":[]}',
    "app/list": b'{"data":[],"nextCursor":null}',
    "externalAgentConfig/detect": b'{"items":[],"connectors":[]}',
    "mcpServer/event/stream/stop": b"{}",
    "memory/status": b'{"v2ConsolidatedThreads":0,"v2Ready":false}',
    "plugin/list": b'{"marketplaces":[],"marketplaceLoadErrors":[],"featuredPluginIds":[]}',
    "plugin/installed": b'{"marketplaces":[],"marketplaceLoadErrors":[]}',
    "plugin/search": b'{"data":[],"nextCursor":null}',
    "plugin/share/list": b'{"data":[]}',
    "project/list": b'{"data":[],"nextCursor":null}',
    "remoteControl/status/read": (
        b'{"status":"disabled","serverName":"codexd","installationId":"","environmentId":null}'
    ),
    "thread/attachment/list": b'{"data":[],"nextCursor":null}',
    "thread/attachmentOwner/list": b'{"data":[],"nextCursor":null}',
    "thread/realtime/list": (
        b'{"data":[],"nextCursor":null,"snapshotEnd":0,"projectedThroughItemIndex":0,"coverage":"ready"}'
    ),
    "threadSection/list": b'{"data":[],"nextCursor":null}',
}


# Methods for what codexd cannot have: why they are refused, in Codex's words where it refuses them too.
REFUSALS: dict[str, str] = {
    "skills/config/write": "codexd reads no skills: there is none to enable; nothing was done",
    "skills/extraRoots/set": "codexd reads no skills; nothing was done",
    "turn/settings/update": "turn settings updates require the step_model_switching feature",
    "account/bedrock/setup": "codexd has no logins for Amazon Bedrock; nothing was done",
    "account/gatewayOAuth/login": "The selected provider does not use gateway OAuth",
    "account/gcp/setup": "codexd has no logins for Google Cloud; nothing was done",
    "account/rateLimitResetCredit/consume": "codexd consumes no reset credits; nothing was done",
    "account/sendAddCreditsNudgeEmail": "codexd sends no mail to the owner of a workspace; nothing was done",
    "accountSession/switch": "codexd has one login at a time: log out, then log in; nothing was done",
}
