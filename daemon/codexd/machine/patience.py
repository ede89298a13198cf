"""Reads with a time limit from disks that may never answer: network disks, unplugged disks, FUSE programs.

Law: each such read has a worker thread of its own. Neither the caller nor a stop of the daemon waits for it
longer than the limit. A place that has not answered is not read again before it has, so it holds one thread
and blocks no other place.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar, cast

import msgspec
import trio

T = TypeVar("T")
U = TypeVar("U")

# A local disk needs a millisecond. A network disk that needs more than this may hang for ever, and a person waits.
PATIENCE_SECONDS: Final = 2.0
# Each read holds a thread, for ever if it hangs: more places than this do not hang at once.
THREADS_MAX: Final = 64


class NoAnswer(OSError):
    """A disk does not answer."""

    def __init__(self, place: str, seconds: float) -> None:
        super().__init__(errno.ETIMEDOUT, f"the disk did not answer within {seconds:g} s", place)


class _Reading(msgspec.Struct):
    is_begun: bool = False
    is_done: bool = False
    error: Exception | None = None  # that it ended with


class _Places:
    """A limiter that takes a free place at once, where trio's own lets all other tasks run first."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(THREADS_MAX)

    @property
    def is_free(self) -> bool:
        return self._limiter.available_tokens > 0

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        try:
            self._limiter.acquire_on_behalf_of_nowait(borrower)
        except trio.WouldBlock:
            await self._limiter.acquire_on_behalf_of(borrower)

    def release_on_behalf_of(self, borrower: object) -> None:
        self._limiter.release_on_behalf_of(borrower)


class _Readings:
    def __init__(self) -> None:
        self.limiter = _Places()
        self.silent: dict[str, _Reading] = {}

    def is_silent(self, place: str) -> bool:
        reading = self.silent.get(place)
        if reading is not None and reading.is_done:
            del self.silent[place]
            return False
        return reading is not None


_readings: Final = trio.lowlevel.RunVar[_Readings]("readings")


def _here() -> _Readings:
    try:
        return _readings.get()
    except LookupError:
        _readings.set(readings := _Readings())
        return readings


async def patiently(place: str, read: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Call `read` in a thread, and return its result; `place` names what may hang, usually a folder.

    Raises: NoAnswer, and what `read` raises.
    """
    readings = _here()
    if seconds <= 0 or readings.is_silent(place):
        raise NoAnswer(place, seconds)
    # Once a thread is free it begins for certain, perhaps after the caller has stopped waiting.
    reading = _Reading(is_begun=readings.limiter.is_free)
    results: list[T] = []

    def noted() -> T:
        reading.is_begun = True
        try:
            results.append(read())
        except Exception as error:
            reading.error = error
            raise
        finally:
            reading.is_done = True
        return results[0]

    with trio.move_on_after(seconds):
        return await trio.to_thread.run_sync(
            noted, abandon_on_cancel=True, limiter=cast("trio.CapacityLimiter", readings.limiter)
        )
    # Whatever holds up the event loop for so long lets the time pass, though the disk has answered.
    if results:
        return results[0]
    if reading.error is not None:
        raise reading.error
    if reading.is_begun:
        readings.silent[place] = reading
    raise NoAnswer(place, seconds)


async def patiently_both(
    place: str,
    read: Callable[[], T],
    other_place: str,
    other_read: Callable[[], U],
    seconds: float = PATIENCE_SECONDS,
) -> tuple[T, U | NoAnswer]:
    """`patiently` for two places, in one thread as long as both answer: a thread costs as much as many reads.

    Raises: NoAnswer: the first does not answer; and what the reads raise.
    """
    readings = _here()
    if readings.is_silent(place) or readings.is_silent(other_place):
        return await patiently(place, read, seconds), await _or_none(
            other_place, other_read, seconds
        )
    first: list[T] = []

    def both() -> U:
        first.append(read())
        return other_read()

    try:
        other: U | NoAnswer = await patiently(place, both, seconds)
    except NoAnswer as no_answer:
        if not first:
            raise
        # The other place is the one that hangs.
        if (reading := readings.silent.pop(place, None)) is not None:
            readings.silent[other_place] = reading
        other = no_answer
    return first[0], other


async def _or_none(place: str, read: Callable[[], U], seconds: float) -> U | NoAnswer:
    try:
        return await patiently(place, read, seconds)
    except NoAnswer as no_answer:
        return no_answer


_unanswered: Final[dict[str, threading.Thread]] = {}  # by path


def impatiently(path: str | os.PathLike[str], read: Callable[[], T]) -> T:
    """The result of `read`, for callers that cannot await. A link may lead to a disk that does not answer: then it is
    read in a thread, for which the caller and its event loop wait for PATIENCE_SECONDS once, and not again.

    Raises: NoAnswer, and what `read` raises.
    """
    place = os.fspath(path)
    if not os.path.islink(place):
        return read()
    results: list[T] = []
    errors: list[Exception] = []

    def noted() -> None:
        try:
            results.append(read())
        except Exception as error:  # noqa: BLE001  # The caller's thread raises it.
            errors.append(error)

    if (reading := _unanswered.get(place)) is None:
        reading = _unanswered[place] = threading.Thread(target=noted, daemon=True)
        reading.start()
        reading.join(PATIENCE_SECONDS)
    if reading.is_alive():
        raise NoAnswer(place, PATIENCE_SECONDS)
    del _unanswered[place]
    if errors:
        raise errors[0]
    return results[0] if results else impatiently(path, read)  # An earlier reading has ended.
