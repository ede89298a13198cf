"""codexctl fsck: check that every log and every large output reads back as it was written."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.codexd_methods import (
    DamagedBlob,
    StoreBlobsSweepResponse,
    StoreBlobsVerifyResponse,
    StoreStreamsResponse,
    ThreadVerifyResponse,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.screen.drawn import one_line

# How often it is said how far this has come: a thousand logs are checked in seconds.
SAID_EVERY = 1000


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Check all of it, or some threads."""
    with connect(console) as daemon:
        check = _Check(daemon, console, salvage=arguments.salvage)
        if arguments.threads:
            for word in arguments.threads:
                check.thread(find_thread_id(daemon, word), is_named=True)
        else:
            for page in daemon.pages("store/streams", {}, StoreStreamsResponse, by="after"):
                for row in page.data:
                    check.thread(row.thread_id)
            check.blobs()
        if arguments.sweep:
            check.sweep()
    check.say_all()
    return FAILED if check.is_damaged or check.is_partial else DONE


class _Check:
    """The findings."""

    def __init__(self, daemon: Daemon, console: Console, *, salvage: bool) -> None:
        self._daemon, self._console, self._salvage = daemon, console, salvage
        self._threads = self._records = self._blobs = 0
        self._found: list[ThreadVerifyResponse] = []  # those that are or were damaged
        self._unchecked: dict[str, str] = {}  # threads and blobs that could not be read, and why
        self._bad_blobs: list[DamagedBlob] = []
        self._swept: StoreBlobsSweepResponse | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether damage remains."""
        return bool(self._bad_blobs) or any(answer.damage is not None for answer in self._found)

    @property
    def is_partial(self) -> bool:
        """Whether something could not be looked at: what it is like is not known."""
        return bool(self._unchecked)

    def thread(self, thread_id: str, *, is_named: bool = False) -> None:
        """Check one thread's log, and salvage it if that was asked for."""
        params = {"threadId": thread_id, "salvage": self._salvage}
        try:
            answer = self._daemon.call("thread/verify", params, ThreadVerifyResponse)
        except RequestRefused as refused:
            # One that was listed and is gone was deleted meanwhile.
            if is_named or refused.reason != "thread_not_found":
                self._could_not(thread_id, str(refused))
            return
        self._threads += 1
        self._records += answer.records
        if answer.damage is not None or answer.found is not None:
            self._found.append(answer)
            self._say_found(answer)
        elif answer.unfinished is not None:
            self._say(f"{thread_id}: {one_line(answer.unfinished)}")
        if self._threads % SAID_EVERY == 0:
            self._console.talk(f"{self._threads:,} logs checked")

    def blobs(self) -> None:
        """Check all large outputs and images."""
        method = "store/blobs/verify"
        for page in self._daemon.pages(method, {}, StoreBlobsVerifyResponse, by="after"):
            self._blobs += page.checked
            self._bad_blobs += page.damaged
            for blob in page.unreadable:
                self._could_not(f"blob {blob.sha256}", blob.damage)
            for blob in page.damaged:
                self._say(f"blob {blob.sha256}: {blob.damage}; it was left as it is")
            if page.next_after is not None:
                self._console.talk(f"{self._blobs:,} of {page.total:,} large outputs checked")

    def sweep(self) -> None:
        """Remove what no thread names."""
        self._swept = self._daemon.call("store/blobs/sweep", {}, StoreBlobsSweepResponse)

    def say_all(self) -> None:
        if self._console.json:
            self._console.document(
                {
                    "threads": self._threads,
                    "records": self._records,
                    "found": msgspec.to_builtins(self._found),
                    "unchecked": self._unchecked,
                    "blobs": self._blobs,
                    "damagedBlobs": msgspec.to_builtins(self._bad_blobs),
                    "swept": msgspec.to_builtins(self._swept),
                    "damaged": self.is_damaged,
                }
            )
            return
        damaged = sum(answer.damage is not None for answer in self._found)
        found = f"{damaged + len(self._bad_blobs):,} damaged" if self.is_damaged else "all whole"
        unread = f"; {len(self._unchecked):,} could not be read" if self.is_partial else ""
        self._say(
            f"{self._threads:,} logs with {self._records:,} records and {self._blobs:,} large outputs "
            f"checked: {found}{unread}"
        )
        if self._swept is not None:
            self._say(
                f"{self._swept.removed:,} large outputs that nothing names were removed "
                f"({self._swept.removed_bytes:,} bytes)"
            )
        if damaged and not self._salvage:
            self._say("`codexctl fsck --salvage` makes what is left of damaged threads readable")

    def _could_not(self, name: str, why: str) -> None:
        self._unchecked[name] = why
        self._say(f"{name} could not be read, so nothing is known of it: {one_line(why)}")

    def _say_found(self, answer: ThreadVerifyResponse) -> None:
        where = f"{answer.thread_id} (archived)" if answer.archived else answer.thread_id
        if answer.salvaged is not None:
            self._say(
                f"{where} was damaged ({answer.found}) and is readable now: {answer.salvaged.records:,} records, "
                f"{answer.salvaged.lost:,} lost;  the damaged file is {answer.salvaged.kept}"
            )
        if answer.damage is not None:
            self._say(f"{where}: {answer.damage}")

    def _say(self, line: str) -> None:
        if not self._console.json:
            self._console.answer(line)
