"""What an editor sends: the params of its requests, as far as they are read; and the errors that it gets.

Source: the schema of the Agent Client Protocol, version 1 (tag schema-v1.19.0). A tolerant reader: unknown members and
kinds of content pass, so that a newer editor works.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from codexd.protocol.wire.rpc import INTERNAL_ERROR, INVALID_PARAMS
from codexd_frontends.client.errors import CommandError, RequestRefused

PROTOCOL_VERSION: Final = 1
# Of the protocol, beside those of JSON-RPC.
AUTH_REQUIRED: Final = -32000
NOT_FOUND: Final = -32002

P = TypeVar("P", bound=msgspec.Struct)

Update = dict[str, Any]  # one `update` of session/update


class Declined(Exception):
    """A request is answered with an error. `reason` is a stable word for programs."""

    def __init__(self, code: int, message: str, reason: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class _Params(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    pass


class NoParams(_Params, frozen=True, kw_only=True):
    """Nothing."""


class TerminalCapability(msgspec.Struct, frozen=True):
    """Extensions in `_meta`: the editor shows a terminal that is fed by `_meta.terminal_output` of updates."""

    terminal_output: bool = False


class ElicitationCapability(msgspec.Struct, frozen=True):
    """Which questions with fields the editor shows; None: it shows none of that kind."""

    form: Any = None
    url: Any = None


class ClientCapabilities(_Params, frozen=True, kw_only=True):
    """What the editor can do, as far as it changes what it is sent."""

    elicitation: ElicitationCapability | None = None
    meta: TerminalCapability | None = msgspec.field(default=None, name="_meta")


class InitializeParams(_Params, frozen=True, kw_only=True):
    """Begin a connection."""

    # The protocol counts whole numbers; an early draft had dates.
    protocol_version: int | str
    client_capabilities: ClientCapabilities | None = None


class AuthenticateParams(_Params, frozen=True, kw_only=True):
    """Log in by one of the methods that were offered."""

    method_id: str


class NamedServer(_Params, frozen=True, kw_only=True):
    """An MCP server of the editor's, of any transport."""

    name: str


class OpenParams(_Params, frozen=True, kw_only=True):
    """session/new, and what session/load, session/resume and session/fork have in common with it."""

    cwd: str
    mcp_servers: tuple[NamedServer, ...] | None = None
    additional_directories: tuple[str, ...] | None = None


class SessionParams(_Params, frozen=True, kw_only=True):
    """Any request about one session."""

    session_id: str


class OpenSessionParams(OpenParams, frozen=True, kw_only=True):
    """session/load, session/resume, session/fork."""

    session_id: str


class ListParams(_Params, frozen=True, kw_only=True):
    """session/list."""

    cwd: str | None = None
    cursor: str | None = None


class PromptParams(SessionParams, frozen=True, kw_only=True):
    """session/prompt."""

    prompt: tuple[Block, ...]


class ModeParams(SessionParams, frozen=True, kw_only=True):
    """session/set_mode."""

    mode_id: str


class ModelParams(SessionParams, frozen=True, kw_only=True):
    """session/set_model, which older editors send."""

    model_id: str


class OptionParams(SessionParams, frozen=True, kw_only=True):
    """session/set_config_option."""

    config_id: str
    value: str


class CancelRequestParams(_Params, frozen=True, kw_only=True):
    """$/cancel_request."""

    request_id: int | str | None = None


class Resource(_Params, frozen=True, kw_only=True):
    """What an embedded resource holds: text, or bytes in base64."""

    uri: str
    text: str | None = None
    blob: str | None = None
    mime_type: str | None = None


class Block(_Params, frozen=True, kw_only=True):
    """A part of a prompt, of any kind: members that its kind does not have keep their defaults."""

    type: str
    text: str = ""
    data: str = ""  # image: base64
    mime_type: str | None = None
    uri: str | None = None
    name: str = ""  # resource_link
    resource: Resource | None = None


class Outcome(_Params, frozen=True, kw_only=True):
    """Which option the person picked; none where the question was cancelled."""

    outcome: str
    option_id: str | None = None


class PermissionAnswer(_Params, frozen=True, kw_only=True):
    """The result of session/request_permission."""

    outcome: Outcome


class ElicitationAnswer(_Params, frozen=True, kw_only=True):
    """The result of elicitation/create."""

    action: str
    content: dict[str, Any] | None = None


def read_params(params: Raw, kind: type[P]) -> P:
    """The params of a request. Raises: Declined."""
    try:
        return msgspec.json.decode(bytes(params) or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Declined(INVALID_PARAMS, f"unreadable params: {error}", "invalid_params") from error


def declined(trouble: CommandError) -> Declined:
    """The error for the editor where the daemon refused something, or could not be asked."""
    if not isinstance(trouble, RequestRefused):
        return Declined(INTERNAL_ERROR, str(trouble), "daemon_unavailable")
    reason = trouble.reason or "refused"
    if reason in ("thread_not_found", "invalid_thread_id"):
        return Declined(NOT_FOUND, str(trouble), reason)
    code = INVALID_PARAMS if trouble.code == INVALID_PARAMS else INTERNAL_ERROR
    return Declined(code, str(trouble), reason)
