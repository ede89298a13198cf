"""A whole task as a new user has it done: in `workspace-write`, with the defaults of a trusted folder, and unasked.

The model makes a package, runs its tests, breaks one and mends it by a patch; it looks at what it did with git.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Part, Say
from daemon_house import Home

from .codexctl import codexctl, playing
from .fake_daemon import Json

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the mechanisms are those of Linux"),
]

CONFIG = """
model = "scripted"
model_provider = "scripted"
model_context_window = 272_000
[model_providers.scripted]
base_url = "{url}"
[projects."{folder}"]
trust_level = "trusted"
"""
PACKAGE = """*** Begin Patch
*** Add File: pyproject.toml
+[project]
+name = "greet"
+version = "1"
*** Add File: greet/__init__.py
+def greet(name: str) -> str:
+    return f"Hello, {name}!"
*** Add File: greet/__main__.py
+import sys
+
+from greet import greet
+
+print(greet(sys.argv[1]))
*** Add File: tests/test_greet.py
+import unittest
+
+from greet import greet
+
+
+class TestGreet(unittest.TestCase):
+    def test_a_name_is_greeted(self):
+        self.assertEqual(greet("Ann"), "Hello, Ann!")
*** End Patch"""
MEND = """*** Begin Patch
*** Update File: greet/__init__.py
@@ def greet(name: str) -> str:
-    return f"Hullo, {name}!"
+    return f"Hello, {name}!"
*** End Patch"""
TESTS = "python3 -B -m unittest tests.test_greet 2>&1"


def run(line: str) -> Call:
    return Call("shell_command", json.dumps({"command": line}))


def patch(text: str) -> Call:
    return Call("apply_patch", json.dumps({"input": text}))


def plan(*statuses: str) -> Call:
    steps = ("Make the package", "Break a test", "Mend it")
    told = [{"step": s, "status": status} for s, status in zip(steps, statuses, strict=True)]
    return Call("update_plan", json.dumps({"plan": told}))


TASK: tuple[Part, ...] = (
    plan("in_progress", "pending", "pending"),
    patch(PACKAGE),
    run(TESTS),
    run(
        "python3 -B -m greet Ann && python3 -m zipapp -m greet.__main__:greet -o greet.pyz . && ls"
    ),
    plan("completed", "in_progress", "pending"),
    run("sed -i s/Hello/Hullo/ greet/__init__.py"),
    run(TESTS),
    plan("completed", "completed", "in_progress"),
    patch(MEND),
    run(TESTS),
    run("git status --short && git diff --stat"),
    plan("completed", "completed", "completed"),
    Say(("The package greets, and its tests pass.",)),
)


def items_of(turn: Json, kind: str) -> list[Json]:
    return [item for item in turn["items"] if item["type"] == kind]


def test_a_package_is_made_tested_broken_and_mended_and_nobody_is_asked(home: Home) -> None:
    subprocess.run(["git", "init", "-q", home.work], env=home.env, check=True)
    with playing(*TASK) as model:
        home.configure(CONFIG.format(url=model.base_url, folder=home.work))
        sent = codexctl(home, "send", "--json", "make a package that greets")
        assert sent.code == 0, sent
    thread = str(sent.lines[0]["threadId"])
    shown = codexctl(home, "show", thread, "--json").json
    (turn,) = shown["turns"]
    ran = [(i["exitCode"], i["aggregatedOutput"]) for i in items_of(turn, "commandExecution")]
    codes = [code for code, _ in ran]
    assert codes == [0, 0, 0, 1, 0, 0], ran
    assert "OK" in ran[0][1]
    assert ran[1][1].startswith("Hello, Ann!\n")
    assert "'Hullo, Ann!' != 'Hello, Ann!'" in ran[3][1]
    assert "OK" in ran[4][1]
    assert [i["status"] for i in items_of(turn, "fileChange")] == ["completed", "completed"]
    assert [step["status"] for step in turn["plan"]["plan"]] == ["completed"] * 3
    assert home.work.joinpath("greet/__init__.py").read_text().endswith('"Hello, {name}!"\n')
    log = codexctl(home, "log", thread, "--json").out
    assert '"approval.requested"' not in log
    assert '"sandbox":"workspace-write"' in log
    text = codexctl(home, "show", thread).out
    assert "The package greets, and its tests pass." in text


def test_what_leaves_the_folder_is_not_done_unasked(home: Home) -> None:
    outside = Path("/var/tmp") / home.root.name  # the test writes nothing there
    tries: list[Part] = [
        run(f"echo x > {outside}"),
        run("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 9))'"),
        Say(("done",)),
    ]
    with playing(*tries) as model:
        home.configure(CONFIG.format(url=model.base_url, folder=home.work))
        never = ("--approval-policy", "never")
        sent = codexctl(home, "send", "--json", *never, "leave the folder")
        assert sent.code == 0, sent
        thread = str(sent.lines[0]["threadId"])
        (turn,) = codexctl(home, "show", thread, "--json").json["turns"]
        assert all(item["exitCode"] != 0 for item in items_of(turn, "commandExecution"))
    assert not outside.exists()
