"""What a person may ask a hook to run for; anything else is refused with a sentence, and nothing is added."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from codexd.hooks.hook import Hook, InvalidHook, check_hook, events_of

HOOK = Hook("phone", ("turn.completed",), ("push",), "/work")


@pytest.mark.parametrize(
    ("words", "events"),
    [
        (["turn.completed"], ("turn.completed",)),
        (["done"], ("turn.completed", "turn.failed")),
        (["waiting", "approval.requested"], ("approval.requested",)),
        (["turn.*", "*"], ("turn.*", "*")),
    ],
)
def test_types_of_events_beginnings_of_them_and_plain_words(
    words: list[str], events: tuple[str, ...]
) -> None:
    assert events_of(words) == events


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("turn.complete", "did you mean 'turn.completed'?"),
        ("waitin", "did you mean 'waiting'?"),
        ("turns.*", "turns.*"),
        ("", "events.md"),
    ],
)
def test_an_event_that_there_is_not_is_refused_with_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(InvalidHook) as refused:
        events_of([word])
    assert hint in str(refused.value)
    assert "othing was added" in str(refused.value)


def test_no_event_is_refused() -> None:
    with pytest.raises(InvalidHook, match="at least one"):
        events_of([])


@pytest.mark.parametrize(
    "hook",
    [
        HOOK,
        replace(HOOK, argv=(), receiver="desktop"),
        replace(HOOK, argv=(), receiver="ntfy", url="https://ntfy.sh/topic"),
        replace(HOOK, argv=(), receiver="webhook", url="http://localhost:1/x"),
    ],
)
def test_a_command_or_a_receiver_with_its_address_is_a_hook(hook: Hook) -> None:
    check_hook(hook)


@pytest.mark.parametrize(
    "hook",
    [
        replace(HOOK, name=""),
        replace(HOOK, name="../x"),
        replace(HOOK, name="x" * 65),
        replace(HOOK, name="notify"),
        replace(HOOK, argv=()),
        replace(HOOK, argv=("",)),
        replace(HOOK, argv=("a", "\0")),
        replace(HOOK, cwd="here"),
        replace(HOOK, receiver="desktop"),
        replace(HOOK, argv=(), receiver="ntfy"),
        replace(HOOK, argv=(), receiver="webhook", url="ftp://x"),
        replace(HOOK, argv=(), receiver="desktop", url="https://x"),
    ],
)
def test_anything_else_is_refused(hook: Hook) -> None:
    with pytest.raises(InvalidHook, match=r"expected .* nothing was added"):
        check_hook(hook)
