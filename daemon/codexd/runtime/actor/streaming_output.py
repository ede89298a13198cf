"""The output of a command while it runs: a draft of raw bytes, and the text of it that screens are shown."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import msgspec

from codexd.core.commands import OpenItem
from codexd.core.values.ids import CallId, ItemId
from codexd.runtime.actor.ports import Cleaner
from codexd_eventstore.store import BlobRef, Draft

# A command's output beyond this is counted but not kept: one command cannot fill a disk.
OUTPUT_FILE_BYTES_MAX = 64 * 1024 * 1024

# Output beyond this is not sent to screens while it streams: no person reads that fast.
OUTPUT_SHOWN_BYTES_MAX = 1024 * 1024

# Output that waits in memory for a full disk. Output beyond is lost from its file, and the
# file says so: the result that the model is given does not depend on it.
OUTPUT_WAITING_BYTES_MAX = 1024 * 1024

# Output larger than this is stored in a blob, and the event has its first and last part (DESIGN, section 3).
OUTPUT_INLINE_BYTES_MAX = 32 * 1024

# It stands for bytes that are no UTF-8.
NOT_TEXT = "\ufffd"


class OutputHeader(msgspec.Struct, frozen=True, rename="camel"):
    """The first line of an output's draft."""

    call_id: str


class StreamingOutput:
    """A command's output while it runs. Most commands that change something print nothing, and need no draft."""

    def __init__(
        self, call_id: CallId, open_draft: Callable[[], Draft], cleaner: Cleaner, *, lasts: bool
    ) -> None:
        self.call_id = call_id
        self.lasts = lasts  # its process goes on where its turn is interrupted
        self._known_bytes = 0  # of what is fed again, which screens have from the daemon before
        self._open_draft, self.cleaner = open_draft, cleaner
        self._draft: Draft | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._shown: list[str] = []
        self.shown_bytes = 0
        self.printed_bytes = 0  # kept or not
        self.blob: BlobRef | None = None  # once it is kept, for a fact that is about to name it
        self._waiting = bytearray()  # for the disk
        self._lost_bytes = 0

    @property
    def is_lagging(self) -> bool:
        """Whether some of it is not in its draft yet."""
        return bool(self._waiting)

    def take_up(self, draft: Draft, again_from: int | None) -> None:
        """Begin with what a draft has, and screens have. The output from `again_from` on will be fed once more.

        Raises: StoreFailed.
        """
        size = self.printed_bytes = draft.size_bytes
        # Screens may have been shown a little more than the most.
        text = self._decoder.decode(draft.read(0, min(size, 2 * OUTPUT_SHOWN_BYTES_MAX)))
        self._draft = draft
        self._shown.append(text)
        self.shown_bytes = len(text.encode())
        self._known_bytes = 0 if again_from is None else max(0, size - again_from)

    def clean(self, chunk: bytes) -> bytes:
        """More output came: the part of it that may be kept and shown."""
        clean = self.cleaner.feed(chunk)
        known, self._known_bytes = (
            clean[: self._known_bytes],
            max(0, self._known_bytes - len(clean)),
        )
        return clean[len(known) :]

    def let_out(self) -> None:
        """Nothing more is added: output that was held back as a possible secret waits with the rest."""
        rest = self.cleaner.rest()
        self.put_off(rest[self._known_bytes :])

    def put_off(self, chunk: bytes) -> None:
        """Keep a chunk until the disk takes it, as much as there is room for."""
        room = OUTPUT_WAITING_BYTES_MAX - len(self._waiting)
        self._waiting += chunk[:room]
        self._lost_bytes += max(0, len(chunk) - room)

    def catch_up(self) -> str:
        """Put what waits into the draft; its text for screens. Raises: StoreFailed."""
        waiting = bytes(self._waiting)
        if self._lost_bytes:
            waiting += b"\n[... %d bytes are lost: the disk was full ...]\n" % self._lost_bytes
        text = self.add(waiting)
        self._waiting.clear()
        self._lost_bytes = 0
        return text

    def add(self, chunk: bytes) -> str:
        """Keep a chunk; the text of it that screens are to be shown. Raises: StoreFailed."""
        draft = self._opened()
        room = OUTPUT_FILE_BYTES_MAX - draft.size_bytes
        if room > 0:
            draft.append(chunk[:room])
        self.printed_bytes += len(chunk)
        if self.shown_bytes >= OUTPUT_SHOWN_BYTES_MAX:
            return ""
        text = self._decoder.decode(chunk)
        self._shown.append(text)
        self.shown_bytes += len(text.encode())
        return text

    def text(self) -> str:
        """The text that screens were shown."""
        return "".join(self._shown)

    def frozen(self) -> OpenItem:
        """It as a command carries it, for a fact that its command came to nothing."""
        waiting = self._waiting.decode(errors="replace")
        return OpenItem(ItemId(self.call_id), "call", text=ends_of(self.text() + waiting))

    async def keep(self, *, goes_on: bool = False) -> BlobRef:
        """The output as a blob, for a fact that is about to name it; more may come behind it if it goes on.

        Raises: StoreFailed.
        """
        blob = await self._opened().keep(drop=not goes_on)
        self.blob = None if goes_on else blob
        return blob

    def read(self, start: int, end: int) -> bytes:
        """A part of what was kept, until it is a blob. Raises: StoreFailed."""
        return b"" if self._draft is None else self._draft.read(start, end)

    def drop(self) -> None:
        if self._draft is not None:
            self._draft.drop()

    def _opened(self) -> Draft:
        """Raises: StoreFailed."""
        if self._draft is None:
            self._draft = self._open_draft()
        return self._draft


def ends_of(output: str | bytes, gone_bytes: int = 0) -> str:
    """The first and the last part of an output that is too long for an event; of bytes, only those are decoded.

    `gone_bytes`: of its middle, which is not there.
    """
    half = OUTPUT_INLINE_BYTES_MAX // 2
    raw = output if isinstance(output, bytes) else output.encode()
    if len(raw) <= OUTPUT_INLINE_BYTES_MAX:
        return raw.decode(errors="replace")
    first, last = raw[:half].decode(errors="replace"), raw[-half:].decode(errors="replace")
    # A character that is cut in two belongs to the middle.
    first, last = first.rstrip(NOT_TEXT), last.lstrip(NOT_TEXT)
    return f"{first}\n[… {len(raw) - 2 * half + gone_bytes} bytes not shown here …]\n{last}"
