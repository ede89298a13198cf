"""The scripted model as a process of its own, which ends with the process that started it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def model_process() -> Iterator[str]:
    """A model that plays what prompts say; its base URL."""
    program = [sys.executable, "-m", "codexd.models.scripted", "--until-stdin-closes"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
