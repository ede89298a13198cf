"""A rollout of any size, packed or not, takes bounded memory, and its length is counted while it is read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import deque
from pathlib import Path

import pytest

from codexd.core.events.tools import ToolEnded
from codexd.importing import sources
from codexd.importing.rollout.lines import LINE_BYTES_MAX, UnreadableLine, read_line
from codexd.importing.rollout.settings import Heading
from codexd.importing.rollout.timeline import INPUTS_MAX, OPEN_CALLS_MAX
from codexd.importing.sources import UnreadableSource, raw_lines
from peak_memory import HAS_PROC, peak_mib
from rollout_files import read_rollout

HEADING = Heading("0194d2a0-0000-7000-8000-000000000001", {"cwd": "/work"}, {})
META = (
    b'{"timestamp":"2026-11-21T03:00:00Z","type":"session_meta","payload":{"id":"x","cwd":"/"}}\n'
)


def line(kind: str, **payload: object) -> bytes:
    members = {"timestamp": "2026-11-21T03:00:00Z", "type": kind, "payload": payload}
    return json.dumps(members).encode()


def test_a_line_with_too_many_values_is_passed_over() -> None:
    text = b'{"type":"x","payload":{"a":[' + b"[]," * 1_000_000 + b"0]}}"
    with pytest.raises(UnreadableLine, match="more than 200000 values"):
        read_line(1, text)
    converted = read_rollout([META, text, line("event_msg", type="task_started")], HEADING)
    assert "more than 200000 values" in converted.complaints[0].message


def test_nested_arguments_and_outputs_are_bounded_too() -> None:
    deep = "[" * 200_000
    call = {"type": "function_call", "name": "shell", "call_id": "c", "arguments": deep}
    output = '{"output"' + ":[" * 200_000
    answer = {"type": "function_call_output", "call_id": "c", "output": output}
    lines = [META, line("response_item", **call), line("response_item", **answer)]
    (ended,) = [
        timed.event
        for timed in read_rollout(lines, HEADING).events
        if isinstance(timed.event, ToolEnded)
    ]
    assert ended.result.model_text == output


def test_input_for_a_turn_that_never_begins_is_bounded() -> None:
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}
    lines = [META, line("event_msg", type="task_started", turn_id="t")]
    lines += [line("response_item", **said)] * (3 * INPUTS_MAX)
    kinds = [timed.event.type for timed in read_rollout(lines, HEADING).events]
    assert kinds.count("input.queued") == INPUTS_MAX
    assert kinds.count("turn.steered") == 2 * INPUTS_MAX
    assert kinds.count("turn.started") == 1


def test_calls_without_an_answer_do_not_pile_up() -> None:
    lines = [META]
    for number in range(OPEN_CALLS_MAX + 5):
        call = {"type": "function_call", "name": "f", "call_id": f"c{number}", "arguments": "{}"}
        lines.append(line("response_item", **call))
    converted = read_rollout(lines, HEADING)
    assert len(converted.complaints) == 5
    assert "without an answer" in converted.complaints[0].message


def bomb(folder: Path, piece: bytes, times: int) -> Path:
    """A packed rollout that unpacks to a line and so many times the piece, which is packed once (RFC 8878, 3.1)."""

    def packed(text: bytes) -> bytes:
        return subprocess.run(["zstd", "-q"], input=text, capture_output=True, check=True).stdout

    path = folder / "rollout-1.jsonl.zst"
    path.write_bytes(packed(META) + packed(piece) * times)
    return path


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zstd") is None, reason="it needs the program zstd")
@pytest.mark.skipif(not HAS_PROC, reason="the kernel tells no peak that is the process's own")
@pytest.mark.parametrize(
    "piece",
    [b"[],", b'{"a":1},', b'"\\ud83d\\ude00",', b"\xf0\x9f\x98\x80", b"x", b"\0"],
    ids=["lists", "objects", "emoji", "letters", "x", "zeros"],
)
def test_a_packed_line_of_256_mib_takes_little_memory(tmp_path: Path, piece: bytes) -> None:
    path = bomb(tmp_path, piece * (1024 * 1024 // len(piece)), 256)
    work = f"""
for raw in raw_lines(Path({str(path)!r})):
    try:
        read_line(raw.number, raw.text)
    except UnreadableLine:
        pass
"""
    prepare = (
        "from pathlib import Path\n"
        "from codexd.importing.sources import raw_lines\n"
        "from codexd.importing.rollout.lines import UnreadableLine, read_line\n"
    )
    grown = peak_mib(prepare, work)
    print(f"{path.stat().st_size} bytes of zstd, {piece!r}: {grown} MiB more")
    assert grown < 200


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="the kernel tells no peak that is the process's own")
def test_the_longest_line_takes_a_few_times_its_length(tmp_path: Path) -> None:
    """One emoji makes all characters of a text four bytes wide."""
    path = tmp_path / "rollout-1.jsonl"
    text = "x" * (LINE_BYTES_MAX - 200)
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    path.write_bytes(
        META + line("response_item", **said).replace(b"xxxx", "😀".encode(), 1) + b"\n"
    )
    work = f"""
for raw in raw_lines(Path({str(path)!r})):
    read_line(raw.number, raw.text)
"""
    prepare = (
        "from pathlib import Path\n"
        "from codexd.importing.sources import raw_lines\n"
        "from codexd.importing.rollout.lines import read_line\n"
    )
    grown = peak_mib(prepare, work)
    print(f"the longest line: {grown} MiB more")
    assert grown < 300


@pytest.mark.skipif(shutil.which("zstd") is None, reason="it needs the program zstd")
def test_its_length_is_counted_as_it_is_unpacked(tmp_path: Path) -> None:
    """With the bound of the code, which is compared with what was read before more is asked for."""
    path = bomb(tmp_path, b"x" * 1023 + b"\n", 64)
    read = sum(raw.size_bytes for raw in raw_lines(path))
    assert read == len(META) + 64 * 1024 < sources.ROLLOUT_BYTES_MAX
    sources._check_length(path, sources.ROLLOUT_BYTES_MAX)
    with pytest.raises(UnreadableSource, match="the rest was not read"):
        sources._check_length(path, sources.ROLLOUT_BYTES_MAX + 1)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zstd") is None, reason="it needs the program zstd")
def test_a_file_that_unpacks_to_more_than_any_rollout_is_refused(tmp_path: Path) -> None:
    text = b'{"type":"x","payload":{},"text":"' + b"x" * (1024 * 1024 - 36) + b'"}\n'
    path = bomb(tmp_path, text, sources.ROLLOUT_BYTES_MAX // (1024 * 1024) + 1)
    with pytest.raises(UnreadableSource, match="the rest was not read"):
        deque(raw_lines(path), maxlen=0)
