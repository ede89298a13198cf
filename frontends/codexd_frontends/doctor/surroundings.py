"""What is around this terminal: the service of the daemon, the characters and the colours that can be drawn. I/O."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterator

from codexd.protocol.doctor import OK, WARN, Finding
from codexd_frontends.cli.console import Console
from codexd_frontends.client.errors import CommandError
from codexd_frontends.service.choice import serving_manager
from codexd_frontends.service.manager import Manager

# A manager answers in some milliseconds, unless its bus hangs.
MANAGER_SECONDS_MAX = 3.0


def service(console: Console) -> Iterator[Finding]:
    """Whether a service manager has the daemon, and will keep it."""
    manager = serving_manager(console.socket_path)
    if manager is None:
        says = (
            "not installed, and codexctl starts the daemon; `codexctl service install` installs it"
        )
        yield Finding("service", OK, says)
        return
    answers: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
    look = threading.Thread(target=lambda: answers.put(_looked_at(manager)), daemon=True)
    look.start()
    try:
        yield from answers.get(timeout=MANAGER_SECONDS_MAX)
    except queue.Empty:
        says = f"{manager.name} did not answer within {MANAGER_SECONDS_MAX:g} s"
        yield Finding("service", WARN, says, "codexctl service status")


def _looked_at(manager: Manager) -> list[Finding]:
    try:
        state, advice = manager.state(), manager.advice()
    except CommandError as error:
        return [Finding("service", WARN, str(error), "codexctl service status")]
    says = f"{manager.name}: {state.says}"
    found = [Finding("service", OK, says)]
    if state.stale:
        found = [Finding("service", WARN, state.stale, "codexctl service install")]
    elif not state.listens and not state.active:
        found = [
            Finding("service", WARN, f"{says}; a connection will not start it", "codexctl start")
        ]
    if advice:
        found.append(Finding("service.linger", WARN, advice[0].rstrip(":"), advice[-1].strip()))
    return found


def terminal(console: Console) -> Iterator[Finding]:
    """What stdout can draw."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding == "utf8":
        yield Finding("terminal.locale", OK, "UTF-8")
    else:
        says = f"stdout takes {sys.stdout.encoding}: other characters are written as escapes"
        yield Finding("terminal.locale", WARN, says, "export LANG=C.UTF-8")
    if not console.is_seen:
        yield Finding("terminal", OK, "stdout is no terminal")
    elif os.environ.get("TERM", "") in ("", "dumb"):
        says = "TERM says that it cannot draw colours or erase a line"
        yield Finding("terminal", WARN, says, "export TERM=xterm-256color")
    else:
        yield Finding("terminal", OK, os.environ["TERM"])
