"""The variables that a client passes for the commands of a turn: the session of the shell that sent it.

Law: they are in memory only. No event, log or file has them, so after a restart a turn has the environment of
the new daemon. The model for this is `update-environment` of tmux(1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Passed = Mapping[str, str | None]  # None: the client's shell does not have the variable

# The turns and threads whose variables are kept: far more than have work at a time.
KEPT_MAX: Final = 1_000


class PassedVariables:
    """The passed variables of turns, and of threads for turns whose client passes none."""

    def __init__(self, taken: Callable[[Mapping[str, str]], None]) -> None:
        """`taken` is called with the variables that are set before any command has them."""
        self._taken = taken
        self._kept: dict[str, Passed] = {}  # by the id of a turn or a thread, the newest last

    def begin(self, thread_id: str, turn_id: str, passed: Passed | None) -> None:
        """A turn is about to begin; None: its client passes nothing, and the thread's last variables count."""
        if passed is None:
            passed = self.last(thread_id)
        else:
            self._taken({name: value for name, value in passed.items() if value is not None})
        if passed is None:
            return
        for key in (turn_id, thread_id):
            self._kept.pop(key, None)
            self._kept[key] = passed
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    def last(self, thread_id: str) -> Passed | None:
        """The variables of the thread's last turn; None if none were passed."""
        return self._kept.get(thread_id)

    def of_turn(self, turn_id: str) -> Passed:
        """The variables for the commands of a turn."""
        return self._kept.get(turn_id, {})


def with_passed(login: Mapping[str, str], own: Mapping[str, str], passed: Passed) -> dict[str, str]:
    """A login environment as if the login shell had been started in the client's shell.

    Args:
        own: what the login shell was started with. A variable that the client lacks is removed only if it
            comes from there, and not from a file of the login shell.
    """
    changed = dict(login)
    for name, value in passed.items():
        if value is not None:
            changed[name] = value
        elif login.get(name) == own.get(name):
            changed.pop(name, None)
    path = passed.get("PATH")
    if path is not None:
        replaced = [own[name] for name in passed if name in own and passed[name] != own[name]]
        changed["PATH"] = _path(path, login.get("PATH", ""), own.get("PATH", ""), replaced)
    return changed


def _path(passed: str, login: str, own: str, replaced: list[str]) -> str:
    """The folders of the client's PATH, then those that the login shell adds.

    `replaced` has values that the client does not have any more; a folder within such a value is left out.
    """
    theirs, logins = passed.split(":"), login.split(":")
    if passed == own and set(theirs) <= set(logins):
        return login
    stale = tuple(f"{value.rstrip('/')}/" for value in replaced if value.strip("/"))
    added = [
        folder for folder in logins if folder not in theirs and not f"{folder}/".startswith(stale)
    ]
    return ":".join([*theirs, *added])
