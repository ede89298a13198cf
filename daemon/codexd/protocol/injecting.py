"""The params and results of `thread/inject_items` and `thread/prepareApprovedPlan`."""

from __future__ import annotations

import msgspec


class ThreadInjectItemsParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Add items to the model's history, which no screen shows."""

    thread_id: str
    items: tuple[msgspec.Raw, ...]  # of the Responses API


class ThreadInjectItemsResponse(msgspec.Struct, frozen=True):
    """Done."""


class ThreadPrepareApprovedPlanParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Give a thread a plan that a person has approved, for example in another thread."""

    thread_id: str
    markdown: str
    attachment_path: str | None = None  # the client's copy of the plan, which is not read


class ThreadPrepareApprovedPlanResponse(msgspec.Struct, frozen=True):
    """The plan is in the model's history."""

    prompt: str  # the message by which the client has the plan carried out
