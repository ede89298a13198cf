"""Where a thread comes from, as Codex calls it: the program that began it.

Source: `SessionSource` and `ThreadSourceKind` of Codex's protocol. Every thread that a client of an app server
begins is of "vscode", whatever the client's name: Codex's own word for it, which its resume picker looks for.
"""

from __future__ import annotations

from typing import Final

# Of threads that clients begin over the socket.
OF_CLIENTS: Final = "vscode"
# The words of Codex; a thread of any other word is of a kind that Codex calls custom.
WORDS: Final = frozenset({"cli", "vscode", "exec", "appServer", "unknown"})
CUSTOM: Final = "custom"
# A client's reason for an ephemeral thread in which it asks for the title of another thread.
TITLE_THREAD: Final = "thread_title"
# The kinds that a list shows where its client names none: threads that a person has spoken in.
INTERACTIVE: Final = ("cli", CUSTOM, "vscode")


def kind_of(source: str) -> str:
    """The kind of a source, for lists."""
    return source if source in WORDS else CUSTOM
