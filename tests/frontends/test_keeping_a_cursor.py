"""The position of a frontend: enough to continue after a cut, and nothing more."""

from __future__ import annotations

from codexd_frontends.client.follow import Followed
from codexd_frontends.client.session import Cursor

from . import said
from .said import Json


def past(*messages: Json) -> Cursor:
    cursor = Cursor()
    for message in messages:
        cursor = cursor.past(said.as_message(message))
    return cursor


def test_it_holds_the_last_seq_and_the_length_of_each_open_item() -> None:
    assert past(
        said.turn_started(seq=3),
        said.text_delta("ab", "m1", seq=5, offset=2),
        said.output_delta("xyz", "c1", seq=6, offset=3),
        said.text_delta("c", "m1", seq=5, offset=3),
    ) == Cursor(6, {"m1": 3, "c1": 3})


def test_an_item_that_is_whole_needs_no_place() -> None:
    assert past(
        said.text_delta("ab", "m1", seq=5, offset=2),
        said.text_delta("ab", "m2", seq=5, offset=2),
        said.item_completed(said.agent("ab", "m1"), seq=7),
    ) == Cursor(7, {"m2": 2})


def test_nothing_is_open_after_a_turn() -> None:
    assert past(said.text_delta("ab", "m1", seq=5, offset=2), said.turn_completed(seq=9)) == Cursor(
        9
    )


def test_it_goes_to_the_daemon_as_it_is() -> None:
    assert Cursor(6, {"m1": 3}).as_params() == {"seq": 6, "items": {"m1": 3}}


def test_news_of_other_threads_do_not_move_it() -> None:
    followed = Followed(said.THREAD)
    other = {"threadId": "019a0000-0000-7000-8000-0000000000ff", "status": {"type": "idle"}}
    assert not followed.take(said.as_message(said.note("thread/status/changed", other, seq=99)))
    assert followed.take(said.as_message(said.turn_started(seq=3)))
    assert followed.cursor == Cursor(3)


def test_news_without_params_are_about_no_thread() -> None:
    assert not Followed(said.THREAD).take(said.as_message({"method": "pong"}))
