"""What a review can be of, and how that is called in a few words."""

from __future__ import annotations

from typing import assert_never

import msgspec

from codexd.core.values.ids import ThreadId, TurnId

# As many digits of a commit's id as people know it by.
SHORT_SHA_DIGITS = 7


class UncommittedChanges(msgspec.Struct, frozen=True, tag="uncommittedChanges"):
    """The working tree: what is staged, what is not, and files that git does not know yet."""


class BaseBranch(msgspec.Struct, frozen=True, tag="baseBranch"):
    """What the present branch has that another has not."""

    branch: str


class Commit(msgspec.Struct, frozen=True, tag="commit"):
    """What one commit changed."""

    sha: str
    title: str | None = None  # its subject, for people


class Custom(msgspec.Struct, frozen=True, tag="custom"):
    """Whatever somebody wants looked at, in words of their own."""

    instructions: str


class ReviewOf(msgspec.Struct, frozen=True, rename="camel"):
    """Whose work a reviewer's thread is about: the thread, and the turn in which it is reviewed."""

    thread_id: ThreadId
    turn_id: TurnId


ReviewTarget = UncommittedChanges | BaseBranch | Commit | Custom


def hint_of(target: ReviewTarget) -> str:
    """What is reviewed, for people: the words of the original, which its clients show."""
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
    """The member that must say something and does not; None where all do."""
    for member in ("branch", "sha", "instructions"):
        if not getattr(target, member, "x").strip():
            return member
    return None


def trimmed(target: ReviewTarget) -> ReviewTarget:
    """The same without the space around its words."""
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
