"""Bytes that no rollout should have, lines of any length, times of any kind: the rest is read, in bounded memory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codexd.importing.rollout.lines import LINE_BYTES_MAX, read_line, read_time
from codexd.importing.sources import UnreadableSource
from peak_memory import HAS_PROC, peak_mib
from rollout_files import (
    Read,
    answered,
    asked,
    called,
    event,
    lines,
    message,
    meta,
    read_lines,
    written,
)

TURN = [*asked("Go."), called("c1"), answered("c1"), message("assistant", "Done.")]
SHOWN = ["> Go.", "$ bash -lc ls → None 'a\\n' in /w", "Done."]
WHOLE = lines(meta(), *TURN)


@pytest.mark.parametrize(
    ("content", "warned"),
    [
        (b"\xef\xbb\xbf" + WHOLE, []),
        (WHOLE.replace(b"\n", b"\r\n"), []),
        (WHOLE.replace(b"\n", b"\n\n \n"), []),
        (WHOLE.removesuffix(b"\n"), []),
        (
            WHOLE.replace(
                b'{"timestamp": "2025-10-01T04:00:03Z"', b"\0" * 4096 + b'{"timestamp": 1'
            ),
            ["4: expected text, found 4096 zero bytes: these were not imported"],
        ),
        (
            b"\0" * 4096 + WHOLE,
            ["1: expected text, found 4096 zero bytes: these were not imported"],
        ),
        (
            WHOLE + b"\0" * 9,
            [
                "7: expected a whole line, found 9 bytes of one that was cut off: they were not imported"
            ],
        ),
        (
            WHOLE + b'{"timestamp":"2025-10-01T04:00:09Z","type":"ev',
            [
                "7: expected a whole line, found 46 bytes of one that was cut off: they were not imported"
            ],
        ),
    ],
    ids=[
        "BOM",
        "CRLF",
        "empty lines",
        "no last newline",
        "zeros",
        "zeros first",
        "zeros last",
        "cut off",
    ],
)
def test_damage_around_lines_costs_no_line(
    tmp_path: Path, content: bytes, warned: list[str]
) -> None:
    read = Read(written(tmp_path, content))
    assert read.shown == [("completed", SHOWN)]
    assert read.warned == warned


@pytest.mark.parametrize(
    ("text", "shown", "warned"),
    [
        (rb"half \ud83d of it", "half \ufffd of it", []),
        (rb"\ude00 and \ud83d\ude00", "\ufffd and \U0001f600", []),
        (
            b"caf\xe9",
            "caf\ufffd",
            ["2: expected text, found bytes that are not UTF-8: these were not imported"],
        ),
        (
            b"a\0b\xff",
            "ab\ufffd",
            [
                "2: expected text, found 1 zero bytes and bytes that are not UTF-8: these were not imported"
            ],
        ),
        (b"a\\u0000b", "a\0b", []),
    ],
)
def test_damage_within_a_text_costs_a_character(
    tmp_path: Path, text: bytes, shown: str, warned: list[str]
) -> None:
    content = lines(meta(), message("user", "TEXT"), TURN[4]).replace(b"TEXT", text)
    read = Read(written(tmp_path, content))
    assert read.shown == [("completed", [f"> {shown}", "Done."])]
    assert read.warned == warned


def test_half_a_character_in_a_command_does_not_hide_it(tmp_path: Path) -> None:
    call = called("c1")
    call["payload"]["arguments"] = r'{"command":["echo","\ud83d"]}'
    read = read_lines(tmp_path, meta(), *TURN[:2], call, *TURN[3:])
    assert read.shown[0][1][1] == "$ echo '\ufffd' → None 'a\\n' in /w"


@pytest.mark.slow
def test_an_overlong_line_costs_itself_alone(tmp_path: Path) -> None:
    """If it is the first one too, where the thread is known by the name of the file."""
    first = json.dumps(meta(instructions="x" * LINE_BYTES_MAX)).encode()
    answer = json.dumps(answered("c1", "x" * LINE_BYTES_MAX)).encode()
    read = read_lines(tmp_path, first, *TURN[:3], answer, TURN[4])
    assert read.rollout.heading.source_id == "0194d2a0-0000-7000-8000-000000000099"
    assert read.shown[0][1][0] == "> Go."
    assert [text.split(",")[0] for text in read.warned] == [
        f"{line}: expected at most {LINE_BYTES_MAX} bytes" for line in (1, 5)
    ]


@pytest.mark.parametrize(
    ("time", "us"),
    [
        ("2025-10-01T04:05:06.789Z", 1_759_291_506_789_000),
        ("2025-10-01T04:05:06.789123456Z", 1_759_291_506_789_123),
        ("2025-10-01 04:05:06", 1_759_291_506_000_000),
        ("2025-10-01T06:05:06+02:00", 1_759_291_506_000_000),
        (1_759_291_506, 1_759_291_506_000_000),
        (1_759_291_506_789, 1_759_291_506_789_000),
        (1_759_291_506.5, 1_759_291_506_500_000),
        ("1969-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        (-1, None),
        (1e300, None),
        ([], None),
    ],
)
def test_a_time_is_read_as_far_as_it_is_valid(time: object, us: int | None) -> None:
    assert read_time(time) == us


def test_times_never_go_back(tmp_path: Path) -> None:
    times = [b"null", b'"2025-10-02T00:00:00Z"', b'"2024-01-01T00:00:00Z"', b'"soon"', b"7", b'""']
    content = WHOLE
    for at, time in enumerate(times):
        content = content.replace(f'"2025-10-01T04:00:0{at}Z"'.encode(), time)
    read = Read(written(tmp_path, content))
    assert (read.shown, read.warned) == ([("completed", SHOWN)], [])
    assert {timed.at_us // 1_000_000 for timed in read.told} <= {
        1_759_291_506,  # of the heading's own member
        1_759_363_200,
    }
    assert [timed.at_us for timed in read.told] == sorted(timed.at_us for timed in read.told)


def test_a_time_after_the_file_was_written_is_not_believed(tmp_path: Path) -> None:
    content = WHOLE.replace(b"2025-10-01T04:00:02Z", b"9999-10-01T04:00:02Z")
    read = Read(written(tmp_path, content))
    assert max(timed.at_us for timed in read.told) == read_time("2025-10-01T04:00:05Z")
    os.utime(
        path := written(tmp_path, content), (0, 0)
    )  # A file whose own time is wrong says nothing.
    assert max(timed.at_us for timed in Read(path).told) == read_time("9999-10-01T04:00:02Z")


DOCUMENT = {
    "session": {
        "timestamp": "2025-04-17T12:00:00.000Z",
        "id": "0194d2a0-0000-4000-8000-000000000077",
        "instructions": "",
    },
    "items": [
        message("user", "Go.")["payload"],
        {**called("c1")["payload"], "id": "fc_1", "status": "completed"},
        answered("c1", '{"output":"a\\n","metadata":{"exit_code":0,"duration_seconds":0}}')[
            "payload"
        ],
        message("assistant", "Done.")["payload"],
    ],
}
ONE_A_LINE = (
    json.dumps(DOCUMENT["session"]).join(('{"session":', ',\n"items":[\n'))
    + ",\n".join(map(json.dumps, DOCUMENT["items"]))
    + "\n]}\n"
)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(DOCUMENT, indent=2).encode(),
        json.dumps(DOCUMENT).encode(),
        ONE_A_LINE.encode(),
        b"\xef\xbb\xbf" + json.dumps(DOCUMENT, indent=2).replace("\n", "\r\n").encode(),
        json.dumps(dict(reversed(DOCUMENT.items()))).encode(),
    ],
    ids=["indented", "one line", "an item a line", "CRLF", "items first"],
)
def test_a_document_of_the_first_codex_is_read_whole(tmp_path: Path, content: bytes) -> None:
    name = "rollout-2025-04-17-0194d2a0-0000-4000-8000-000000000077.json"
    read = Read(written(tmp_path, content, name))
    assert read.shown == [("completed", ["> Go.", "$ bash -lc ls → 0 'a\\n' in /w", "Done."])]
    assert read.rollout.heading.source_id == "0194d2a0-0000-4000-8000-000000000077"
    assert read.told[0].at_us == read_time("2025-04-17T12:00:00Z")
    assert read.warned == []


@pytest.mark.parametrize(
    "content",
    [ONE_A_LINE[:-200].encode(), b'{"session":{}}', b'{"items":7}', b'{"items":[' + b"[" * 99_999],
)
def test_a_document_that_is_not_whole_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableSource, match="expected a JSON document with a session and items"):
        Read(written(tmp_path, content, "rollout-1.json"))


def test_a_line_is_read_as_it_is_where_nothing_is_damaged() -> None:
    line = read_line(1, json.dumps({"timestamp": 7, **meta()}).encode())
    assert (line.type, line.at_us, line.mended) == ("session_meta", 7_000_000, None)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="the kernel tells no peak that is the process's own")
def test_lines_without_end_take_bounded_memory(tmp_path: Path) -> None:
    """Messages, calls, answers and events that all wait for another line that never comes."""
    rows = [
        *asked("Go <environment_context>."),
        message("user", "<skill>x</skill>"),
        answered("ANSWER", "x" * 20_000),
        called("CALL"),
        event("kind"),
    ]
    path = tmp_path / "rollout-1.jsonl"
    with path.open("wb") as file:
        file.write(lines(meta()))
        piece = lines(*rows)
        for number in range(4_000):
            text = str(number).encode()
            file.write(
                piece.replace(b"ANSWER", b"a" + text)
                .replace(b"CALL", b"c" + text)
                .replace(b"kind", b"k" + text)
                .replace(b">x<", b">" + text + b"<")
            )
    prepare = (
        "from pathlib import Path\n"
        "from codexd.importing.rollouts import Rollout\n"
        "from codexd.importing.sources import peek\n"
        "import codexd.importing.rollout.converting\n"
    )
    work = f"""
rollout = Rollout([peek(Path({str(path)!r}))], "0", "m")
for page in rollout.pages():
    pass
"""
    grown = peak_mib(prepare, work)
    print(f"{path.stat().st_size} bytes of lines: {grown} MiB more")
    assert grown < 60
