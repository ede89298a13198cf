"""The `reasoning_details` of a stream, put together again; sans-IO.

They come in pieces, with the same `type` and `index` for the pieces of one detail, and are sent back whole: a provider
checks its signature over all of it. Other details are kept verbatim.

Source: OpenRouter's documentation of reasoning tokens.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.foreign_json import check_foreign, decode_foreign

# Members that grow from piece to piece; of the others, the last that is given counts.
_GROWING: Final = ("text", "summary", "data")
_SHOWN: Final = ("text", "summary")

_decode_pieces = msgspec.json.Decoder(list[dict[str, object]] | None).decode


class Details:
    """The details of one response."""

    def __init__(self) -> None:
        self._whole: list[dict[str, object]] = []

    def take(self, given: msgspec.Raw) -> str:
        """Take the pieces of one chunk in; what of them can be shown. Raises: msgspec.DecodeError."""
        shown: list[str] = []
        check_foreign(bytes(given))
        for piece in _pieces(given) if given else []:
            self._add(piece)
            shown += [str(piece[name]) for name in _SHOWN if isinstance(piece.get(name), str)]
        return "".join(shown)

    def whole(self) -> tuple[msgspec.Raw, ...]:
        """All of them, each encoded."""
        return tuple(msgspec.Raw(msgspec.json.encode(detail)) for detail in self._whole)

    def _add(self, piece: dict[str, object]) -> None:
        last = self._whole[-1] if self._whole else None
        if (
            last is None
            or _place(last) != _place(piece)
            or piece.get("type") == "reasoning.encrypted"
        ):
            self._whole.append(dict(piece))
            return
        for name, value in piece.items():
            before = last.get(name)
            if name in _GROWING and isinstance(value, str) and isinstance(before, str):
                last[name] = before + value
            elif value is not None:
                last[name] = value


def _pieces(given: msgspec.Raw) -> list[dict[str, object]]:
    """The pieces; what is none is left out, and one by itself is a list of one."""
    try:
        return _decode_pieces(given) or []
    except msgspec.ValidationError:
        value = decode_foreign(bytes(given))
    values = value if isinstance(value, list) else [value]
    return [piece for piece in values if isinstance(piece, dict)]


def _place(piece: dict[str, object]) -> tuple[object, object]:
    return piece.get("type"), piece.get("index")
