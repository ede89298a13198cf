"""A command as it is shown in a question: what a shell reads is what would run, and every character is seen."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from codexd.projections.quoting import quoted
from codexd.protocol.display.visible import visible_text

# C0, DEL, C1, Latin, marks, fillers, spaces, bidi, tags, pictures and their joiners.
CHARACTERS = [
    *map(chr, range(0x01, 0x370)),
    *map(chr, range(0x1100, 0x1200)),
    *map(chr, range(0x2000, 0x2070)),
    *"\u2800\u3000\u3164\ufe0f\ufeff\uffa0\ue000\U0001f600\U000e0041\U00013441",
]
WORDS = (
    *(f"a{char}b" for char in CHARACTERS),
    *("".join(CHARACTERS[at : at + 7]) for at in range(0, len(CHARACTERS), 7)),
    "it's",
    "",
    "\\u{200b}",
    "$'\\x41'\u200b",
    "a\nb\tc",
    "x'\u200b'\\",
)


def reads_code_points(bash: str) -> bool:
    """Whether it is a bash of 4.2 or later."""
    said = subprocess.run([bash, "-c", "printf %s $'\\u0041'"], check=True, capture_output=True)
    return said.stdout == b"A"


def test_a_shell_reads_the_words_that_would_run() -> None:
    bash = shutil.which("bash")
    if bash is None or not reads_code_points(bash):
        pytest.skip("there is no bash here that reads $'\\u200b'")
    read = subprocess.run(
        [bash, "-c", f"printf '%s\\0' {quoted(WORDS)}"],
        check=True,
        capture_output=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert tuple(read.stdout.decode().split("\0")[:-1]) == WORDS


def test_every_character_of_it_is_seen() -> None:
    for word in WORDS:
        assert visible_text(quoted((word,))) == quoted((word,)).replace("\\u{", "\\u{5c}u{")


def test_visible_text_is_quoted_as_usual() -> None:
    assert quoted(("/bin/sh", "-c", "echo it's; ls")) == "/bin/sh -c 'echo it'\"'\"'s; ls'"
