"""A report: facts about the daemon, and on request its log, a thread's log and files of the person. Without secrets."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from codexd.machine.foreign_files import open_file
from codexd_eventstore.event_log import EventLog
from codexd_eventstore.reading import records_back

# Of a thread's log: its newest records. A day's work has some ten megabytes.
THREAD_BYTES_MAX: Final = 32 * 1024 * 1024
# Of each file that a client adds, its beginning; and how many it may add.
EXTRA_BYTES_MAX: Final = 4 * 1024 * 1024
EXTRA_FILES_MAX: Final = 16
# Codex's figure.
TAGS_MAX: Final = 64
TEXT_CHARACTERS_MAX: Final = 4_000
# Tags that only the daemon sets.
RESERVED: Final = frozenset(
    {"thread_id", "classification", "cli_version", "session_source", "reason", "prompt_hash"}
)

Redact = Callable[[bytes], bytes]


class Facts(msgspec.Struct, frozen=True):
    """What a report is about."""

    thread_id: str  # of a thread, or one that says that there is none
    classification: str
    version: str
    source: str  # the client
    reason: str | None = None
    prompt_hash: str | None = None
    tags: Mapping[str, str] = {}

    @property
    def all_tags(self) -> dict[str, str]:
        """The client's tags, which replace none of ours, and ours."""
        given = [(name, value) for name, value in self.tags.items() if name not in RESERVED]
        ours = {
            "thread_id": self.thread_id,
            "classification": self.classification,
            "cli_version": self.version,
            "session_source": self.source,
            "reason": self.reason,
            "prompt_hash": self.prompt_hash,
        }
        own = {name: value for name, value in ours.items() if value is not None}
        chosen = dict(given[:TAGS_MAX]) | own
        return {name: value[:TEXT_CHARACTERS_MAX] for name, value in chosen.items()}


def prompt_hash(instructions: str) -> str:
    """The hash of a thread's base instructions, whatever spaces and lines they have: as Codex makes it."""
    return hashlib.sha256(" ".join(instructions.split()).encode(errors="replace")).hexdigest()


async def thread_log(store: EventLog, thread_id: str) -> bytes:
    """The newest records of a thread, oldest first. Raises: StoreError."""
    lines: list[bytes] = []
    size = 0
    async for record in records_back(store, thread_id):
        size += len(record.line) + 1
        if size > THREAD_BYTES_MAX:
            break
        lines.append(record.line + b"\n")
    lines.reverse()
    return b"".join(lines)


def extra_file(path: str) -> bytes:
    """The beginning of a file that a client names. Raises: OSError."""
    with open_file(Path(path)) as file:
        return file.read(EXTRA_BYTES_MAX)


def packed(facts: Facts, files: Sequence[tuple[str, bytes]], redact: Redact) -> bytes:
    """A ZIP file of a report. Long content takes long: call it in a thread."""
    import zipfile  # seldom needed

    buffer = io.BytesIO()
    tags = msgspec.json.format(msgspec.json.encode(facts.all_tags), indent=2)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("tags.json", tags), *files):
            archive.writestr(name, redact(content))
    return buffer.getvalue()


def save(path: Path, content: bytes) -> None:
    """Write a report to a new file, which only its owner can read. Raises: OSError; FileExistsError is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
