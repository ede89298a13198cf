"""A hook: for which events of which threads a command runs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from codexd.core.events.events import EVENTS
from codexd.core.values.shown import shown_url

# What people wait for, under plain names.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "waiting": ("approval.requested",),
    "done": ("turn.completed", "turn.failed"),
}
# It stands in keys, in names of checkpoints and on screens.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# As the name of the command of `notify` in config.toml, which nobody adds.
NOTIFY: Final = "notify"


Receiver = Literal["desktop", "ntfy", "webhook"]


class InvalidHook(Exception):
    """The hook cannot be; the message says what was expected."""


class Hook(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A person's command, and the events that it runs for."""

    name: str
    events: tuple[str, ...]  # types of events; `turn.*` is all that begin so, `*` is every event
    argv: tuple[str, ...]
    cwd: str  # absolute
    thread_id: str | None = None  # None: every thread
    since_us: int = 0  # events from before this time are passed over; microseconds since 1970
    generation: int = 1  # one more each time that it is to run again for the past
    # What notifies a person in place of a command; it does not while a client follows the thread.
    receiver: Receiver | None = None
    url: str | None = None  # of ntfy, with the topic, or of a webhook

    def wants(self, event: str, thread_id: str) -> bool:
        """Whether it runs for events of this type in this thread."""
        if self.thread_id not in (None, thread_id):
            return False
        return any(
            event.startswith(wanted[:-1]) if wanted.endswith("*") else event == wanted
            for wanted in self.events
        )

    @property
    def consumer(self) -> str:
        """The name of its checkpoints."""
        return f"hook.{self.name}.{self.generation}"


def events_of(words: Sequence[str]) -> tuple[str, ...]:
    """The types of events that a person names. Raises: InvalidHook."""
    found: dict[str, None] = {}
    for word in words:
        found |= dict.fromkeys(ALIASES.get(word, (word,)))
    for wanted in found:
        if wanted.endswith("*"):
            known = any(event.startswith(wanted[:-1]) for event in EVENTS)
        else:
            known = wanted in EVENTS
        if not known:
            import difflib  # only mistakes need it

            near = difflib.get_close_matches(wanted, [*EVENTS, *ALIASES], 1)
            hint = f"did you mean {near[0]!r}?" if near else "the page events.md has all of them."
            raise InvalidHook(
                f"expected a type of event, such as turn.completed, turn.* or waiting, found {wanted[:80]!r}: "
                f"{hint} Nothing was added"
            )
    if not found:
        raise InvalidHook("expected at least one type of event, found none; nothing was added")
    return tuple(found)


def check_hook(hook: Hook) -> None:
    """Check a hook that a person wants. Raises: InvalidHook."""
    if NAME.fullmatch(hook.name) is None or hook.name == NOTIFY:
        raise InvalidHook(
            f"expected a name of letters, digits, `.`, `-` and `_`, at most 64 of them and not {NOTIFY!r}, "
            f"found {hook.name[:80]!r}; nothing was added"
        )
    if bool(hook.argv) == (hook.receiver is not None):
        found = "both" if hook.argv else "neither"
        raise InvalidHook(
            f"expected a command or a receiver (desktop, ntfy, webhook), found {found}; nothing was added"
        )
    if (hook.url is not None) != (hook.receiver in ("ntfy", "webhook")):
        raise InvalidHook(
            "expected an address for the receivers ntfy and webhook, and for nothing else; nothing was added"
        )
    if hook.url is not None and not hook.url.lower().startswith(("http://", "https://")):
        raise InvalidHook(
            f"expected an http or https address, found {shown_url(hook.url)[:80]!r}; nothing was added"
        )
    if hook.argv and not hook.argv[0]:
        raise InvalidHook(
            "expected the name or the path of a program, found none; nothing was added"
        )
    if any("\0" in word for word in hook.argv):
        raise InvalidHook(
            "expected a command without NUL, which no process can be given; nothing was added"
        )
    if not hook.cwd.startswith("/"):
        raise InvalidHook(
            f"expected an absolute folder to run in, found {hook.cwd[:80]!r}; nothing was added"
        )
