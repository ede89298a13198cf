"""codexctl show --full and --item: all that commands printed, drawn safely or byte for byte, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.models.scripted.scripts import Call, Say
from codexd_frontends.commands.outputs import OutputPart
from codexd_frontends.commands.show import drawn_output
from codexd_frontends.screen.style import Style
from codexd_frontends.screen.whole_output import PART_CHARACTERS_MAX, WholeOutput
from daemon_house import Daemon, Home
from peak_memory import HAS_PROC

from .codexctl import codexctl, command, new_thread, playing, terminal

PLAIN = Style(False)


def drawn(*parts: bytes) -> str:
    output = WholeOutput(PLAIN)
    return "".join([*map(output.grow, parts), output.end()])


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_what_is_drawn_does_not_depend_on_how_the_output_comes(
    data: bytes, cuts: list[int]
) -> None:
    places = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(places)]
    assert drawn(*parts) == drawn(data)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"", ""),
        (b"a\nb", "  a\n  b\n"),
        (b"a\r\n\r\nb\r\n", "  a\n  \n  b\n"),
        (b"10%\r20%\n", "  10%\\u{d}20%\n"),
        (b"\x1b[31mred\x1b]0;title\x07", "  \\u{1b}[31mred\\u{1b}]0;title\\u{7}\n"),
        ("a\u202eb\u200bc".encode(), "  a\\u{202e}b\\u{200b}c\n"),
        (b"a\xff\0b\n", "  a\ufffd\\u{0}b\n"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(printed: bytes, shown: str) -> None:
    assert drawn(printed) == shown


def test_a_line_without_an_end_is_drawn_in_parts() -> None:
    output, written = WholeOutput(PLAIN), ""
    for _ in range(5):
        written += output.grow(b"x" * PART_CHARACTERS_MAX)
        assert len(written) % PART_CHARACTERS_MAX in (0, 2)
    assert len(written) >= 4 * PART_CHARACTERS_MAX
    assert written + output.end() == "  " + "x" * 5 * PART_CHARACTERS_MAX + "\n"


def test_what_was_printed_beyond_the_limit_is_counted() -> None:
    parts = [OutputPart(b"a\n"), OutputPart(b"b\n", lost_bytes=1000)]
    text = "".join(piece.text for piece in drawn_output(parts, PLAIN))
    assert text == "  a\n  b\n  … 1,000 more bytes were printed, and not kept\n"


def run(line: str) -> Call:
    return Call("shell_command", json.dumps({"command": line, "timeout_ms": 100_000}))


def ran(home: Home, *lines: str) -> tuple[str, list[str]]:
    """A thread that has run these lines, and their items."""
    with playing(*map(run, lines), Say(("done",))) as model:
        home.use_model(model.base_url)
        thread = new_thread(home, "go")
    (turn,) = codexctl(home, "show", thread, "--json").json["turns"]
    return thread, [item["id"] for item in turn["items"] if item["type"] == "commandExecution"]


def test_show_full_has_every_line_and_names_each_command(daemon: Daemon) -> None:
    thread, (count, colour, none) = ran(daemon.home, "seq 20000", r"printf '\033[1mbold'", "false")
    short = codexctl(daemon.home, "show", thread).out
    assert " more lines\n" in short
    assert "s · all of it: codexctl show --full\n" in short
    assert "\n  15000\n" not in short
    lines = codexctl(daemon.home, "show", thread, "--full").out.splitlines()
    begin = lines.index("$ seq 20000")
    assert lines[begin + 1 : begin + 20001] == [f"  {n}" for n in range(1, 20001)]
    assert lines[begin + 20001].endswith(f"s · item {count}")
    assert "  \\u{1b}[1mbold" in lines
    assert [line for line in lines if line.endswith((f"item {colour}", f"item {none}"))]
    assert lines[-2:] == ["done", lines[-1]]
    one = codexctl(daemon.home, "show", thread, "--item", count).out
    assert one == "".join(f"  {n}\n" for n in range(1, 20001))


def test_raw_output_is_byte_for_byte_and_never_for_a_terminal(daemon: Daemon) -> None:
    thread, (item,) = ran(daemon.home, r"printf '\033[1m\377\000\r\n'")
    words = ("show", thread, "--item", item, "--raw")
    raw = subprocess.run(command(*words), env=daemon.home.env, capture_output=True, check=True)
    assert raw.stdout == b"\x1b[1m\xff\0\r\n"
    with terminal(daemon.home, *words) as seen:
        seen.wait_for("raw output could drive the terminal")
    for wrong, reason in (
        (("--raw",), "say which with --item"),
        (("--item", item, "--json"), "has no JSON form"),
        (("--item", "x"), "expected a command of the thread"),
    ):
        refused = codexctl(daemon.home, "show", thread, *wrong)
        assert refused.code != 0
        assert reason in refused.err + refused.out, refused


LINE = "x" * 1023
_MEASURED = """
import sys
from pathlib import Path
from codexd_frontends.ctl import main
code = main(sys.argv[1:])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line for line in lines if line.startswith("VmHWM:")).split()[1], file=sys.stderr)
raise SystemExit(code)
"""


def measured(home: Home, file: Path, *words: str) -> int:
    """What codexctl held in memory at most, in bytes; its output goes into the file."""
    with file.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, *words],
            env=home.env,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="memory is measured by /proc")
def test_an_output_of_all_that_is_kept_takes_little_memory(home: Home, tmp_path: Path) -> None:
    printed = 60 << 20  # nearly all that is kept of a command
    daemon = home.start()
    ran(home, "true")
    before = daemon.resident_bytes(most=True)
    thread, (item,) = ran(home, f"yes {LINE} | head -c {printed}")
    file = tmp_path / "out"
    least = measured(home, file, "show", thread)
    raw = measured(home, file, "show", thread, "--item", item, "--raw")
    expected = hashlib.sha256(f"{LINE}\n".encode() * (printed // 1024)).hexdigest()
    with file.open("rb") as out:
        assert hashlib.file_digest(out, "sha256").hexdigest() == expected
    full = measured(home, file, "show", thread, "--full")
    assert file.stat().st_size > printed + 2 * printed // 1024 - 1
    grown = daemon.resident_bytes(most=True) - before
    assert grown < 48 << 20
    assert max(raw, full) - least < 24 << 20
