"""The way to the collectors of telemetry, where any is configured. I/O."""

from __future__ import annotations

from urllib.parse import urlsplit

import trio

from codexd.core.values.shown import shown_url
from codexd.doctor.examined import Examined, fail, ok, warn
from codexd.models.http.proxies import port_of
from codexd.protocol.doctor import Finding
from codexd.telemetry.collectors.destination import read_destinations


class Collected:
    """The findings about collectors, as far as they have come."""

    def __init__(self, examined: Examined, found: list[Finding]) -> None:
        self._examined, self._found = examined, found

    async def look(self) -> None:
        """Connect to each collector; nothing is sent."""
        table = self._examined.config.last_good().otel
        wanted = read_destinations(table, self._examined.env)
        for problem in wanted.warnings:
            self._found.append(warn("collector.settings", problem, "codexctl config edit"))
        if not wanted.found:
            self._found.append(ok("collector", "telemetry is off"))
        async with trio.open_nursery() as nursery:
            for endpoint in dict.fromkeys(to.endpoint for to in wanted.found):
                nursery.start_soon(self._connect, endpoint)

    async def _connect(self, endpoint: str) -> None:
        where, parts = shown_url(endpoint), urlsplit(endpoint)
        port = port_of(parts)
        try:
            stream = await trio.open_tcp_stream(parts.hostname or "", port)
        except (OSError, UnicodeError, ValueError) as error:
            says = f"no connection to {where}: {error}; what happens is kept, and sent later"
            self._found.append(fail("collector", says, f"curl -v {where}"))
            return
        await stream.aclose()
        self._found.append(ok("collector", f"{where} accepts connections"))
