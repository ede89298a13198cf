"""Commands about what waits in a thread and what was seen of it: they start nothing by themselves."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from codexd.core.values.ids import ItemId
from codexd.core.values.items import UserInput


class CommandBase(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all commands."""


class RenameThread(CommandBase, frozen=True, kw_only=True):
    """Set or remove the thread's name."""

    name: str | None


class UnarchiveThread(CommandBase, frozen=True, kw_only=True):
    """Unarchive the thread."""


class WithdrawInput(CommandBase, frozen=True, kw_only=True):
    """Withdraw a queued input."""

    item_id: ItemId


class ReviseInput(CommandBase, frozen=True, kw_only=True):
    """Replace the content of a queued input, which keeps its place."""

    item_id: ItemId
    content: tuple[UserInput, ...]
    client_metadata: Mapping[str, str] | None = None  # None or empty: it keeps its own


class ReorderInputs(CommandBase, frozen=True, kw_only=True):
    """Let the queued inputs start their turns in this order."""

    item_ids: tuple[ItemId, ...]  # of all of them


class MarkRead(CommandBase, frozen=True, kw_only=True):
    """Mark the thread as read, or as unread."""

    unread: bool
    revision: int | None  # that the client has seen; None: what it sent is no number of a revision


class InjectItems(CommandBase, frozen=True, kw_only=True):
    """Add items to the model's history."""

    items: tuple[msgspec.Raw, ...]
