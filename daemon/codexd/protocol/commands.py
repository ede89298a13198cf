"""Params and results of `command/exec*` and `thread/backgroundTerminals/*`: commands that clients run and type into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from codexd.protocol.policies import SandboxPolicy


class TerminalSize(msgspec.Struct, frozen=True):
    """The size of a terminal, in characters."""

    rows: int
    cols: int


class CommandExecParams(msgspec.Struct, frozen=True, rename="camel"):
    """Run a program, without a thread."""

    command: tuple[str, ...]  # the program and its arguments
    cwd: str | None = None  # absolute, or from the daemon's; null: the person's home folder
    env: Mapping[str, str | None] | None = None  # beside the person's; null unsets
    timeout_ms: int | None = None
    disable_timeout: bool = False
    output_bytes_cap: int | None = None  # of each stream
    disable_output_cap: bool = False
    process_id: str | None = None  # the client's own, for the methods below
    stream_stdin: bool = False
    stream_stdout_stderr: bool = False
    tty: bool = False
    size: TerminalSize | None = None
    sandbox_policy: SandboxPolicy | None = None  # null: the configured one
    permission_profile: str | None = None


class CommandExecResponse(msgspec.Struct, frozen=True, rename="camel"):
    """It has ended; what was streamed is not repeated."""

    exit_code: int  # 124: its time was over
    stdout: str
    stderr: str


class CommandExecWriteParams(msgspec.Struct, frozen=True, rename="camel"):
    """Write to a program of `command/exec`."""

    process_id: str
    delta_base64: str | None = msgspec.field(default=None, name="deltaBase64")
    close_stdin: bool = False


class CommandExecWriteResponse(msgspec.Struct, frozen=True):
    """It was written."""


class CommandExecResizeParams(msgspec.Struct, frozen=True, rename="camel"):
    """Set the size of its terminal."""

    process_id: str
    size: TerminalSize


class CommandExecResizeResponse(msgspec.Struct, frozen=True):
    """It has the size."""


class CommandExecTerminateParams(msgspec.Struct, frozen=True, rename="camel"):
    """End it."""

    process_id: str


class CommandExecTerminateResponse(msgspec.Struct, frozen=True):
    """It is told to end."""


class CommandExecOutputDeltaNotification(msgspec.Struct, frozen=True, rename="camel"):
    """More output of a program of `command/exec`, to the connection that runs it."""

    process_id: str
    stream: Literal["stdout", "stderr"]
    delta_base64: str = msgspec.field(name="deltaBase64")
    cap_reached: bool  # the rest of the stream is not sent


class ThreadBackgroundTerminalsListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the sessions that run."""

    thread_id: str | None = None  # null, codexd only: of all threads
    cursor: str | None = None
    limit: int | None = None
    # Codexd only: with the commands that a turn waits for; they are no sessions.
    with_calls: bool = False


class BackgroundTerminal(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A session that runs."""

    item_id: str
    process_id: (
        str  # the session's id; of a person's own command p and its pid; "": its turn waits for it
    )
    command: str
    cwd: str
    os_pid: int | None = None
    # Of all that it has started: its processor time in percent of the time since its start, and its resident memory.
    cpu_percent: float | None = None
    rss_kb: int | None = None
    # codexd only
    thread_id: str
    tty: bool
    started_at_ms: int | None = None


class ThreadBackgroundTerminalsListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of them."""

    data: tuple[BackgroundTerminal, ...]
    next_cursor: str | None = None


class ThreadBackgroundTerminalsTerminateParams(msgspec.Struct, frozen=True, rename="camel"):
    """End a session."""

    thread_id: str
    process_id: str


class ThreadBackgroundTerminalsTerminateResponse(msgspec.Struct, frozen=True):
    """Whether there was one."""

    terminated: bool


class ThreadBackgroundTerminalsCleanParams(msgspec.Struct, frozen=True, rename="camel"):
    """End all sessions of a thread."""

    thread_id: str


class ThreadBackgroundTerminalsCleanResponse(msgspec.Struct, frozen=True):
    """They have ended."""


# Codex has no methods by which people type into sessions.


class ThreadBackgroundTerminalsWriteParams(msgspec.Struct, frozen=True, rename="camel"):
    """Type into a session."""

    thread_id: str
    process_id: str
    chars: str
    secret: bool = False  # what is typed is recorded nowhere, and no other client is told


class ThreadBackgroundTerminalsWriteResponse(msgspec.Struct, frozen=True):
    """It was typed."""


class ThreadBackgroundTerminalsResizeParams(msgspec.Struct, frozen=True, rename="camel"):
    """Set the size of a session's terminal."""

    thread_id: str
    process_id: str
    size: TerminalSize


class ThreadBackgroundTerminalsResizeResponse(msgspec.Struct, frozen=True):
    """It has the size."""
