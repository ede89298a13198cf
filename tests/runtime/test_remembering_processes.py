"""Which processes run is kept in a file for each, for the next daemon."""

from __future__ import annotations

from pathlib import Path

from codexd.runtime.actor.crash_files import ProcessFiles


def test_a_process_is_left_with_its_start_time_until_it_is_gone(tmp_path: Path) -> None:
    processes = ProcessFiles(tmp_path / "processes")
    processes.add(17, "1217701")
    processes.add(18, "1217702")
    assert ProcessFiles(tmp_path / "processes").left() == [(17, "1217701"), (18, "1217702")]
    processes.remove(17)
    assert ProcessFiles(tmp_path / "processes").left() == [(18, "1217702")]


def test_a_file_of_an_earlier_process_with_that_number_is_replaced_whole(tmp_path: Path) -> None:
    processes = ProcessFiles(tmp_path / "processes")
    processes.add(17, "Fri Nov 27 13:44:09 2026")
    processes.add(17, "99")
    assert processes.left() == [(17, "99")]
