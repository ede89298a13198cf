"""The params and results of `feedback/*`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class FeedbackUploadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Send a report to the configured endpoint."""

    classification: str  # bug, bad_result, good_result, over_refusal_safety_classifier, other
    reason: str | None = None  # in the person's words
    thread_id: str | None = None
    include_logs: bool = False  # whether the daemon's log and the thread's are in it
    extra_log_files: tuple[str, ...] | None = None  # absolute paths
    tags: Mapping[str, str] | None = None


class FeedbackSaveParams(FeedbackUploadParams, frozen=True, rename="camel", kw_only=True):
    """Save a report as a file."""

    save_path: str  # absolute; a new ZIP file


class FeedbackUploadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What the report is about."""

    thread_id: str
    prompt_hash: str | None = None  # of the thread's base instructions


class FeedbackSaveResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The same, and the file."""

    thread_id: str
    saved_path: str
    prompt_hash: str | None = None
