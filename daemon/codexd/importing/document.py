"""The rollouts of the first Codex, which was written in TypeScript: one JSON document instead of lines. Pure.

    {"session": {"timestamp", "id", "instructions"}, "items": [ … ]}

Source: Codex of April 2025, `codex-cli/src/utils/storage/save-rollout.ts`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from codexd.core.values.foreign_json import whole_characters
from codexd.importing.rollout.lines import LINE_BYTES_MAX

# A document is held in memory as a whole. These sessions were short: Codex wrote the whole file again after each item.
DOCUMENT_BYTES_MAX: Final = LINE_BYTES_MAX
# How much of a file shows whether it is one.
HEAD_BYTES: Final = 256
_BEGINNING: Final = re.compile(rb'(?:\xef\xbb\xbf)?\s*+\{\s*+"(?:session|items)"\s*+:')
_BOM: Final = b"\xef\xbb\xbf"


class BrokenDocument(ValueError):
    """A document cannot be read; the message says what was expected and what was found."""


class _Document(msgspec.Struct):
    items: list[msgspec.Raw]
    session: msgspec.Raw = msgspec.Raw(b"{}")


_decode = msgspec.json.Decoder(_Document).decode


def is_document(head: bytes) -> bool:
    """Whether a file that begins so is a document."""
    return _BEGINNING.match(head) is not None


def lines_of(content: bytes) -> list[bytes]:
    """The session and the items of a document, each as a line. Raises: BrokenDocument."""
    if len(content) > DOCUMENT_BYTES_MAX:
        raise BrokenDocument(
            f"expected a document of at most {DOCUMENT_BYTES_MAX} bytes, found more"
        )
    text = content.removeprefix(_BOM).replace(b"\0", b"")
    try:
        document = _decode(whole_characters(text.decode(errors="replace").encode()))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BrokenDocument(
            f"expected a JSON document with a session and items, found {error}"
        ) from error
    return [bytes(document.session), *map(bytes, document.items)]
