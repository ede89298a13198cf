"""What daemons under test send, for the end of the run: one message of each shape, with the test that it came in.

Two messages are of one shape if a schema could not tell them apart: they have the same members, of the same types, and
the same words where a schema names any. A list counts as the kinds of things that are in it. Of each shape the first
message is kept, cut down to what makes its shape, in a file that is named after it; so all processes of a run share
them without a lock.

A daemon that is forked collects what it frames; `daemon_client` what it hears, from any daemon.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from installed_codex import VERSIONS

# The folder, for all processes of a run.
SPOOL = "CODEXD_TEST_SPOOL"
# What takes longer than 20 ms would hold up the event loop of a daemon: `daemon_client` takes longer messages.
FRAME_BYTES_MAX = 256 * 1024
# Enough of a text to recognise it.
TEXT_CHARACTERS_MAX = 200

Kind = Literal["answer", "error", "notification", "request"]


class Kept(NamedTuple):
    """A message."""

    kind: Kind
    method: str  # of an answer: that which it answers; "" of an error
    message: dict[str, Any]
    test: str


class Spool:
    """The folder, as one process writes to it."""

    def __init__(self, folder: Path, worker: int) -> None:
        self._folder, self._worker = folder, worker
        self._seen: set[str] = set()

    def take(self, message: dict[str, Any], answers: str = "") -> None:
        """Keep a message if its shape is new; `answers`: the method of its request."""
        kind = _kind(message)
        method = "" if kind == "error" else message.get("method", answers)
        try:
            shape, cut = _shape(message)
        except RecursionError:
            return  # Such depth only a model's own words have.
        name = hashlib.blake2b(f"{kind} {method} {shape}".encode(), digest_size=16).hexdigest()
        if name in self._seen:
            return
        self._seen.add(name)
        path = self._folder / f"{name}.json"
        if not path.exists():
            kept = json.dumps(Kept(kind, method, cut, current_test(self._folder, self._worker)))
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(kept)
            part.rename(path)


def spool_here(worker: int | None = None) -> Spool | None:
    """The spool of this run, for the tests of a worker; None where nothing is collected."""
    folder = os.environ.get(SPOOL)
    return None if folder is None else _spool(folder, worker or os.getpid())


@functools.cache
def _spool(folder: str, worker: int) -> Spool:
    return Spool(Path(folder), worker)


def begin_test(name: str) -> None:
    """A worker begins a test."""
    if folder := os.environ.get(SPOOL):
        Path(folder, f"{os.getpid()}.test").write_text(name)


def current_test(folder: Path, worker: int) -> str:
    """The test that a worker is in."""
    path = folder / f"{worker}.test"
    return path.read_text() if path.exists() else "no test"


def kept_in(folder: Path) -> list[Kept]:
    """All messages."""
    paths = sorted(folder.glob("*.json"))
    kept = [Kept(*json.loads(path.read_bytes())) for path in paths]
    return sorted(kept, key=lambda message: (message.kind, message.method))


def collect_frames(worker: int) -> None:
    """From now on, what a daemon of this process frames is collected."""
    from codexd.protocol.wire.framing import Lines
    from codexd.protocol.wire.websocket import WebSocket
    from codexd.server.connection.connection import Connection

    if (kept := spool_here(worker)) is None:
        return
    answering: list[str] = []  # the method that is answered just now

    def heard(body: bytes) -> None:
        if len(body) > FRAME_BYTES_MAX:
            return
        try:
            message = msgspec.json.decode(body)
        except RecursionError:
            return  # Such depth only a model's own words have.
        kept.take(message, answering[-1] if answering and "result" in message else "")

    for framing in (Lines, WebSocket):
        framing.frame = _before(heard, framing.frame)  # type: ignore[method-assign]
    answer = Connection._answer

    def answered(self: Connection, request_id: Any, call: Any, result: Any) -> None:
        answering.append(call.method)
        try:
            answer(self, request_id, call, result)
        finally:
            answering.pop()

    Connection._answer = answered  # type: ignore[method-assign, assignment]


def _before(first: Callable[[Any], None], then: Any) -> Any:
    def both(self: Any, said: Any) -> Any:
        first(said)
        return then(self, said)

    return both


def _kind(message: dict[str, Any]) -> Kind:
    if "method" in message:
        return "request" if "id" in message else "notification"
    return "error" if "error" in message else "answer"


def _shape(value: Any) -> tuple[str, Any]:
    """The shape of a value, and the value as far as it makes the shape."""
    match value:
        case str():
            return (f'"{value}"' if value in known_words() else '""'), value[:TEXT_CHARACTERS_MAX]
        case bool() | None:
            return str(value), value
        case int():
            return ("-1" if value < 0 else "1"), value
        case float():
            return "1.5", value
        case list():
            kinds = dict(map(_shape, value))
            return f"[{','.join(sorted(kinds))}]", list(kinds.values())
        case _:
            members = {name: _shape(member) for name, member in sorted(value.items())}
            shapes = ",".join(f"{name}:{shape}" for name, (shape, _) in members.items())
            return f"{{{shapes}}}", {name: cut for name, (_, cut) in members.items()}


@functools.cache
def known_words() -> frozenset[str]:
    """The words that a schema names: of Codex, and of ours."""
    from msgspec import inspect

    from codexd.protocol.schema.catalogue import Catalogue, protocol_messages

    found: set[str] = set()
    for version in VERSIONS:
        for file in version.schemas.glob("codex_app_server_protocol.schemas.json"):
            for named in re.findall(
                rb'"(?:enum|const)":\s*(\[[^\]]*\]|"[^"]*")', file.read_bytes()
            ):
                found |= {word.decode() for word in re.findall(rb'"([^"]*)"', named)}
    catalogue = Catalogue(protocol_messages())
    waiting = [member.kind for struct in catalogue.structs for member in catalogue.members(struct)]
    while waiting:
        match waiting.pop():
            case inspect.LiteralType() as kind:
                found |= {str(value) for value in kind.values}
            case inspect.UnionType() as kind:
                waiting += kind.types
            case inspect.VarTupleType() as kind:
                waiting.append(kind.item_type)
            case _:
                pass
    return frozenset(found)
