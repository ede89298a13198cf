"""The tool apply_patch: what a person is shown is what is written, to all files or to none."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codexd.core import commands as c
from codexd.core.policy.approval import action_hash
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.limits import Traits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.tool_actions import ApplyPatch, BadCall, Decision, ToolResult
from codexd.runtime.actor.actor import ThreadActor
from codexd.tools.apply_patch import DIFF_CHARACTERS_MAX, ApplyPatchTool, patch_in
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd.tools.shell import Shell
from doomed_patch import contents
from fixed_environment import FixedEnvironment
from kept import SHARED_KEEPER
from tool_house import House, ask, read_all, settled
from trio_test import trio_test

TOOL = ApplyPatchTool()


class Silent:
    def started(self, pid: int, start_time: str) -> None:
        raise AssertionError("a patch has no process")

    def output(self, chunk: bytes) -> None:
        raise AssertionError("a patch prints nothing")

    def afterwards(self, then: Callable[[], Awaitable[None]]) -> None: ...

    async def answer(self, process: object, result: ToolResult) -> None:
        raise AssertionError("a patch leaves nothing running")


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


async def prepared(folder: Path, *lines: str) -> ApplyPatch | BadCall:
    context = CallContext(str(folder), "th", "call")
    read = TOOL.read_call(json.dumps({"input": patch(*lines)}), context)
    action = await TOOL.prepare(read)
    assert isinstance(action, ApplyPatch | BadCall)
    return action


async def applied(folder: Path, action: ApplyPatch | BadCall) -> ToolResult:
    assert isinstance(action, ApplyPatch)
    return await TOOL.perform(action, CallContext(str(folder), "th", "call"), Silent())


@pytest.mark.parametrize(
    "arguments",
    [
        patch("*** Add File: a", "+x"),
        json.dumps({"input": patch("*** Add File: a", "+x")}),
        json.dumps({"patch": patch("*** Add File: a", "+x"), "more": 1}),
    ],
)
def test_a_patch_comes_as_text_or_as_a_member(arguments: str) -> None:
    action = TOOL.read_call(arguments, CallContext("/w", "th", "call"))
    assert action == ApplyPatch(patch("*** Add File: a", "+x"), "/w", ())


@pytest.mark.parametrize("arguments", ["", "{", '{"input":7}', "{}", "x"])
def test_what_is_no_patch_is_a_bad_call_that_says_that_nothing_was_done(arguments: str) -> None:
    action = TOOL.read_call(arguments, CallContext("/w", "th", "call"))
    assert isinstance(action, BadCall)
    assert action.reason.startswith("The patch was not applied, and no file is changed: ")


@trio_test
async def test_files_are_added_changed_moved_and_deleted_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\r\n2\r\n")
    (tmp_path / "b").write_bytes(b"moves\n")
    (tmp_path / "d").write_bytes(b"goes\n")
    action = await prepared(
        tmp_path,
        "*** Update File: a",
        "-2",
        "+3",
        "*** Add File: new/deep/f",
        "+x",
        "*** Update File: b",
        "*** Move to: c",
        "*** Delete File: d",
    )
    result = await applied(tmp_path, action)
    assert result == ToolResult(
        "completed",
        *2
        * (
            f"Changed files:\nM {tmp_path}/a\nA {tmp_path}/new/deep/f\nD {tmp_path}/b\nA {tmp_path}/c\nD {tmp_path}/d",
        ),
    )
    files = contents(tmp_path)
    assert files == {"a": "1\n3\n", "new/deep/f": "x\n", "c": "moves\n"}


@trio_test
async def test_a_patch_that_does_not_fit_one_file_changes_none_and_says_which(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_bytes(b"1\n")
    action = await prepared(tmp_path, "*** Add File: n", "+x", "*** Update File: a", "-2", "+3")
    assert isinstance(action, BadCall)
    assert "a: the hunk at line 5 of the patch does not fit" in action.reason
    assert contents(tmp_path) == {"a": "1\n"}


@trio_test
async def test_a_file_that_was_edited_after_the_question_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n")
    action = await prepared(tmp_path, "*** Update File: a", "-1", "+2")
    (tmp_path / "a").write_bytes(b"1\nedited\n")
    result = await applied(tmp_path, action)
    assert result.status == "failed"
    assert "a: the content has changed since the patch was read" in result.model_text
    assert (tmp_path / "a").read_bytes() == b"1\nedited\n"


@trio_test
async def test_a_change_that_nobody_could_judge_is_refused_and_a_deleted_file_is_shown_in_part(
    tmp_path: Path,
) -> None:
    (tmp_path / "large").write_text("x" * 50_000)
    action = await prepared(tmp_path, "*** Delete File: large")
    assert isinstance(action, ApplyPatch)
    assert action.files[0].diff.endswith("\n… 17,232 characters more …\n")
    (tmp_path / "wide").write_text("a\n" + "y" * (DIFF_CHARACTERS_MAX + 1))
    refused = await prepared(tmp_path, "*** Update File: wide", "-a", "+b")
    assert isinstance(refused, BadCall)
    assert "so that a person can judge it" in refused.reason


@pytest.mark.parametrize(
    ("line", "cwd"),
    [
        ("apply_patch <<'EOF'\n{}\nEOF", "/w"),
        ("apply_patch << EOF\n{}\nEOF\n", "/w"),
        ("cd 'a b' && applypatch <<\"X\"\n{}\nX", "/w/a b"),
        ("apply_patch '{}'", "/w"),
        ("cd /x && apply_patch '\n{}'", "/x"),
    ],
)
def test_a_shell_line_that_only_applies_a_patch_is_the_patch(line: str, cwd: str) -> None:
    text = patch("*** Add File: a", "+x")
    call = json.dumps({"command": line.format(text)})
    action = SHELL.read_call(call, CallContext("/w", "th", "call"))
    assert isinstance(action, ApplyPatch)
    assert (action.patch.strip(), action.cwd) == (text, cwd)


@pytest.mark.parametrize(
    "line",
    [
        "apply_patch <<'EOF'\n{}\nEOF\nrm -rf x",
        "apply_patch <<'EOF' && ls\n{}\nEOF",
        "sudo apply_patch '{}'",
        "echo '{}' | apply_patch",
        "apply_patch",
        "apply_patch --help",
        "apply_patch '{}",
        "cd",
        "cat <<EOF\n{}\nEOF",
        'apply_patch "$(ls) {}"',
        'apply_patch "{}`ls`"',
        "apply_patch '{}' 'x'",
        "apply_patch <<'EOF'\n\nls\n{}\nEOF",
    ],
)
def test_a_shell_line_that_does_more_is_a_command(line: str) -> None:
    text = patch("*** Add File: a", "+x")
    assert patch_in(line.format(text), CallContext("/w", "th", "call")) is None


def test_a_reviewer_is_not_offered_it_and_each_model_gets_its_form() -> None:
    thread = ThreadState()
    free = TOOL.offered(Traits(freeform_patch=True), thread)
    function = TOOL.offered(Traits(), thread)
    assert free is not None
    assert function is not None
    assert (json.loads(free)["type"], json.loads(function)["type"]) == ("custom", "function")
    reviews = ReviewOf(ThreadId("t"), TurnId("u"))
    assert TOOL.offered(Traits(), ThreadState(reviews=reviews)) is None


SHELL = Shell(FixedEnvironment({}), "/bin/sh", SHARED_KEEPER)


async def decide(thread: ThreadActor, decision: Decision) -> ApplyPatch:
    assert thread.state.turn is not None
    (call,) = thread.state.turn.open_calls
    assert call.approval_id is not None
    assert isinstance(call.action, ApplyPatch)
    await thread.submit(
        c.DecideApproval(
            approval_id=call.approval_id, action_hash=action_hash(call.action), decision=decision
        )
    )
    return call.action


def params(messages: list[bytes], method: str) -> Iterator[dict[str, Any]]:
    for message in map(json.loads, messages):
        if message["method"] == method:
            yield message["params"]


@trio_test
async def test_a_person_is_shown_the_diff_and_clients_see_the_change_and_the_turns_diff(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1\n")
    house = House(
        tmp_path / "home",
        TOOL,
        json.dumps({"input": patch(f"*** Update File: {file}", "-1", "+2")}),
    )
    async with house.running() as (thread, there):
        await ask(thread)
        asked = read_all(there)
        assert file.read_bytes() == b"1\n"
        await decide(thread, "accept")
        await settled(thread)
        messages = read_all(there)
    (question,) = params(asked, "item/fileChange/requestApproval")
    assert question["reason"] == "This patch changes files."
    assert question["codexd"]["diff"].splitlines()[-3:] == ["@@ -1,1 +1,1 @@", "-1", "+2"]
    (done,) = [
        p["item"] for p in params(messages, "item/completed") if p["item"]["type"] == "fileChange"
    ]
    assert (done["id"], done["status"], done["changes"]) == (
        question["itemId"],
        "completed",
        [{"path": str(file), "kind": {"type": "update"}, "diff": "@@ -1,1 +1,1 @@\n-1\n+2\n"}],
    )
    (diff,) = params(messages, "turn/diff/updated")
    assert diff["diff"].startswith("diff --git a/")
    assert file.read_bytes() == b"2\n"
    assert b"Changed files:" in house.model.requests[1].input[-1]


@trio_test
async def test_a_declined_patch_changes_nothing(tmp_path: Path) -> None:
    house = House(tmp_path / "home", TOOL, patch(f"*** Add File: {tmp_path}/new", "+x"))
    async with house.running() as (thread, there):
        await ask(thread)
        await decide(thread, "decline")
        await settled(thread)
        messages = read_all(there)
    items = [p["item"] for p in params(messages, "item/completed")]
    assert [item["status"] for item in items if item["type"] == "fileChange"] == ["declined"]
    assert not (tmp_path / "new").exists()


class Dying(ApplyPatchTool):
    """The daemon dies when this patch is about to be applied, or right after it."""

    def __init__(self, *, after: bool) -> None:
        self._after = after

    async def perform(
        self, action: ApplyPatch, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        if self._after:
            await TOOL.perform(action, context, sink)
        raise Died


class Died(BaseException):
    pass


@pytest.mark.parametrize(
    ("after", "said"),
    [(False, "interrupted before the first file was changed"), (True, "the patch is complete")],
)
@trio_test
async def test_after_a_crash_the_model_is_told_whether_the_files_were_changed(
    tmp_path: Path, after: bool, said: str
) -> None:
    text = patch(f"*** Add File: {tmp_path}/new", "+x")
    house = House(tmp_path / "home", Dying(after=after), text)

    async def die() -> None:
        async with house.running() as (thread, _):
            await ask(thread)
            await decide(thread, "accept")
            await settled(thread)

    with pytest.raises(BaseExceptionGroup):
        await die()
    house.tool = TOOL
    async with house.running() as (thread, _):
        await settled(thread)
    assert said.encode() in house.model.requests[-1].input[-1]
    assert (tmp_path / "new").exists() == after


@trio_test
async def test_a_patch_that_was_sent_through_the_shell_is_applied_by_its_tool(
    tmp_path: Path,
) -> None:
    registry, context = Registry(SHELL, TOOL), CallContext(str(tmp_path), "th", "call")
    line = "apply_patch <<'E'\n" + patch("*** Add File: a", "+x") + "\nE"
    read = registry.read_call(SHELL.name, json.dumps({"command": line}), context)
    action = await registry.prepare(read)
    result = await registry.perform(SHELL.name, action, context, Silent())
    assert (result.status, contents(tmp_path)) == ("completed", {"a": "x\n"})


@trio_test
async def test_a_patch_says_where_links_lead_and_is_not_applied_if_they_lead_elsewhere_then(
    tmp_path: Path,
) -> None:
    work, target = tmp_path / "w", tmp_path / "target"
    work.mkdir()
    target.mkdir()
    (work / "link").symlink_to(target)
    (work / "inside").symlink_to(".")
    lines = ("*** Add File: link/new", "+x", "*** Add File: inside/own", "+y")
    found = await prepared(work, *lines)
    assert isinstance(found, ApplyPatch)
    assert found.elsewhere == (str(target / "new"), str(work / "own"))
    (work / "link").unlink()
    (work / "link").symlink_to(tmp_path)
    refused = await applied(work, found)
    assert refused.status == "failed"
    assert "symbolic links on the way to it have changed" in refused.model_text
    assert not (tmp_path / "new").exists()
    assert not (work / "own").exists()
    (work / "link").unlink()
    (work / "link").symlink_to(target)
    assert (await applied(work, found)).status == "completed"
    assert (target / "new").read_text() == "x\n"
    # The working directory may be a link itself.
    (tmp_path / "w2").symlink_to(work)
    through = await prepared(tmp_path / "w2", "*** Add File: more", "+z")
    assert isinstance(through, ApplyPatch)
    assert through.elsewhere == ()
    assert (await applied(tmp_path / "w2", through)).status == "completed"
