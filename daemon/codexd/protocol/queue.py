"""The params and results of `thread/queue/*`: prompts that wait for their turns.

Law: an entry of the queue has the id of the message that it will be.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from codexd.core.values.items import UserInput
from codexd.protocol.turns import Turn


class QueuedSubmission(msgspec.Struct, frozen=True, rename="camel"):
    """A prompt that waits."""

    id: str
    input: tuple[UserInput, ...]
    client_user_message_id: str
    responsesapi_client_metadata: Mapping[str, str] | None = None


class _OfThread(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    thread_id: str


class ThreadQueueAddParams(_OfThread, frozen=True, kw_only=True):
    """Queue a prompt; its turn starts when those before it have ended, at once if there are none."""

    input: tuple[UserInput, ...]
    client_user_message_id: str
    responsesapi_client_metadata: Mapping[str, str] | None = None


class ThreadQueueAddResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The prompt, as it was queued."""

    queued_submission: QueuedSubmission


class ThreadQueueListParams(_OfThread, frozen=True, kw_only=True):
    """List the prompts that wait, in the order of their turns."""

    cursor: str | None = None
    limit: int | None = None


class ThreadQueueListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the queue."""

    data: tuple[QueuedSubmission, ...]
    next_cursor: str | None = None


class ThreadQueueUpdateParams(_OfThread, frozen=True, kw_only=True):
    """Replace the words of a prompt that waits; it keeps its place."""

    queued_submission_id: str
    input: tuple[UserInput, ...]
    responsesapi_client_metadata: Mapping[str, str] | None = None  # empty or null: it keeps its own


class ThreadQueueUpdateResponse(ThreadQueueAddResponse, frozen=True):
    """The prompt as it is now."""


class ThreadQueueDeleteParams(_OfThread, frozen=True, kw_only=True):
    """Withdraw a prompt that waits."""

    queued_submission_id: str


class ThreadQueueDeleteResponse(msgspec.Struct, frozen=True):
    """Whether it still waited."""

    deleted: bool


class ThreadQueueReorderParams(_OfThread, frozen=True, kw_only=True):
    """Put the prompts that wait into another order."""

    queued_submission_ids: tuple[str, ...]  # of all of them


class ThreadQueueReorderResponse(msgspec.Struct, frozen=True):
    """Done."""


class ThreadQueueStartParams(_OfThread, frozen=True, kw_only=True):
    """Start the turn of a prompt that waits, if no turn runs; null: of the first."""

    queued_submission_id: str | None = None


class ThreadQueueStartResponse(msgspec.Struct, frozen=True):
    """The turn."""

    turn: Turn
