"""codexctl in a process that has it imported: many commands, one after another, each in a folder of its own.

A line of JSON on stdin, [folder, words], is answered by one on stdout, [exit code, what it printed].
Started with `-I`, as the commands are; that nothing is imported from the folder is looked at by whoever asks.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

from codexd_frontends.ctl import main


class _Printed(io.TextIOWrapper):
    """What a command may want of a stream: its bytes, and that it is no terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape")

    @property
    def text(self) -> str:
        """All of it."""
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(errors="replace")


def run(folder: str, words: list[str]) -> tuple[int, str]:
    """One command."""
    os.chdir(folder)
    out, err, asked = _Printed(), _Printed(), sys.stdin
    # The lines that ask for commands are for none of them.
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        open(os.devnull) as nothing,
    ):
        sys.stdin = nothing
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else -1
        finally:
            sys.stdin = asked
    return code, out.text + err.text


if __name__ == "__main__":
    for line in sys.stdin:
        answer = run(*json.loads(line))
        print(json.dumps(answer), flush=True)
