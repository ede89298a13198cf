"""What to type next, as codexctl tells it. Pure."""

from __future__ import annotations

import shlex

from codexd_frontends.screen.drawn import one_line


def how_to_answer(thread_id: str, approval_id: str) -> list[str]:
    """The commands that answer one approval, and no other."""
    # Logs of earlier versions name approvals by what a model wrote.
    answer = f"  codexctl approve {thread_id} {shlex.quote(one_line(approval_id))}"
    return [answer, f"{answer} --decline"]
