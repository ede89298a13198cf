"""The largest answer, and the error in place of a larger answer.

Law: every answer goes through one check. Where a method has pages, a page ends before it is too large; where it has
none, the request is refused with an error, and the connection continues.
"""

from __future__ import annotations

from codexd.protocol.wire.rpc import RpcError, state_error

# One answer: the default message limit of WebSocket libraries, and a few times the largest image as base64.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
# Room for the rest of an answer beside turns and items: a thread's fields, settings, cursors.
REST_BYTES_MAX = 1024 * 1024
# Room for all turns or items of one answer.
ENTRIES_BYTES_MAX = ANSWER_BYTES_MAX - REST_BYTES_MAX
# One page of entries, unless the first entry alone is larger: fast to make and to read.
PAGE_BYTES_MAX = 16 * 1024 * 1024

# How to get the same in smaller parts.
_IN_PARTS = {
    "thread/read": "ask without includeTurns, and thread/turns/list for its turns in pages",
    "thread/resume": "ask with excludeTurns, and thread/turns/list for its turns in pages",
    "thread/fork": "thread/resume with excludeTurns follows it, and thread/turns/list has its turns in pages",
    "thread/turns/list": "ask with limit 1, or thread/items/list for the turn's items in pages",
}


def too_large(method: str, size: int, done: str = "nothing was sent") -> RpcError:
    """The error for an answer of this size; `done` says what the request has done."""
    parts = _IN_PARTS.get(method)
    hint = f"; {parts}" if parts is not None else ""
    return state_error(
        f"{method}: expected an answer of at most {ANSWER_BYTES_MAX} bytes, found one of {size}; {done}{hint}",
        "answer_too_large",
    )
