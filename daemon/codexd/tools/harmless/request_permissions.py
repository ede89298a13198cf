"""The tool `request_permissions`: the model asks a person to let its commands write in more folders, or use the network.

    PermissionsTool.read_call(arguments)  ->  AskPermissions   (pure)

The answer is a person's; nothing is performed. Before the question links are resolved, so that a person is shown the
folders that would be opened.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.state.state import ThreadState
from codexd.core.values.enforced import enforced_policy, is_confined
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import (
    AskPermissions,
    BadCall,
    Permissions,
    ToolAction,
    ToolResult,
)
from codexd.machine.patience import NoAnswer, patiently
from codexd.tools.registry import ENVIRONMENT, CallContext, OutputSink, read_arguments

TOOL_NAME: Final = "request_permissions"
FOLDERS_MAX: Final = 16  # a person reads them before an answer
FOLDER_BYTES_MAX: Final = 4096  # no system call takes a longer path
REASON_CHARACTERS_MAX: Final = 1000  # a paragraph; a question shows one line of it


class _Network(msgspec.Struct, frozen=True):
    enabled: bool | None = None


class _FileSystem(msgspec.Struct, frozen=True):
    # Commands in a sandbox may read everything, so `read` asks for nothing.
    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None


class _Asked(msgspec.Struct, frozen=True):
    network: _Network | None = None
    file_system: _FileSystem | None = None


class _Arguments(msgspec.Struct, frozen=True):
    """The model's arguments; unknown members are ignored."""

    permissions: _Asked
    reason: str | None = None


_FOLDERS: Final = {"type": "array", "items": {"type": "string"}}
DECLARATION: Final = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Asks the user to let commands do more than their sandbox allows, and waits for the answer, which "
        "may grant a part of it. What is granted holds for later commands of this turn, or of the conversation if the "
        "user says so.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "Why it is needed, in one sentence."},
                "permissions": {
                    "type": "object",
                    "properties": {
                        "network": {
                            "type": "object",
                            "properties": {"enabled": {"type": "boolean"}},
                            "additionalProperties": False,
                        },
                        "file_system": {
                            "type": "object",
                            "properties": {
                                "read": {
                                    **_FOLDERS,
                                    "description": "Everything can be read already.",
                                },
                                "write": {
                                    **_FOLDERS,
                                    "description": "Folders to write in; absolute, or from the working directory.",
                                },
                            },
                            "additionalProperties": False,
                        },
                    },
                    "additionalProperties": False,
                },
            },
            "required": ["permissions"],
            "additionalProperties": False,
        },
    }
)


class PermissionsTool:
    """The tool."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT, "request_permissions_tool"})

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered where a sandbox holds commands, and a person may be asked."""
        settings = thread.in_force
        if settings is None or not is_confined(settings) or enforced_policy(settings) == "never":
            return None
        return DECLARATION

    def read_call(self, arguments: str, context: CallContext) -> AskPermissions | BadCall:
        asked = read_arguments(arguments, _Arguments, _bad)
        if isinstance(asked, BadCall):
            return asked
        network, files = asked.permissions.network, asked.permissions.file_system
        folders = (files.write or ()) if files is not None else ()
        wants_network = network is not None and bool(network.enabled)
        if not wants_network and not folders and not (files is not None and files.read):
            return _bad("they ask for nothing")
        if len(folders) > FOLDERS_MAX:
            return _bad(f"`write` has at most {FOLDERS_MAX} folders, found {len(folders)}")
        if any(
            not folder.strip() or "\0" in folder or len(os.fsencode(folder)) > FOLDER_BYTES_MAX
            for folder in folders
        ):
            return _bad("`write` must have paths of folders")
        return AskPermissions(
            Permissions(wants_network, tuple(_whole(folder, context.cwd) for folder in folders)),
            context.cwd,
            (asked.reason or "").strip()[:REASON_CHARACTERS_MAX] or None,
        )

    async def prepare(self, action: ToolAction, earlier: Sequence[ToolAction] = ()) -> ToolAction:
        """The folders that the links lead to."""
        assert isinstance(action, AskPermissions)
        folders = action.permissions.write

        def resolved() -> tuple[str, ...]:
            return tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders))

        try:
            real = await patiently(TOOL_NAME, resolved) if folders else ()
        except NoAnswer as error:
            return _bad(f"the folders cannot be looked at: {error.strerror}")
        return replace(action, permissions=replace(action.permissions, write=real))

    async def perform(
        self, action: AskPermissions, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        raise AssertionError("the answer of a person is its result")


def _whole(folder: str, cwd: str) -> str:
    return str(PurePosixPath(cwd, folder))


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"The arguments of {TOOL_NAME} could not be used: {reason}. Nothing was asked. Expected a JSON object "
        'such as {"permissions": {"file_system": {"write": ["/tmp/x"]}}}.'
    )
