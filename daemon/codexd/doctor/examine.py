"""All checks, side by side, each with a bound. A check is a function, and a row here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final, Protocol

import msgspec
import trio

from codexd.doctor import configuration, machine, storage
from codexd.doctor.collector import Collected
from codexd.doctor.examined import Examined, fail
from codexd.doctor.provider import Provided
from codexd.protocol.doctor import Finding

# A person waits. What takes longer, on a network or a disk, does not work as it should.
SECONDS_MAX: Final = 2.5

Read = Callable[[Examined], Iterable[Finding]]


class Asking(Protocol):
    """A check that waits for others."""

    async def look(self) -> None:
        """Add the findings."""


# Those that read disks, each in a thread; its name is the id of the finding where it does not end.
READS: Final[Mapping[str, Read]] = {
    "config.files": configuration.configuration,
    "folders.owner": storage.folders,
    "store.writable": storage.writable,
    "store.logs": storage.logs,
    "disk.space": storage.space,
    "limits.files": machine.limits,
    "sandbox": machine.sandbox,
}
ASKS: Final[Mapping[str, Callable[[Examined, list[Finding]], Asking]]] = {
    "provider": Provided,
    "collector": Collected,
}


async def examine(examined: Examined) -> tuple[Finding, ...]:
    """The findings, in the order of the tables, without secrets."""
    found: dict[str, list[Finding]] = {name: [] for name in (*READS, *ASKS)}
    async with trio.open_nursery() as nursery:
        for name, read in READS.items():
            look = partial(_read, read, examined, found[name])
            nursery.start_soon(_bounded, name, look, found[name])
        for name, check in ASKS.items():
            nursery.start_soon(_bounded, name, check(examined, found[name]).look, found[name])
    redact = examined.redact
    return tuple(
        msgspec.structs.replace(each, says=redact(each.says), mend=redact(each.mend))
        for findings in found.values()
        for each in findings
    )


async def _read(read: Read, examined: Examined, found: list[Finding]) -> None:
    # A disk that does not answer holds the thread, and nothing else.
    found += await trio.to_thread.run_sync(lambda: list(read(examined)), abandon_on_cancel=True)


async def _bounded(name: str, look: Callable[[], Awaitable[None]], found: list[Finding]) -> None:
    try:
        with trio.fail_after(SECONDS_MAX):
            await look()
    except trio.TooSlowError:
        after = f", after {found[-1].id}" if found else ""
        says = f"no answer within {SECONDS_MAX:g} s{after}; what would come next was not looked at"
        found.append(fail(name, says, "codexctl doctor"))
    except OSError as error:
        found.append(fail(name, f"it could not be looked at: {error}", "codexctl doctor"))
