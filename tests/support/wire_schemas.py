"""Codex's JSON schemas, where they are installed, for what went over a real wire."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types, and its stubs are a package more

from codexd.protocol.methods import METHODS
from codexd.protocol.notifications import NOTIFICATIONS
from installed_codex import VERSIONS, Version

# Where Codex's name for a type is not ours.
_RENAMED = {
    "AccountLoginCancel": "CancelLoginAccount",
    "AccountLoginStart": "LoginAccount",
    "AccountLogout": "LogoutAccount",
    "AccountRateLimitsReadParams": "NullableGetAccountRateLimitsParams",
    "AccountRateLimitsRead": "GetAccountRateLimits",
    "AccountRead": "GetAccount",
    "AccountUsageRead": "GetAccountTokenUsage",
    "WorkspaceMessagesRead": "GetWorkspaceMessages",
}


def their_name(ours: str) -> str:
    """Codex's name for a type of ours."""
    for begins, theirs in _RENAMED.items():
        ours = ours.replace(begins, theirs)
    return ours


def is_theirs(method: str) -> bool:
    """Whether the version of Codex that codexd is compatible with has the method, of a request or a notification."""
    return method in branches(VERSIONS[0])


@functools.cache
def branches(version: Version) -> dict[str, dict[str, Any]]:
    """The methods of a version of Codex: the members of a message of each."""
    found: dict[str, dict[str, Any]] = {}
    for union in ("ClientRequest", "ServerRequest", "ServerNotification"):
        schema = json.loads((version.schemas / f"{union}.json").read_bytes())
        for branch in schema["oneOf"]:
            found[branch["properties"]["method"]["enum"][0]] = branch["properties"]
    return found


def check_answer(method: str, result: dict[str, Any]) -> None:
    """Raises: jsonschema.ValidationError."""
    _check(METHODS[method].response.__name__, result)


def check_told(method: str, params: dict[str, Any]) -> None:
    """Raises: jsonschema.ValidationError."""
    _check(NOTIFICATIONS[method].__name__, params)


def check_asked(params: dict[str, Any]) -> None:
    """Raises: jsonschema.ValidationError."""
    _check("CommandExecutionRequestApprovalParams", params)


def check_permissions_asked(params: dict[str, Any]) -> None:
    """Raises: jsonschema.ValidationError."""
    _check("PermissionsRequestApprovalParams", params)


def check_user_input_asked(params: dict[str, Any]) -> None:
    """Raises: jsonschema.ValidationError."""
    _check("ToolRequestUserInputParams", params)


def check_tool_call_asked(params: dict[str, Any]) -> None:
    """Check that the params of `item/tool/call` fit."""
    _check("DynamicToolCallParams", params)


def _check(name: str, value: dict[str, Any]) -> None:
    name = their_name(name)
    validators = [_validator(version, name) for version in VERSIONS]
    assert any(validators), f"expected a schema {name}, found none"
    for validator in filter(None, validators):
        validator.validate(value)


@functools.cache
def _validator(version: Version, name: str) -> Any:
    """None where a version has no such schema."""
    parts = ("v2", "v1", ".")
    for path in (version.schemas / part / f"{name}.json" for part in parts):
        if path.is_file():
            return jsonschema.Draft7Validator(json.loads(path.read_bytes()))
    return None
