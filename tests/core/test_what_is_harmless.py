"""A shell line is harmless when all of it is understood and known to only read; anything else is asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.shell.read_only_commands import is_read_only, reading_of
from codexd.core.shell.shell_line import LINE_CHARS_MAX

TABLES = Path(__file__).parent / "tricky_lines"
# One line of a shell each: what only reads and runs unasked, and what a person is asked about.
READS = (TABLES / "reads.txt").read_text("utf-8").splitlines()
ASKED = (TABLES / "asked.txt").read_text("utf-8").splitlines()


def test_the_table_of_tricky_lines_states_its_count() -> None:
    assert (len(READS), len(ASKED)) == (219, 673)
    assert len({*READS, *ASKED}) == len(READS) + len(ASKED) >= 400


@pytest.mark.parametrize("line", READS)
def test_reading_is_harmless(line: str) -> None:
    assert is_read_only(line)


@pytest.mark.parametrize("line", ASKED)
def test_a_program_that_may_do_more_than_read_is_not(line: str) -> None:
    assert not is_read_only(line)


@pytest.mark.parametrize(
    "line",
    ["", " ", "\t", "ls\nrm x", "ls\n", "ls\rrm x", "ls\x00", "ls\x7f", "ls 'a\nb'", "ls\v-l"],
)
def test_no_line_and_several_lines_are_not(line: str) -> None:
    assert not is_read_only(line)


def test_a_space_of_another_script_joins_nothing_and_separates_nothing() -> None:
    assert not any(is_read_only(f"ls{space}x") for space in "\u00a0\u2003\u3000\u0085\u200b")


def test_letters_of_any_script_may_be_in_quotes() -> None:
    assert is_read_only("cat 'häuser/日本.txt' \"größe\"")


def test_a_line_that_is_too_long_is_not() -> None:
    assert is_read_only("echo " + "x" * (LINE_CHARS_MAX - 5))
    assert not is_read_only("echo " + "x" * (LINE_CHARS_MAX - 4))


def test_it_says_which_programs_run_and_where() -> None:
    read = reading_of("cd a && cat b | sort && git -C c log && cd")
    assert read is not None
    assert read.programs == frozenset({"cd", "cat", "git", "sort"})
    assert read.folders == frozenset({"a", "c", "~"})
    assert reading_of("cat a | sh") is None


@pytest.mark.parametrize(
    "line",
    [
        "cat {}/dev/x",
        "awk '{{print $1{}x}}' a",
        "awk 'NR > 1{}x' a",
        "sed -n '{}x' a",
        "sed 's/{}x' a",
        "printf '%{}x'",
        "git log --format='%{}x'",
        "ls {}>x",
        "jq {}x",
    ],
)
@pytest.mark.parametrize("piece", ["../", "./", "/", " ", "1", "1p;", "\\.", "-", "+ ", "%", "en"])
def test_judging_a_long_line_takes_no_longer_for_each_of_its_letters(line: str, piece: str) -> None:
    def longest(count: int) -> float:
        given = line.format(piece * (count // len(piece)))
        began = time.process_time()
        is_read_only(given)
        return time.process_time() - began

    # A quadratic search would need a second for the longest line: of the processor,
    # however busy the machine is.
    assert any(longest(LINE_CHARS_MAX - 100) < 0.1 for _ in range(3))


@settings(max_examples=50)
@given(st.text(alphabet="ls |&;<>$`\"'\\(){}#=\n*-\0é", max_size=30))
def test_any_line_is_judged_and_more_after_its_quotes_is_never_harmless(line: str) -> None:
    assert is_read_only(line) in (True, False)
    if "'" not in line and '"' not in line:
        for more in (
            "; rm x",
            " && rm x",
            " | sh",
            " > x",
            " 2>x",
            " >/dev/null rm x;rm x",
            " $(rm x)",
            " `rm x`",
            " &",
            "\nrm x",
        ):
            assert not is_read_only(line + more)
