"""The params and results of methods about the daemon's process and machine: `server/diagnostics`, `environment/*`."""

from __future__ import annotations

from typing import Literal

import msgspec


class DiagnosedProcess(msgspec.Struct, frozen=True, rename="camel"):
    """The daemon's process."""

    id: int
    resident_memory_bytes: int | None  # null where the system does not tell
    physical_footprint_bytes: int | None = None  # codexd does not measure it


class Gauge(msgspec.Struct, frozen=True):
    """A figure of the daemon as it is now."""

    name: str
    value: int


class ServerDiagnosticsResponse(msgspec.Struct, frozen=True):
    """The daemon's process, and how busy it is."""

    process: DiagnosedProcess
    gauges: tuple[Gauge, ...]


class EnvironmentInfoParams(msgspec.Struct, frozen=True, rename="camel"):
    """Ask about a place where commands run; codexd has only `local`."""

    environment_id: str


class EnvironmentShell(msgspec.Struct, frozen=True):
    """The shell of commands."""

    name: str
    path: str


class EnvironmentInfoResponse(msgspec.Struct, frozen=True):
    """The place."""

    shell: EnvironmentShell
    cwd: str | None = None  # the folder of a thread that names none, as a `file:` URI


class EnvironmentStatusParams(msgspec.Struct, frozen=True, rename="camel"):
    """Ask whether commands can run in a place."""

    environment_id: str


class EnvironmentStatusResponse(msgspec.Struct, frozen=True):
    """Whether they can."""

    status: Literal["ready", "unknown"]
    error: str | None = None


class ModelProviderCapabilitiesReadResponse(
    msgspec.Struct, frozen=True, rename="camel", kw_only=True
):
    """What the provider's own tools can do for a thread that names nothing else."""

    image_generation: bool  # codexd offers none
    web_search: bool
