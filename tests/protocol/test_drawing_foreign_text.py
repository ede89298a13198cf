"""Foreign text is drawn so that a screen obeys none of it, hides none of it and turns none of it around."""

from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise

import msgspec
import pytest

from codexd.protocol.display import visible
from codexd.protocol.display.visible import visible_json, visible_line, visible_prose, visible_text

# Whatever a screen obeys, reorders, draws as nothing or as a blank: every code point of these categories.
UNSEEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
UNSEEN_LETTERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\ufe00\ufe0e\ufe0f\uffa0"
    "\U000e0001\U000e0041\U000e007f\U000e0100\U000e01ef"
)


def unseen() -> list[str]:
    everything = map(chr, range(sys.maxunicode + 1))
    found = [char for char in everything if unicodedata.category(char) in UNSEEN_CATEGORIES]
    return [*(char for char in found if char != " "), *UNSEEN_LETTERS]


@pytest.mark.slow
def test_every_code_point_that_is_not_seen_is_written_out() -> None:
    characters = unseen()
    assert len(characters) > 950_000
    for some in (characters[at : at + 1000] for at in range(0, len(characters), 1000)):
        written = [f"a\\u{{{ord(character):x}}}b" for character in some]
        assert visible_line("".join(f"a{character}b" for character in some), 20_000) == "".join(
            written
        )
        drawn = visible_text("".join(f"a{character}b" for character in some))
        kept = {"a\\u{a}b": "a\nb", "a\\u{9}b": "a\tb"}
        assert drawn == "".join(kept.get(text, text) for text in written)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u202e", "\u200b"])
def test_control_characters_are_escaped_at_any_position(character: str) -> None:
    written = f"\\u{{{ord(character):x}}}"
    assert visible_text(f"{character}a{character}{character}") == f"{written}a{written}{written}"


def test_a_line_has_no_line_break_and_a_text_keeps_its_own() -> None:
    assert visible_line("one\n\ttwo\r\n", 40) == "one\\u{a}\\u{9}two\\u{d}\\u{a}"
    assert visible_text("one\n\ttwo\r\n") == "one\n\ttwo\\u{d}\n"


@pytest.mark.parametrize("text", ["a\x1b", "a" * 30, "\x1b" * 30, "ab\x1bcd\x1b" * 5, "中" * 30])
@pytest.mark.parametrize("characters_max", range(1, 31))
def test_a_line_keeps_its_bound_and_says_that_something_is_left_out(
    text: str, characters_max: int
) -> None:
    whole, line = visible_line(text, 1000), visible_line(text, characters_max)
    assert len(line) <= characters_max
    if len(whole) <= characters_max:
        assert line == whole
    else:
        kept = line.removesuffix(visible.CUT)
        assert line == kept + visible.CUT
        assert whole.startswith(kept)
        assert kept.count("{") == kept.count("}"), "an escape is cut in its middle"


def test_two_different_texts_are_never_drawn_alike() -> None:
    pieces = ["\\", "u{", "u", "{", "1b", "}", "\x1b", "\u200b", "5c", "\n"]
    texts = {f"{a}{b}{c}{d}" for a in pieces for b in pieces for c in pieces for d in pieces}
    assert len({visible_line(text, 1000) for text in texts}) == len(texts)
    assert len({visible_text(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "plain words, C:\\users\\u and \\n",
        "ÄÖÜ é ñ ß ø",
        "Ελληνικά Русский 日本語 한국어 ไทย עברית العربية தமிழ் বাংলা",
        "e\u0301 with its accent apart, שָׁלוֹם with its points",
        "می‌خواهم",
        "क्‍ष and क्‌ष",
        "👍 👍🏽 ❤️ ☎︎ 1️⃣ #️⃣ 🇩🇪 👨‍👩‍👧‍👦 👩🏽‍🚒 🏴‍☠️ 🏳️‍🌈",
        "→ ≤ √ ░▒▓ ╭─╮ … “quoted” – €",
    ],
)
def test_usual_text_is_drawn_unchanged(text: str) -> None:
    assert visible_line(text, 1000) == text
    assert visible_text(text) == text
    assert visible_prose(text) == text


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("rm\u200d-rf", "rm\\u{200d}-rf"),
        ("a\u200cb", "a\\u{200c}b"),
        ("می\u200c\u200cخواهم", "می\\u{200c}\\u{200c}خواهم"),
        ("👨\u200d\u200d👩", "👨\\u{200d}\\u{200d}👩"),
        ("👨\u200d", "👨\\u{200d}"),
        ("क्\u200d\u200dष", "क्\u200d\\u{200d}ष"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f\\u{fe0f}"),
        ("x\ufe0f", "x\\u{fe0f}"),
        ("1\ufe0f", "1\\u{fe0f}"),
        ("\ufe0f\u20e3", "\\u{fe0f}\\u{20e3}"),
        ("葛\U000e0100", "葛\\u{e0100}"),
        ("🏴\U000e0067\U000e007f", "🏴\\u{e0067}\\u{e007f}"),
    ],
)
def test_an_invisible_character_stays_only_where_it_belongs(text: str, drawn: str) -> None:
    assert visible_text(text) == drawn
    assert visible_line(text, 1000) == drawn


def test_marks_do_not_climb_into_the_lines_around_them() -> None:
    heap = visible.MARKS_IN_A_ROW_MAX + 2
    drawn = visible_text("o" + "\u0338" * heap)
    assert drawn == "o" + "\u0338" * visible.MARKS_IN_A_ROW_MAX + "\\u{338}" * 2
    assert visible_text("\u0338\n\u0338 \u0338\x1b\u0338").count("\u0338") == 0


def test_blanks_of_other_widths_stay_in_prose_alone() -> None:
    text = "10\u202f000\u00a0€\u3000\x1b\u200b"
    assert visible_prose(text) == "10\u202f000\u00a0€\u3000\\u{1b}\\u{200b}"
    assert visible_text(text) == "10\\u{202f}000\\u{a0}€\\u{3000}\\u{1b}\\u{200b}"


class CountedText(str):
    """A text that counts how many of its characters are taken out."""

    taken = 0

    def __getitem__(self, key: object) -> str:
        found = super().__getitem__(key)  # type: ignore[index]
        self.taken += len(found)
        return found


@pytest.mark.parametrize("unit", ["\x1b", "\u0301", "a\u200d", "👨\u200d", "\\u{", "क्\u200d"])
def test_the_work_grows_as_the_text_does(unit: str) -> None:
    taken = []
    for doublings in range(6, 12):
        text = CountedText(unit * 2**doublings)
        visible_text(text)
        taken.append(text.taken)
    assert all(after <= 2.2 * before for before, after in pairwise(taken))


def test_a_line_of_a_long_text_costs_no_more_than_its_bound() -> None:
    text = CountedText("\x1b\u0301" * 100_000)
    visible_line(text, 60)
    assert text.taken < 60 * (visible.MARKS_IN_A_ROW_MAX + 5)


def test_prose_that_is_drawn_twice_is_drawn_once() -> None:
    for text in ("\\u{1b} \x1b \u200b", "\u0338" * 9, "o" + "\u0338" * 9, "👨\u200d\u200d👩"):
        assert visible_prose(visible_prose(text)) == visible_prose(text)
        assert visible_prose(visible_text(text)) == visible_text(text)


def test_json_on_a_screen_is_ascii_where_it_is_not_seen_and_the_same_value() -> None:
    value = {"a\x9b": 'k"\\\x1b\x7f\u202e\u2066 \U000e0041', "b": ["\\u{1b}", "ü"]}
    encoded = msgspec.json.encode(value)
    drawn = visible_json(encoded)
    assert b"\\u009b" in drawn
    assert b"\\u007f\\u202e\\u2066 \\udb40\\udc41" in drawn
    assert all(char.isprintable() for char in drawn.decode())
    assert msgspec.json.decode(drawn) == value
    plain = msgspec.json.encode({"name": "ü 日本 👨‍👩‍👧 می‌خواهم"})
    assert visible_json(plain) == plain
