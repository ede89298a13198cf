"""No call of the library is given more than a window of a long text, and the matches are those of the whole."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator

import pytest

from codexd.redaction.redactor import Redactor
from codexd.redaction.strings import edit_strings
from codexd.redaction.windows import MATCH_BYTES_MAX, WINDOW_BYTES, is_in, matches_in
from made_up_secrets import CASES

REDACTOR = Redactor({"API_TOKEN": "k3yWithoutAnythingOdd"})


class Counted:
    """An expression that notes how much of a text each of its searches may see."""

    def __init__(self, regex: bytes) -> None:
        self._regex = re.compile(regex)
        self.most = 0
        self.calls = 0

    def finditer(self, text: bytes, at: int, end: int) -> Iterator[re.Match[bytes]]:
        self._note(at, min(end, len(text)))
        return self._regex.finditer(text, at, end)

    def search(self, text: bytes, at: int, end: int) -> re.Match[bytes] | None:
        self._note(at, min(end, len(text)))
        return self._regex.search(text, at, end)

    def match(self, text: bytes, at: int) -> re.Match[bytes] | None:
        return self._regex.match(text, at)

    def _note(self, at: int, end: int) -> None:
        self.most = max(self.most, end - at)
        self.calls += 1


@pytest.mark.parametrize("text", [b"a" * 3_000_000, b"x-12345 " * 400_000, b"\n" * 3_000_000])
def test_a_search_sees_no_more_than_a_window(text: bytes) -> None:
    for regex in (rb"x-[0-9]{5}", rb"y", rb"[a-z]{3}!"):
        counted = Counted(regex)
        found = [match.span() for match in matches_in(counted, text)]  # type: ignore[arg-type]
        assert found == [match.span() for match in re.finditer(regex, text)]
        assert counted.most <= WINDOW_BYTES + MATCH_BYTES_MAX
        assert counted.calls >= len(text) // (WINDOW_BYTES + MATCH_BYTES_MAX)
        again = Counted(regex)
        assert is_in(again.search, text, MATCH_BYTES_MAX) is bool(found)
        assert again.most <= WINDOW_BYTES + MATCH_BYTES_MAX


@pytest.mark.parametrize("window", [1, 2, 3, 7, 50])
def test_windows_of_any_size_find_what_one_search_finds(window: int) -> None:
    chance = random.Random(window)
    cases = 0
    for _ in range(300):
        text = bytes(chance.choice(b"ab1- ") for _ in range(60))
        for regex in (
            rb"(?<![a-z])a[b1]{1,6}",
            rb"b+",
            rb"-[ab]{2}(?![0-9])",
            rb"a.b",
            rb"1{1,3}-",
        ):
            pattern = re.compile(regex)
            found = [match.span() for match in matches_in(pattern, text, window=window, reach=8)]
            assert found == [match.span() for match in pattern.finditer(text)]
            cases += 1
    print(f"texts: {cases}")


@pytest.mark.parametrize(("kind", "token"), [case for case in CASES if len(case[1]) < 200])
def test_a_secret_where_two_windows_meet_is_found(kind: str, token: str) -> None:
    for shift in range(-len(token), 1, max(1, len(token) // 3)):
        text = "+ " * ((WINDOW_BYTES + shift) // 2) + f" {token}\n and more" + " w" * 5000
        clean = REDACTOR.text(text)
        assert f"«secret {kind} " in clean
        assert clean.endswith(" and more" + " w" * 5000)


def test_a_known_secret_there_is_found_as_well() -> None:
    for shift in range(25):
        text = b"w" * (WINDOW_BYTES - shift) + b"k3yWithoutAnythingOdd" + b"w" * WINDOW_BYTES
        assert b"k3yWithout" not in REDACTOR(text)


def test_strings_of_a_long_json_are_those_of_a_short_json() -> None:
    chance = random.Random(3)
    pieces = ["word ", '"', "\\", "\n", "é", "🙂", "\u0000", "x" * 5000, '\\"']
    for _ in range(20):
        texts = ["".join(chance.choice(pieces) for _ in range(400)) for _ in range(6)]
        document = json.dumps({"list": texts, "n": 1, texts[0][:9]: [None, "", "a"]})
        marked = edit_strings(document.encode(), lambda text, _: text + b"!")
        long = document[:-1] + " " * 300_000 + "}"
        assert edit_strings(long.encode(), lambda text, _: text + b"!") == (
            marked[:-1] + b" " * 300_000 + b"}"
        )
