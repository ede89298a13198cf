"""What a command printed, read from the daemon part by part. I/O through the connection."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from codexd.protocol.codexd_methods import ItemOutputReadResponse
from codexd_frontends.client.client import Daemon


class OutputPart(msgspec.Struct, frozen=True):
    """A part of an output."""

    data: bytes
    lost_bytes: int = 0  # that were printed and not kept, after this part


def output_parts(
    daemon: Daemon, thread_id: str, item_id: str, seq: int | None = None
) -> Iterator[OutputPart]:
    """All of it that there is now; a part at a time is in memory. `seq`: the record that has its end, if known.

    Raises: RequestRefused, where the thread has no such command.
    """
    offset: int | None = 0
    have = 0
    while offset is not None:
        params = {"threadId": thread_id, "itemId": item_id, "offset": offset, "seq": seq}
        answer = daemon.call("item/output/read", params, ItemOutputReadResponse)
        offset, seq = answer.next_offset, answer.seq
        have += len(answer.data_base64)
        yield OutputPart(
            answer.data_base64, max(0, answer.printed_bytes - have) if offset is None else 0
        )
