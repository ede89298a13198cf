"""Which thread an argument of the command line names."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd_frontends.cli.thread_ref import find_thread_id, last_thread, short_id_chars
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError

from . import said
from .fake_daemon import FakeDaemon, Json

MOON = "019a1111-0000-7000-8000-000000000001"
SUN = "019a1112-0000-7000-8000-000000000002"
OLD = "019a0999-0000-7000-8000-000000000003"


def listing(request: Json) -> list[Json]:
    """Two threads on pages of one, and one in the archive."""
    params = request["params"]
    if params["archived"]:
        page: Json = {"data": [said.thread(OLD, name="old")], "nextCursor": None}
    elif params["cursor"] is None:
        page = {"data": [said.thread(MOON, name="moon")], "nextCursor": "more"}
    else:
        page = {"data": [said.thread(SUN, name="sun")], "nextCursor": None}
    return [{"id": request["id"], "result": page}]


def found(folder: Path, word: str) -> str:
    with FakeDaemon(folder) as fake:
        fake.answer_by("thread/list", listing)
        with Daemon.connect(fake.path) as daemon:
            return find_thread_id(daemon, word)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        (SUN, SUN),
        (SUN.upper(), SUN),
        ("019a1112", SUN),
        ("019A1111", MOON),
        ("moon", MOON),
        ("sun", SUN),
        ("old", OLD),
        ("019a0", OLD),
    ],
)
def test_an_id_its_beginning_or_a_name_will_do(tmp_path: Path, word: str, meant: str) -> None:
    assert found(tmp_path, word) == meant


def test_a_full_id_is_taken_at_its_word(tmp_path: Path) -> None:
    assert found(tmp_path, said.THREAD) == said.THREAD


def test_several_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        found(tmp_path, "019a111")
    assert str(raised.value) == (
        f"'019a111' may be any of 2 threads:\n  {MOON}  moon\n  {SUN}  sun"
    )


def test_none_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no thread is called 'mars', by id or by name"):
        found(tmp_path, "mars")


def test_three_characters_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs 4 characters"):
        found(tmp_path, "019")


def test_the_last_thread_is_the_most_recently_used(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", {"data": [said.thread(SUN)], "nextCursor": None})
        with Daemon.connect(fake.path) as daemon:
            assert last_thread(daemon).id == SUN
        params = fake.wait_for("thread/list")
    assert (params["sortKey"], params["sortDirection"]) == ("updated_at", "desc")


def test_without_threads_there_is_no_last_thread(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", {"data": [], "nextCursor": None})
        with (
            Daemon.connect(fake.path) as daemon,
            pytest.raises(UsageError, match="there is no thread yet"),
        ):
            last_thread(daemon)


def test_short_ids_are_as_long_as_it_takes() -> None:
    assert short_id_chars([]) == 8
    assert short_id_chars([MOON]) == 8
    assert short_id_chars([MOON, SUN, OLD]) == 8
    assert short_id_chars([MOON, MOON[:-1] + "9"]) == 36
