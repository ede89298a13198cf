"""The subjects of a review, and a short description of each."""

from __future__ import annotations

from typing import assert_never

import msgspec

from codexd.core.values.ids import ThreadId, TurnId

# The length of a short commit id.
SHORT_SHA_DIGITS = 7


class UncommittedChanges(msgspec.Struct, frozen=True, tag="uncommittedChanges"):
    """The working tree: staged, unstaged and untracked changes."""


class BaseBranch(msgspec.Struct, frozen=True, tag="baseBranch"):
    """The changes of the current branch since another branch."""

    branch: str


class Commit(msgspec.Struct, frozen=True, tag="commit"):
    """The changes of a commit."""

    sha: str
    title: str | None = None  # its subject, for people


class Custom(msgspec.Struct, frozen=True, tag="custom"):
    """A subject as free text."""

    instructions: str


class ReviewOf(msgspec.Struct, frozen=True, rename="camel"):
    """The thread that a reviewer's thread reviews, and the turn of the review."""

    thread_id: ThreadId
    turn_id: TurnId


ReviewTarget = UncommittedChanges | BaseBranch | Commit | Custom


def hint_of(target: ReviewTarget) -> str:
    """The subject for people, in Codex's words, which its clients show."""
    match target:
        case UncommittedChanges():
            return "current changes"
        case BaseBranch():
            return f"changes against '{target.branch}'"
        case Commit():
            title = f": {target.title}" if target.title else ""
            return f"commit {target.sha[:SHORT_SHA_DIGITS]}{title}"
        case Custom():
            return target.instructions.strip()
        case _:
            assert_never(target)


def blank_in(target: ReviewTarget) -> str | None:
    """The required member that is blank; None if there is none."""
    for member in ("branch", "sha", "instructions"):
        if not getattr(target, member, "x").strip():
            return member
    return None


def trimmed(target: ReviewTarget) -> ReviewTarget:
    """The same without surrounding space in its texts."""
    match target:
        case UncommittedChanges():
            return target
        case BaseBranch():
            return BaseBranch(target.branch.strip())
        case Commit():
            return Commit(target.sha.strip(), (target.title or "").strip() or None)
        case Custom():
            return Custom(target.instructions.strip())
        case _:
            assert_never(target)
