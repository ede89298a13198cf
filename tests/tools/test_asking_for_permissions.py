"""The tool request_permissions: to which threads it is offered, how calls are read, and which folders are shown."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.settings import Enforcement, Settings
from codexd.core.values.tool_actions import AskPermissions, BadCall, Permissions
from codexd.tools.harmless.request_permissions import (
    DECLARATION,
    FOLDERS_MAX,
    REASON_CHARACTERS_MAX,
    PermissionsTool,
)
from codexd.tools.registry import CallContext
from trio_test import trio_test

TOOL = PermissionsTool()
CONTEXT = CallContext(cwd="/project", thread_id="t", call_id="c")
CONFINED = Settings(
    "/project",
    "m",
    "p",
    "on-request",
    "workspace-write",
    enforcement=Enforcement(("workspace-write", "danger-full-access")),
)


def read(**arguments: object) -> AskPermissions | BadCall:
    return TOOL.read_call(msgspec.json.encode(arguments).decode(), CONTEXT)


def test_it_is_offered_where_a_sandbox_holds_commands_and_somebody_may_be_asked() -> None:
    def offered(settings: Settings) -> bool:
        return TOOL.offered(Traits(), ThreadState(settings=settings)) == DECLARATION

    assert offered(CONFINED)
    assert not offered(replace(CONFINED, sandbox="danger-full-access"))
    assert not offered(replace(CONFINED, enforcement=Enforcement()))
    assert not offered(replace(CONFINED, approval_policy="never"))
    assert TOOL.offered(Traits(), ThreadState()) is None


def test_a_call_in_codexs_form_becomes_a_question() -> None:
    asked = read(
        permissions={
            "network": {"enabled": True},
            "file_system": {"read": ["/etc"], "write": ["/cache", "build"]},
        },
        reason=" " + "x" * 2000,
        environment_id=None,
    )
    assert asked == AskPermissions(
        Permissions(True, ("/cache", "/project/build")), "/project", "x" * REASON_CHARACTERS_MAX
    )
    assert read(permissions={"file_system": {"read": ["/etc"]}}) == AskPermissions(
        Permissions(), "/project"
    )


@pytest.mark.parametrize(
    "permissions",
    [
        None,
        {},
        {"network": {"enabled": False}},
        {"file_system": {"write": []}},
        {"file_system": {"write": [""]}},
        {"file_system": {"write": ["a\0b"]}},
        {"file_system": {"write": ["x" * 5000]}},
        {"file_system": {"write": ["/x"] * (FOLDERS_MAX + 1)}},
        {"file_system": {"write": "/x"}},
        {"network": True},
    ],
)
def test_a_call_that_cannot_be_read_is_answered_with_the_reason(permissions: object) -> None:
    bad = read(permissions=permissions)
    assert isinstance(bad, BadCall)
    assert "Nothing was asked" in bad.reason


def test_arguments_that_are_no_json_are_answered_too() -> None:
    assert isinstance(TOOL.read_call("{", CONTEXT), BadCall)


@trio_test
async def test_a_person_is_shown_the_folder_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folders = (f"{tmp_path}/link", f"{tmp_path}/real/../link/new", f"{tmp_path}/real")
    prepared = await TOOL.prepare(AskPermissions(Permissions(write=folders), str(tmp_path)))
    real = os.path.realpath(f"{tmp_path}/real")  # noqa: ASYNC240
    assert prepared == AskPermissions(Permissions(write=(real, f"{real}/new")), str(tmp_path))
