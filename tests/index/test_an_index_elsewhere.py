"""An index whose own place cannot be used lies elsewhere, and nothing of it stays when nobody uses it any more."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from codexd.index.store.connections import Connections
from codexd.index.store.fallback import Elsewhere


def test_it_is_made_where_there_is_room_and_goes_with_the_daemon(tmp_path: Path) -> None:
    connections = Connections(tmp_path / "no such" / "state", tmp_path)
    connections.open()
    assert [one.name[:13] for one in tmp_path.iterdir()] == ["codexd-index-"]
    assert connections.path.is_file()
    connections.close()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_daemon_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    used, left = Elsewhere(tmp_path), tmp_path / "codexd-index-left"
    kept = used.take()
    (left / "index.sqlite").parent.mkdir()
    (left / "index.sqlite").write_bytes(b"whatever")
    Elsewhere(tmp_path).remove_left_behind()
    assert list(tmp_path.iterdir()) == [kept]
    used.leave()
    assert not list(tmp_path.iterdir())


def test_what_only_has_such_a_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "codexd-index-link").symlink_to(tmp_path / "precious")
    (tmp_path / "codexd-index-file").write_bytes(b"")
    Elsewhere(tmp_path).remove_left_behind()
    assert len(list(tmp_path.iterdir())) == 3


def test_its_lock_ends_with_whoever_has_it(tmp_path: Path) -> None:
    used = Elsewhere(tmp_path)
    kept = used.take()
    other = os.open(kept, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    used.leave()
    os.close(other)
