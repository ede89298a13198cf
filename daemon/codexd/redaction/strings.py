"""Edits the strings of a JSON text; all other bytes stay unchanged.

Law: valid JSON stays valid JSON of the same shape, with the same members in the same order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import msgspec

from codexd.core.events.events import EVENTS
from codexd.core.policy.action_kinds import KINDS
from codexd.redaction.windows import with_replaced

# Edits a string's text, as UTF-8; the second argument says that it is data in base64.
Edit = Callable[[bytes, bool], bytes]

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# The size of a piece of a longer text: a single call of the library blocks all other threads.
_PIECE = re.compile(rb'(?:[^"\\]{1,4096}+|\\.){0,256}+', re.DOTALL)
_LONG_BYTES = 256 * 1024
# The value of a member of this name is the provider's ciphertext: it is sent back unchanged, or not at all.
_CIPHERTEXT = b'"encrypted_content"'
# The value of such a member is a secret because of its name.
_TELLING = re.compile(
    rb'(?i)"[a-z_-]{0,64}(?:authorization|key|token|password|passwd|passphrase|secret)"'
)
_COLON = re.compile(rb"[ \t\r\n]*+:")
# An image or another file within a string.
_DATA_URL = b"data:"
_DATA_URL_HEAD_BYTES = 100


def edit_strings(json_text: bytes, edit: Edit) -> bytes:
    """The JSON with every string edited, including the names of members."""
    return with_replaced(json_text, _edits(json_text, edit))


def _edits(json_text: bytes, edit: Edit) -> Iterator[tuple[int, int, bytes]]:
    words = _own_words()
    before, end_before = b"", 0
    for start, stop in _strings(json_text):
        token = json_text[start:stop]
        name = before if _COLON.match(json_text, end_before, start) else b""
        ciphertext = name == _CIPHERTEXT
        before, end_before = token, stop
        if token in words:
            continue
        telling = _TELLING.fullmatch(name) if name else None
        new = _edited(token, edit, ciphertext or _is_file(token))
        if new is token and telling is not None:
            new = _edited_by_name(name, token, edit)
        if new is not token:
            yield start, stop, new


def _strings(json_text: bytes) -> Iterator[tuple[int, int]]:
    """The start and end of each string, including the quotes."""
    if len(json_text) <= _LONG_BYTES:
        for found in _STRING.finditer(json_text):
            yield found.span()
        return
    end = 0
    while (start := json_text.find(b'"', end)) >= 0:
        end = start + 1
        while (piece := _PIECE.match(json_text, end)) is not None and piece.end() > end:
            end = piece.end()
        if json_text[end : end + 1] != b'"':
            return  # An unterminated string: this is not JSON.
        end += 1
        yield start, end


def is_json(content: bytes) -> bool:
    """Whether it is one JSON object or array."""
    if content[:1] not in (b"{", b"["):
        return False
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_file(token: bytes) -> bool:
    return token.startswith(_DATA_URL, 1) and b";base64," in token[:_DATA_URL_HEAD_BYTES]


def _edited(token: bytes, edit: Edit, base64: bool) -> bytes:
    try:
        text = token[1:-1]
        if b"\\" in token:
            text = msgspec.json.decode(token, type=str).encode()
    except (msgspec.DecodeError, UnicodeError):
        # Half of a surrogate pair, which UTF-8 cannot encode.
        return _edited_brokenly(token, edit, base64)
    new = edit(text, base64)
    return token if new is text else msgspec.json.encode(new.decode(errors="replace"))


def _edited_by_name(name: bytes, token: bytes, edit: Edit) -> bytes:
    """The string edited as if its member's name preceded it, as in a header."""
    lead = name[1:-1] + b": "

    def with_name(text: bytes, base64: bool) -> bytes:
        together = lead + text
        new = edit(together, base64)
        return new[len(lead) :] if new is not together and new.startswith(lead) else text

    return _edited(token, with_name, base64=False)


def _edited_brokenly(token: bytes, edit: Edit, base64: bool) -> bytes:
    text = json.loads(token).encode(errors="surrogatepass")
    new = edit(text, base64)
    return token if new is text else json.dumps(new.decode(errors="surrogatepass")).encode()


@lru_cache(maxsize=1)
def _own_words() -> frozenset[bytes]:
    """The names and tags of events, which are never edited: a secret such as `message` must not make a log unreadable."""
    words: set[str] = set()
    seen: set[type] = set()
    actions = [row.action for row in KINDS.values()]  # which events hold by their kind
    kinds = list(msgspec.inspect.multi_type_info([*EVENTS.values(), *actions]))
    while kinds:
        kind = kinds.pop()
        match kind:
            case msgspec.inspect.StructType() if kind.cls not in seen:
                seen.add(kind.cls)
                words |= {field.encode_name for field in kind.fields}
                words |= {word for word in (kind.tag, kind.tag_field) if isinstance(word, str)}
                kinds += [field.type for field in kind.fields]
            case msgspec.inspect.UnionType():
                kinds += kind.types
            case msgspec.inspect.LiteralType():
                words |= {word for word in kind.values if isinstance(word, str)}
            case msgspec.inspect.VarTupleType():
                kinds.append(kind.item_type)
            case msgspec.inspect.DictType():
                kinds += (kind.key_type, kind.value_type)
            case _:
                pass
    return frozenset(msgspec.json.encode(word) for word in words)


def edit_values(json_text: bytes, edit: Callable[[bytes, bytes], bytes]) -> bytes:
    """The JSON with every string value edited, given the name of its member.

    In a list it is the name of the list's member. Tags of events stay.
    """

    def edits() -> Iterator[tuple[int, int, bytes]]:
        words, name = _own_words(), b""
        for start, stop in _strings(json_text):
            token = json_text[start:stop]
            if _COLON.match(json_text, stop):
                name = token[1:-1]
            elif token not in words:
                yield start, stop, _edited(token, partial(_of_member, edit, name), base64=False)

    return with_replaced(json_text, edits())


def _of_member(edit: Callable[[bytes, bytes], bytes], name: bytes, text: bytes, _: bool) -> bytes:
    return edit(name, text)
