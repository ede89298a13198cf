"""Says what is wrong with the configuration, once: in the log, to all clients, and to the service manager. I/O.

The files are watched, so that a person who saves a mistake is told at once and not at the next turn. Where they cannot be
watched, they are looked at from time to time; whoever reads the configuration looks at them anyway.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import trio

from codexd.config.file import InvalidConfig, ReadConfig
from codexd.config.live import LiveConfig
from codexd.index.build.watch import stopping
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.config import ConfigWarningNotification, TextPosition, TextRange
from codexd.server.hub import Hub

log = logging.getLogger(__name__)

# The library takes a while to import, and a daemon that has just started has more urgent things to do.
BEGIN_SECONDS: Final = 1.0
# How often the library's thread wakes up; a person who saves a file waits for so long at most.
STEP_MS: Final = 500
# How often the files are looked at where they cannot be watched.
LOOK_SECONDS: Final = 5.0
# The line in the words about a mistake.
_LINE: Final = re.compile(r":[0-9]{1,10}: ")


class ConfigReports:
    """What was told, and what is to be told."""

    def __init__(self, config: LiveConfig, hub: Hub) -> None:
        self._config, self._hub = config, hub
        self._told: frozenset[str] = frozenset()  # without their lines, which other edits move
        self._is_broken = False
        self._changed: Callable[[], None] = lambda: None

    def report(self) -> str | None:
        """Tell what is new; returns what is wrong with a file that cannot be used."""
        problem, found = _mistakes(self._config)
        for text, told in found.items():
            if _without_line(text) not in self._told:
                log.log(logging.ERROR if problem else logging.WARNING, "%s", text)
                self._hub.announce(Outgoing("configWarning", told))
        if self._is_broken and problem is None:
            log.info("the configuration can be used again")
        self._told, self._is_broken = frozenset(map(_without_line, found)), problem is not None
        return None if problem is None else str(problem)

    async def run(self, changed: Callable[[], None]) -> None:
        """Report what changes, until cancelled; `changed` is called after each look at the files."""
        self._changed = changed
        await trio.sleep(BEGIN_SECONDS)
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        try:
            while True:
                await self._watch(self._config.files())
        except* (OSError, ImportError, RuntimeError) as errors:  # RuntimeError: of the library
            reason = errors.exceptions[0]
            log.warning("mistakes in config.toml are told late: it cannot be watched: %s", reason)
        await self._look()

    async def _watch(self, files: list[Path]) -> None:
        """Watch the folders of these files until others are to be watched."""
        from watchfiles import awatch

        stop = trio.Event()

        async def end() -> None:
            with stopping(stop):
                await trio.sleep_forever()

        # What a link leads to is not watched, since its disk may not answer: it is looked at.
        names, links = set(map(str, files)), set(filter(os.path.islink, files))
        folders = {os.path.dirname(name) for name in names}
        changes = awatch(
            *sorted(filter(os.path.isdir, folders)),
            watch_filter=lambda _, path: path in names,
            step=STEP_MS,
            debounce=STEP_MS,
            stop_event=stop,
            recursive=False,
        )
        async with trio.open_nursery() as nursery, aclosing(changes):
            nursery.start_soon(end)
            self._follow()  # What was saved before the watching began.
            if links:
                nursery.start_soon(self._look)
            async for _ in changes:
                self._follow()
                now = self._config.files()
                if (names, links) != (set(map(str, now)), set(filter(os.path.islink, now))):
                    break
            nursery.cancel_scope.cancel()

    def _follow(self) -> None:
        self.report()
        self._changed()

    async def _look(self) -> None:
        while True:
            self._follow()
            await trio.sleep(LOOK_SECONDS)


def mistakes_told(config: LiveConfig) -> tuple[Outgoing, ...]:
    """What a client that has just come is told."""
    return tuple(Outgoing("configWarning", told) for told in _mistakes(config)[1].values())


def mistakes_of_project(config: LiveConfig, read: ReadConfig) -> tuple[Outgoing, ...]:
    """What a client is told of the project that it starts a thread in, beyond what all are told."""
    known = set(config.problems())
    return tuple(
        Outgoing("configWarning", ConfigWarningNotification(warning))
        for warning in read.warnings
        if warning not in known
    )


def _mistakes(
    config: LiveConfig,
) -> tuple[InvalidConfig | None, dict[str, ConfigWarningNotification]]:
    """Why a file cannot be used, if so, and what is told, by its words in the log."""
    try:
        warnings = config.read().warnings
    except InvalidConfig as problem:
        return problem, {str(problem): _broken(problem)}
    return None, {warning: ConfigWarningNotification(warning) for warning in warnings}


def _without_line(text: str) -> str:
    return _LINE.sub(": ", text, count=1)


def _broken(problem: InvalidConfig) -> ConfigWarningNotification:
    place = None if problem.line is None else TextPosition(problem.line, 1)
    return ConfigWarningNotification(
        "Invalid configuration; the last one that could be read stays in force.",
        details=str(problem),
        path=problem.file if os.path.isabs(problem.file) else None,
        range=None if place is None else TextRange(place, place),
    )
