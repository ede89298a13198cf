"""The task of the demo, played call by call: a package is made, its test run, broken, and mended by a patch."""

from __future__ import annotations

from typing import Final

# A tool, and the arguments of a call.
Step = tuple[str, dict[str, object]]

# A prompt that begins so is this task; the demo sends it (`frontends/codexd_frontends/demo.py`).
TASK_PROMPT: Final = "Make a package that greets people"

_PACKAGE: Final = """*** Begin Patch
*** Add File: pyproject.toml
+[project]
+name = "greet"
+version = "1"
*** Add File: greet/__init__.py
+def greet(name: str) -> str:
+    return f"Hello, {name}!"
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
_MEND: Final = """*** Begin Patch
*** Update File: greet/__init__.py
@@ def greet(name: str) -> str:
-    return f"Hullo, {name}!"
+    return f"Hello, {name}!"
*** End Patch"""
_RUN_TESTS: Final = "python3 -B -m unittest tests.test_greet 2>&1"
_STEPS: Final = ("Make the package", "Break it on purpose", "Mend it")
LAST_WORDS: Final = "The package greets people. Its test failed when I broke it, and passes again."


def task_steps(shell: str) -> tuple[Step, ...]:
    """The calls, one after another; `shell` is the name of the tool that runs a line."""

    def run(line: str) -> Step:
        return shell, {"cmd" if shell == "exec_command" else "command": line}

    return (
        _plan(0),
        ("apply_patch", {"input": _PACKAGE}),
        run(_RUN_TESTS),
        _plan(1),
        run("sed -i.before s/Hello/Hullo/ greet/__init__.py && rm greet/__init__.py.before"),
        run(_RUN_TESTS),
        _plan(2),
        ("apply_patch", {"input": _MEND}),
        run(_RUN_TESTS),
        _plan(3),
    )


def _plan(done: int) -> Step:
    """A plan with so many steps done."""
    statuses = ["completed"] * done + ["in_progress"] + ["pending"] * len(_STEPS)
    steps = [
        {"step": step, "status": status} for step, status in zip(_STEPS, statuses, strict=False)
    ]
    return "update_plan", {"plan": steps}
