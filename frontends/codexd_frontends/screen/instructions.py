"""The base instructions and context of a thread, from its log: for `show --instructions`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from codexd_frontends.client.messages import LoggedRecord
from codexd_frontends.screen.drawn import one_line, prose_lines
from codexd_frontends.screen.style import Style


class _Source(msgspec.Struct, frozen=True):
    path: str
    bytes: int = 0
    truncated: bool = False


class _Data(msgspec.Struct, frozen=True):
    """The members of the three kinds of records with instructions or context."""

    instructions: str | None = None  # thread.started, turn.started
    category: str = ""  # context.added, from here
    text: str = ""
    sources: tuple[_Source, ...] = ()


_DATA = msgspec.json.Decoder(_Data)
_CATEGORIES = ("developer", "user_instructions", "environment")


class ModelInstructions(msgspec.Struct):
    """The newest of each kind, with the record that has it."""

    base: tuple[int, str] | None = None
    context: dict[str, list[tuple[int, str]]] = {}
    sources: tuple[_Source, ...] = ()

    def take(self, raw: Raw) -> None:
        """Take the next record in."""
        record = msgspec.json.decode(raw, type=LoggedRecord)
        if record.type not in ("thread.started", "turn.started", "context.added"):
            return
        data = _DATA.decode(record.data)
        if data.instructions is not None:
            self.base = (record.seq, data.instructions)
        if data.category == "environment":  # What came later says only what had changed.
            self.context.setdefault(data.category, []).append((record.seq, data.text))
        elif data.category in _CATEGORIES:
            self.context[data.category] = [(record.seq, data.text)]
        self.sources = data.sources if data.category == "user_instructions" else self.sources

    def members(self) -> dict[str, object]:
        """For programs."""
        context = {
            category: [{"seq": seq, "text": text} for seq, text in texts]
            for category, texts in self.context.items()
        }
        base = None if self.base is None else {"seq": self.base[0], "text": self.base[1]}
        return {"instructions": base, "context": context, "sources": self.sources}

    def lines(self, style: Style) -> Iterable[str]:
        """For people."""
        if self.base is not None:
            yield from _section("instructions", *self.base, style)
        for category in _CATEGORIES:
            for seq, text in self.context.get(category, ()):
                yield from _section(category.replace("_", " "), seq, text, style)
        for source in self.sources:
            cut = ", the rest left out" if source.truncated else ""
            yield style.dim(f"— from {one_line(source.path)}: {source.bytes} bytes{cut} —")
        if self.base is None and not self.context:
            yield style.dim("— nothing was sent yet —")


def _section(name: str, seq: int, text: str, style: Style) -> Iterable[str]:
    yield style.dim(f"— {name}, record {seq} —")
    yield from prose_lines(text)
