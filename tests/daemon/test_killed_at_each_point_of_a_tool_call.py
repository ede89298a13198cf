"""A daemon that is killed before, during or after what a tool call does: nothing happens twice, and all are told.

For each kind of action by its row in the table: the call is made again, since that changes nothing; or it is adopted,
with its true result; or its result is declared unknown. A kind without a case fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import doomed_daemon
from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.policy.action_kinds import KINDS
from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Json, connected
from daemon_house import Home
from daemon_screen import items_of
from images_e2e import PNG
from mcp_house import SUPPORT
from trio_test import trio_test

POINTS = ("before", "during", "after")


class Came(NamedTuple):
    """What had become of a call when its turn was over."""

    answer: str  # of the tool, for the model
    done: int  # how often it was done
    item: Json  # as people see it


class Case(NamedTuple):
    """How a kind of action is called, and what may have become of it."""

    call: Callable[[Path], Call]
    holds: Callable[[str, Came], bool]  # by the point of the kill
    points: tuple[str, ...] = POINTS
    config: str = ""


def shell(folder: Path) -> Call:
    """It counts how often it was begun, and says when it has begun."""
    line = f"echo once >> {folder}/done; echo begun; echo ended"
    return Call("shell_command", json.dumps({"command": line}))


def times(folder: Path) -> int:
    done = folder / "done"
    return len(done.read_text().splitlines()) if done.exists() else 0


def of_command(point: str, came: Came) -> bool:
    """Adopted with its output, or never begun, or declared unknown; people see the same."""
    unknown = RESTARTED in came.answer
    if came.done == 0:
        return unknown and point == "before" and came.item["status"] == "failed"
    adopted = "begun\nended" in came.answer and came.item["exitCode"] == 0
    return came.done == 1 and (adopted or (unknown and came.item["status"] == "failed"))


PATCH = """*** Begin Patch
*** Update File: a
-old a
+new a
*** Update File: b
-old b
+new b
*** End Patch"""


def patch(folder: Path) -> Call:
    for name in "ab":
        (folder / name).write_text(f"old {name}\n")
    return Call("apply_patch", json.dumps({"input": PATCH}))


def of_patch(point: str, came: Came) -> bool:
    """All files or none, and which is said."""
    if point == "before":
        said = "interrupted before the first file was changed" in came.answer
        return came.done == 0 and said and came.item["problem"] == came.answer
    said = "the patch is complete" in came.answer
    return came.done == 2 and said and came.item["status"] == "completed"


def view(folder: Path) -> Call:
    (folder / "a.png").write_bytes(PNG)
    return Call("view_image", json.dumps({"path": "a.png"}))


def of_view(point: str, came: Came) -> bool:
    """Looking again changes nothing."""
    return "input_image" in came.answer and came.item["type"] == "imageView"


def mcp(folder: Path) -> Call:
    return Call("mcp__counts__change", json.dumps({"file": f"{folder}/done"}))


def of_mcp(point: str, came: Came) -> bool:
    """A call that may change something is not made again, and nobody knows what it did."""
    unknown = RESTARTED in came.answer and came.item["status"] == "failed"
    return unknown and came.done == (point == "after")


SERVER = f"""
[mcp_servers.counts]
command = "{sys.executable}"
args = ["-I", "-S", "{SUPPORT / "pipe_server.py"}", "Counts"]
"""


# Of kinds that no tool performs there is nothing to kill.
NEVER_PERFORMED = {
    "bad": "it is refused",
    "unread": "it is refused",
    "plan": "it is an event, recorded together with its answer",
    "network": "it is a question about a call that runs",
    "permissions": "the answer of a person is its result",
    "questions": "the answer of a person is its result",
    "goal": "it is an event, recorded together with its answer",
}
CASES: dict[str, Case] = {
    "command": Case(shell, of_command),
    "patch": Case(patch, of_patch),
    "viewImage": Case(view, of_view, ("before", "after")),
    "mcp": Case(mcp, of_mcp, ("before", "after"), SERVER),
}


# A session goes on after its call's answer: the tests of sessions kill their daemons.
OF_SESSIONS = {"exec", "stdin"}
# Nor does a model call what a person runs: the tests of such commands do the same.
OF_PERSONS = {"userShell"}
# A client performs one, and other threads are what the other changes: their tests kill their daemons, too.
OF_OTHERS = {"dynamic", "thread"}


def test_each_kind_of_action_has_a_case() -> None:
    elsewhere = OF_SESSIONS | OF_PERSONS | OF_OTHERS
    assert KINDS.keys() == CASES.keys() | NEVER_PERFORMED.keys() | elsewhere


async def killed_and_resumed(home: Home, kind: str, point: str) -> Came:
    """Make the call, kill the daemon at that point of it, and let the next daemon go on."""
    folder = home.work / kind
    folder.mkdir()
    replies: list[Part | Reply] = [CASES[kind].call(folder), Say(("done",))]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        with (home.path / "config.toml").open("a") as file:
            file.write(CASES[kind].config)
        doomed = home.launch(program=(doomed_daemon.__file__, point))
        doomed.wait_said("answers on")
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(folder))
            turn = await client.start_turn(thread, "go")
            assert await doomed.ended() == -9
        home.start()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["turns"][-1]["status"] == "inProgress":
                await client.turn_ended(turn)
            read = await client.call("thread/read", threadId=thread, includeTurns=True)
        items = json.loads(model.requests[-1].body)["input"]
    (answer,) = [item["output"] for item in items if item["type"].endswith("call_output")]
    (item,) = [
        item
        for item in items_of(read["thread"])
        if item["type"] not in ("userMessage", "agentMessage")
    ]
    changed = sum((folder / n).read_text() == f"new {n}\n" for n in "ab" if (folder / n).exists())
    return Came(
        json.dumps(answer) if isinstance(answer, list) else answer, times(folder) + changed, item
    )


@pytest.mark.parametrize(
    ("kind", "point"), [(kind, point) for kind in CASES for point in CASES[kind].points]
)
@trio_test
async def test_a_call_is_done_once_or_not_at_all_and_both_are_told(
    home: Home, kind: str, point: str
) -> None:
    came = await killed_and_resumed(home, kind, point)
    assert CASES[kind].holds(point, came), came
