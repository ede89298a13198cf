"""A shell line is harmless when all of it is understood and known to only read; anything else is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.policy.approval import needs_approval
from codexd.core.policy.looked_up import LookedUp
from codexd.core.rules.prefix_rules import PrefixRule, rules_of
from codexd.core.shell.read_only_commands import is_read_only, reading_of
from codexd.core.shell.shell_line import LINE_CHARS_MAX
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand

TABLES = Path(__file__).parent / "tricky_lines"
# One line of a shell each: what only reads and runs unasked, and what a person is asked about.
READS = (TABLES / "reads.txt").read_text("utf-8").splitlines()
ASKED = (TABLES / "asked.txt").read_text("utf-8").splitlines()
# More that is asked about, below the name of the trick.
BY_TRICK: dict[str, list[str]] = {}
for _line in (TABLES / "by_trick.txt").read_text("utf-8").splitlines():
    if _line.startswith("## "):
        _trick = BY_TRICK[_line.removeprefix("## ")] = []
    else:
        _trick.append(_line)
SETTINGS = Settings("/project", "m", "p", "untrusted", "read-only")
RULED = LookedUp(rules=rules_of([PrefixRule(pattern=(("ls",), ("a", "b")))]))
TRICKS = [(name, line) for name, lines in BY_TRICK.items() for line in lines]


def takes_no_longer_for_each_letter(
    judge: Callable[[str], object], longer: str, shorter: str
) -> bool:
    """Whether the time of the processor grows with the length at most, and not with its square."""

    def taken(line: str) -> float:
        began = time.process_time()
        judge(line)
        return time.process_time() - began

    def grows_with_the_length() -> bool:
        # Below a hundredth of a second a clock tells little, and nobody waits.
        allowed = 3 * len(longer) / len(shorter) * min(taken(shorter) for _ in range(3)) + 0.01
        return any(taken(longer) < allowed for _ in range(3))

    return any(grows_with_the_length() for _ in range(3))


def test_the_table_of_tricky_lines_states_its_count() -> None:
    assert (len(READS), len(ASKED), len(TRICKS), len(BY_TRICK)) == (230, 673, 409, 31)
    assert all(BY_TRICK.values())
    lines = [*READS, *ASKED, *(line for _, line in TRICKS)]
    assert len(set(lines)) == len(lines) >= 1200


@pytest.mark.parametrize("line", READS)
def test_reading_is_harmless(line: str) -> None:
    assert is_read_only(line)


@pytest.mark.parametrize("line", ASKED)
def test_a_program_that_may_do_more_than_read_is_not(line: str) -> None:
    assert not is_read_only(line)


@pytest.mark.parametrize(("trick", "line"), TRICKS)
def test_no_trick_makes_a_line_look_as_if_it_only_read(trick: str, line: str) -> None:
    assert not is_read_only(line), trick


@pytest.mark.parametrize(
    "line",
    [
        "ls\u00a0x",
        "l\u200bs",
        "\u200bls",
        "ls\u202e",
        "\ufeffls",
        "ⅼs",
        "lѕ",
        "ｌｓ",
        "ls\u2028rm x",
        "ls\u0085rm x",
        "ls | g\u0433ep x",
        "ls\u3000x",
        "cat \u2018x\u2019; rm x",
        "ls \u037e rm x",  # the Greek question mark looks like a semicolon
        "ls \u2223 sh",
        "cat\u0000 x",
        "c\u0336at x",
        "ls \ud83d",
    ],
)
def test_letters_that_look_like_others_or_like_nothing_are_asked_about(line: str) -> None:
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
        "{}",
        "ls {}",
        "ls '{}",
        'ls "{}',
        "echo $({}",
        "find . {}",
        "xargs {}",
        "git {}",
        "cat <{}",
        "! {}",
    ],
)
@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "$(",
        "`",
        "''",
        '""',
        "\\",
        "{",
        "[",
        "!",
        "! ",
        "; ",
        "ls|",
        "ls && ",
        "-",
        "-exec ls \\; ",
        "a=",
        "<x ",
        "*",
    ],
)
def test_a_deeply_nested_or_very_long_line_is_judged_at_once(line: str, piece: str) -> None:
    def judge(given: str) -> None:
        is_read_only(given)
        needs_approval(SETTINGS, RunCommand(given, (), "/project", 1), frozenset(), RULED)

    longest = line.format(piece * ((LINE_CHARS_MAX - 20) // len(piece)))
    shorter = line.format(piece * ((LINE_CHARS_MAX - 20) // len(piece) // 8))
    assert takes_no_longer_for_each_letter(judge, longest, shorter)
    # A longer line is not read at all.
    unread = line.format(piece * (200_000 // len(piece)))
    assert takes_no_longer_for_each_letter(judge, unread, longest)


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
    longest = line.format(piece * ((LINE_CHARS_MAX - 100) // len(piece)))
    shorter = line.format(piece * ((LINE_CHARS_MAX - 100) // len(piece) // 8))
    assert takes_no_longer_for_each_letter(is_read_only, longest, shorter)


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
