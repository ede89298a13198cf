"""The end of a run judges all that daemons have sent in it, and a message that is not valid fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkout import CHECKOUT
from installed_codex import needs_schemas
from wire_spool import Kept, Kind, Spool, kept_in
from wire_verdict import judge

CLOSED = {"method": "thread/closed", "params": {"threadId": "t"}, "emittedAtMs": 1}
STATUS = {
    "method": "thread/status/changed",
    "params": {"threadId": "t", "status": {"type": "idle"}},
    "emittedAtMs": 1,
}
RENAMED = {"method": "thread/name/set", "result": {}}
REFUSED = {"id": 1, "error": {"code": -32600, "message": "no", "data": {"code": "c"}}}


def kept(kind: Kind, method: str, message: dict[str, Any]) -> Kept:
    return Kept(kind, method, message, "test_it")


@needs_schemas
@pytest.mark.parametrize(
    ("message", "by", "why"),
    [
        (kept("notification", "thread/closed", CLOSED), "", ""),
        (kept("answer", "thread/name/set", {"id": 1, "result": {}}), "", ""),
        (kept("error", "", REFUSED), "", ""),
        (kept("error", "", REFUSED | {"id": None}), "", ""),
        (
            kept("error", "", REFUSED | {"id": 1.5}),
            "`codexd schema`, Codex 0.169, Codex 0.171",
            "id",
        ),
        (
            kept("notification", "thread/closed", CLOSED | {"params": {"threadId": None}}),
            "`codexd schema`, Codex 0.169, Codex 0.171",
            "threadId: None is not of type 'string'",
        ),
        (
            kept("notification", "thread/closed", CLOSED | {"more": 1}),
            "`codexd schema`",
            "Additional properties are not allowed ('more' was unexpected)",
        ),
        (
            kept("answer", "thread/pin/list", {"id": 1, "result": {"pins": 1}}),
            "`codexd schema`",
            "result/pins: 1 is not of type 'array'",
        ),
        (kept("notification", "thread/vanished", CLOSED), "`codexd schema`", "no such method"),
        (
            kept(
                "notification",
                "thread/status/changed",
                STATUS | {"params": {"threadId": "t", "status": {"type": "asleep"}}},
            ),
            "`codexd schema`, Codex 0.169, Codex 0.171",
            "asleep",
        ),
    ],
)
def test_a_message_is_judged_by_both_versions_and_by_our_own_types(
    message: Kept, by: str, why: str
) -> None:
    verdict = judge([message])
    assert ", ".join(fault.by for fault in verdict.faults) == by
    assert all("test_it" in str(fault) for fault in verdict.faults)
    assert any(why in fault.why for fault in verdict.faults) or not verdict.faults


@needs_schemas
def test_kinds_are_counted_and_what_is_our_own_is_listed() -> None:
    own = {"threadId": "t", "turns": 1, "beforeTurnId": None}
    reverted = {"method": "thread/reverted", "params": own, "emittedAtMs": 1}
    assert judge([kept("notification", "thread/reverted", reverted)]).members == {
        "turns",
        "beforeTurnId",
    }
    verdict = judge(
        [kept("notification", "thread/closed", CLOSED), kept("error", "", REFUSED)] * 2
        + [kept("answer", "thread/pin/list", {"id": 1, "result": {"pins": []}})]
    )
    assert verdict.kinds == {
        "notification thread/closed": 2,
        "error": 2,
        "answer thread/pin/list": 1,
    }
    assert verdict.own == {"thread/pin/list"}
    assert "5 messages of different shapes, of 3 kinds" in str(verdict)


def test_of_each_shape_one_message_is_kept_whoever_collects_it(tmp_path: Path) -> None:
    ones, others = Spool(tmp_path, 1), Spool(tmp_path, 2)
    tmp_path.joinpath("1.test").write_text("test_of_the_first")
    for n in range(3):
        ones.take(CLOSED | {"emittedAtMs": n})
        others.take(CLOSED | {"params": {"threadId": f"t{n}"}})
    ones.take({"id": 1, "result": {"data": [{"a": 1}, {"a": 2}, {"a": "x"}]}}, "thread/list")
    others.take({"id": 2, "result": {"data": [{"a": "y"}, {"a": 3}]}}, "thread/list")
    listed, closed = kept_in(tmp_path)
    assert closed.test == "test_of_the_first"
    assert listed.message["result"] == {"data": [{"a": 2}, {"a": "x"}]}


@needs_schemas
def test_a_word_that_a_schema_names_makes_a_shape(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    for word in ("idle", "notLoaded", "word-1", "word-2"):
        spool.take(STATUS | {"params": {"threadId": word, "status": {"type": word}}})
    words = [message.message["params"]["status"]["type"] for message in kept_in(tmp_path)]
    assert sorted(words) == ["idle", "notLoaded", "word-1"]


RUN = """
from wire_spool import spool_here


def test_a_daemon():
    spool_here().take({})
"""


@pytest.mark.slow
def test_a_run_with_a_message_that_is_not_valid_fails(tmp_path: Path) -> None:
    done = _run(tmp_path, CLOSED | {"params": {}})
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout
    assert "notification thread/closed is not valid by `codexd schema`" in done.stdout
    assert "sent in test_run.py::test_a_daemon" in done.stdout


@pytest.mark.slow
def test_in_ci_a_run_without_schemas_fails_and_elsewhere_it_says_so(tmp_path: Path) -> None:
    absent = {"CODEX_SCHEMA": str(tmp_path)}
    done = _run(tmp_path, CLOSED, **absent, CI="true")
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout
    assert "the wire contract was not checked" in done.stdout
    done = _run(tmp_path, CLOSED, **absent)
    assert done.returncode == 0, done.stdout
    assert f"Codex's schemas are not in {tmp_path}; outside of CI" in done.stdout


def _run(folder: Path, message: dict[str, Any], **more: str) -> subprocess.CompletedProcess[str]:
    """A run of one test, in which a daemon sends the message."""
    folder.joinpath("test_run.py").write_text(RUN.format(message))
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    for name in ("node", "npm"):
        (bin_folder / name).write_text("#!/bin/sh\n")
        (bin_folder / name).chmod(0o755)
    tests = CHECKOUT / "tests"
    kept_env = {k: v for k, v in os.environ.items() if k not in ("CI", "CODEX_UNREACHABLE")}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"),
            *("-c", str(CHECKOUT / "pyproject.toml"), "--rootdir", str(folder), "test_run.py"),
        ],
        cwd=folder,
        env=kept_env
        | {"PYTHONPATH": f"{tests}{os.pathsep}{tests / 'support'}", "PATH": str(bin_folder)}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
