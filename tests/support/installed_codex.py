"""Codex itself and its JSON schemas, where `.ci/install-codex` has put them: the contract of the wire. And a server of
MCP's own, where `.ci/install-mcp-server` has put it; and Codex's adapter for editors, of `.ci/install-codex-acp`.

They are not ours to keep here. CODEX_SCHEMA and CODEX_SCHEMA_NEWEST name the folders of the schemas, CODEX_PEER the
program. Tests that need one of them carry a mark of this file. Where it is absent they are skipped, and the summary of
the run counts them; with CI set they fail instead, unless there is no node, or CODEX_UNREACHABLE says that npm reached
no registry.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

_CACHE = Path.home() / ".cache"
FOLDER = _CACHE / "codexd-peer"
NEWEST_FOLDER = _CACHE / "codexd-peer-newest"
_VENDORED = "node_modules/@openai/*/vendor/*/bin/codex"


def _program_in(folder: Path) -> Path:
    return next(folder.glob(_VENDORED), folder / "codex")


SCHEMAS = Path(os.environ.get("CODEX_SCHEMA") or FOLDER / "schema")
PROGRAM = Path(os.environ.get("CODEX_PEER") or _program_in(FOLDER))
# The newest version that codexd is tested with; codexd says that it is compatible with the other one.
NEWEST_SCHEMAS = Path(os.environ.get("CODEX_SCHEMA_NEWEST") or NEWEST_FOLDER / "schema")
NEWEST_PROGRAM = _program_in(NEWEST_FOLDER)
# The compiler that reads the types of ours.
TSC = _CACHE / "codexd-typescript/node_modules/typescript/bin/tsc"
# MCP's server for tests of clients: all that a server may do.
EVERYTHING = (
    _CACHE / "codexd-mcp-server/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
)
# Codex's adapter for the Agent Client Protocol, which editors start.
ADAPTER = _CACHE / "codexd-codex-acp/node_modules/@agentclientprotocol/codex-acp/dist/index.js"
# The SDKs, where `.ci/install-sdks` has put them, and the Python that has one of them.
SDKS = _CACHE / "codexd-sdks"
SDK_PYTHON = SDKS / "python/bin/python"


class Version(NamedTuple):
    """A version of Codex, and the folder of its schemas."""

    name: str
    schemas: Path

    @property
    def is_here(self) -> bool:
        """Whether they are installed."""
        return (self.schemas / "v2").is_dir()


VERSIONS = (
    Version("0.169", SCHEMAS),
    Version("0.171", NEWEST_SCHEMAS),
)


class Part(NamedTuple):
    """Something beside the schemas that tests need: a file of each installation of it, and how its absence is told."""

    files: tuple[Path, ...]
    absent: str  # the file that is missing follows, or `place`
    runs_on_node: bool = False
    place: Path | None = None

    def missing(self) -> Path | None:
        """What is not here; None where all of it is, and node where that is needed."""
        lacks_node = self.runs_on_node and shutil.which("node") is None
        lacking = [file for file in self.files if lacks_node or not file.is_file()]
        return (self.place or lacking[0]) if lacking else None


PARTS = {
    "program": Part((PROGRAM,), "Codex is not installed at"),
    "both programs": Part((PROGRAM, NEWEST_PROGRAM), "Codex is not installed at"),
    "typescript": Part((TSC,), "TypeScript is not installed at", runs_on_node=True),
    "everything": Part((EVERYTHING,), "MCP's server is not installed at", runs_on_node=True),
    "adapter": Part((ADAPTER,), "Codex's adapter is not installed at", runs_on_node=True),
    "sdks": Part(
        (SDKS / "installed",),
        "the SDKs of Codex are not installed in",
        runs_on_node=True,
        place=SDKS,
    ),
}

NOT_CHECKED = "the wire contract was not checked"

needs_schemas = pytest.mark.wire_contract("schemas")
needs_program = pytest.mark.wire_contract("program")
needs_typescript = pytest.mark.wire_contract("typescript")
needs_both_programs = pytest.mark.wire_contract("both programs")
needs_everything = pytest.mark.wire_contract("everything")
needs_adapter = pytest.mark.wire_contract("adapter")
needs_sdks = pytest.mark.wire_contract("sdks")


def absence(part: str) -> str | None:
    """Why a test that needs this part cannot run here; None where it can."""
    if part == "schemas":
        folders = [version.schemas for version in VERSIONS if not version.is_here]
        return f"{NOT_CHECKED}: Codex's schemas are not in {folders[0]}" if folders else None
    missing = PARTS[part].missing()
    return None if missing is None else f"{NOT_CHECKED}: {PARTS[part].absent} {missing}"


def excuse() -> str | None:
    """Why it is no fault that Codex is absent; None where it should have been installed."""
    if not os.environ.get("CI"):
        return "outside of CI it is not asked for"
    if not (shutil.which("node") and shutil.which("npm")):
        return "there is no node here to install it with"
    if os.environ.get("CODEX_UNREACHABLE"):
        return "npm reached no registry"
    return None
