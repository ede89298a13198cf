"""Telemetry of one daemon: which signals are sent, from when on, and how it goes.

Nothing of OpenTelemetry's is imported here: that happens where something is sent. Telemetry begins with the moment at
which it is configured: what was in the logs before is never sent. From then on each event is sent once, over restarts;
what a collector had taken when the daemon was killed, before that was noted, is sent again with the same ids.
"""

from __future__ import annotations

import importlib.util
import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from codexd import __version__
from codexd.config.live import LiveConfig
from codexd.config.otel_table import OtelTable
from codexd.core.state.turn import Turn
from codexd.core.values.ids import ModelCallId
from codexd.core.values.shown import shown_url
from codexd.core.values.trace import call_place, read_traceparent, turn_place
from codexd.models.exchange.notes import ExchangeNotes
from codexd.telemetry.collectors.destination import Destination, Destinations, read_destinations
from codexd.telemetry.signals.items import SIGNALS, Signal
from codexd_eventstore.consumers import Consumed

if TYPE_CHECKING:
    from codexd.telemetry.pipeline import Maker, Pipeline

log = logging.getLogger(__name__)

# The stream that has the checkpoint of when telemetry began: those of threads are UUIDs.
BEGINNING: Final = "telemetry"
# How long the end of the daemon may wait for a collector: what is not sent by then is sent by the next daemon.
FLUSH_SECONDS_MAX: Final = 2.0
# How often a change of the config is noticed, while threads are at work.
LOOK_SECONDS: Final = 1.0
NOT_INSTALLED: Final = (
    "telemetry is configured, but its libraries are not installed, and nothing is sent: "
    "pip install 'codexd[otel]' and restart the daemon; what happens until then is kept, and sent then"
)
# What is imported where something is sent, and which only the extra brings.
_NEEDED: Final = ("opentelemetry.proto", "google.protobuf")


class SignalStatus(msgspec.Struct, frozen=True):
    """How it goes with one signal."""

    signal: Signal
    endpoint: str  # without what may be secret in it
    transport: str
    sent: int = 0  # items that the collector took, since the start of the daemon
    dropped: int = 0  # items that it refused
    waiting: int = 0  # threads with events that are not sent yet
    problem: str | None = None  # why the last request was not taken


class TelemetryStatus(msgspec.Struct, frozen=True):
    """How it goes with telemetry. No signals and no problems: it is off."""

    signals: tuple[SignalStatus, ...] = ()
    problems: tuple[str, ...] = ()


class Telemetry:
    """The signals that are sent."""

    def __init__(
        self,
        stores: Sequence[Consumed],
        config: LiveConfig,
        env: Mapping[str, str],
        *,
        account: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`stores`: the first is the one that has checkpoints that last; `account`: attributes of who is logged in."""
        self._stores, self._config, self._env = stores, config, env
        self._version, self._account = __version__, account
        self._pipelines: list[Pipeline] = []
        self._problems: tuple[str, ...] = ()
        self._table: OtelTable | None = None
        self._begun = trio.Event()  # what the config asks for runs
        self._signals: frozenset[Signal] = frozenset()
        # Those that were wanted when the others were forgotten; at first, as if all had been.
        self._looked_at: frozenset[Signal] = frozenset(SIGNALS)

    @property
    def status(self) -> TelemetryStatus:
        """How it goes."""
        found: dict[Signal, SignalStatus] = {}
        for pipeline in self._pipelines:
            to = pipeline.destination
            before = found.get(to.signal)
            found[to.signal] = SignalStatus(
                to.signal,
                shown_url(to.endpoint),
                to.transport,
                pipeline.sent + (before.sent if before else 0),
                pipeline.dropped + (before.dropped if before else 0),
                pipeline.consumer.waiting + (before.waiting if before else 0),
                pipeline.problem or (before.problem if before else None),
            )
        return TelemetryStatus(tuple(found.values()), self._problems)

    def notes_of(
        self, thread_id: str, turn: Turn, call_id: ModelCallId, attempt: int
    ) -> ExchangeNotes | None:
        """Notes for an attempt to ask a model; None if nobody needs them."""
        if not self._signals or self._table is None:
            return None
        place = turn_place(thread_id, turn.turn_id, read_traceparent(turn.traceparent))
        place = call_place(place, thread_id, call_id, attempt)
        traced = "traces" in self._signals
        return ExchangeNotes(
            deltas=self._table.log_sse_deltas, traceparent=place.traceparent if traced else None
        )

    async def run(self) -> None:
        """Send, by the config in force, until it is cancelled."""
        with self._stores[0].changes() as changes:
            while True:
                self._table = self._config.last_good().otel
                read = read_destinations(self._table, self._env)
                wanted, found = read.found, self._checked(read).found
                # Before anything is imported: what is asked of a model meanwhile is noted too.
                self._signals = frozenset(to.signal for to in wanted)
                async with trio.open_nursery() as nursery:
                    if wanted:
                        await self._try_start(found, await self._begin(wanted), nursery)
                    self._begun.set()
                    while self._config.last_good().otel == self._table:
                        await changes.receive()
                        # Not at the start, which reads no checkpoint if it need not.
                        await self._forget_unwanted(frozenset(to.signal for to in wanted))
                        await trio.sleep(LOOK_SECONDS)
                    nursery.cancel_scope.cancel()
                self._pipelines, self._signals = [], frozenset()

    async def flush(self) -> None:
        """Send what is there, within a deadline, where the collector answers."""
        with trio.move_on_after(FLUSH_SECONDS_MAX):
            await self._begun.wait()
            async with trio.open_nursery() as nursery:
                for pipeline in self._pipelines:
                    nursery.start_soon(pipeline.flush)

    def _checked(self, found: Destinations) -> Destinations:
        """What can be sent, by what is installed; problems are logged once."""
        needed = [*_NEEDED, *("grpc" for to in found.found if to.transport == "grpc")]
        problems = found.warnings
        if found.found and not all(map(_is_installed, needed)):
            problems = (NOT_INSTALLED, *problems)
            found = Destinations()
        for problem in problems:
            if problem not in self._problems:
                log.warning("%s", problem)
        self._problems = problems
        return found

    async def _begin(self, wanted: Sequence[Destination]) -> dict[Signal, int]:
        """Since when each signal is sent, in Unix ms: since this moment, if it was not before."""
        store, now_ms = self._stores[0], time.time_ns() // 1_000_000
        found: dict[Signal, int] = {}
        for to in wanted:
            name = f"otel.{to.signal}.since"
            found[to.signal] = await store.checkpoint(name, BEGINNING) or now_ms
            if found[to.signal] == now_ms:
                await store.set_checkpoint(name, BEGINNING, now_ms, written=True)
        return found

    async def _forget_unwanted(self, wanted: frozenset[Signal]) -> None:
        """A signal that is off begins anew when it is on again."""
        for signal in self._looked_at.symmetric_difference(wanted):
            name = f"otel.{signal}.since"
            if signal not in wanted and await self._stores[0].checkpoint(name, BEGINNING):
                await self._stores[0].set_checkpoint(name, BEGINNING, 0, written=True)
        self._looked_at = wanted

    async def _try_start(
        self, found: Sequence[Destination], since_ms: Mapping[Signal, int], nursery: trio.Nursery
    ) -> None:
        try:
            if found:
                await self._start(found, since_ms, nursery)
        except Exception as error:  # noqa: BLE001 - of an import: a broken library ends no daemon
            problem = f"telemetry is not sent: its libraries cannot be loaded: {error}"
            self._problems = (*self._problems, problem)
            log.warning("%s", problem)

    async def _start(
        self,
        destinations: Sequence[Destination],
        since_ms: Mapping[Signal, int],
        nursery: trio.Nursery,
    ) -> None:
        """Start the signals' pipelines; the libraries are imported in a thread."""
        makers = await trio.to_thread.run_sync(self._prepare)
        for to in destinations:
            for store in self._stores:
                pipeline = makers(to, store, since_ms[to.signal])
                self._pipelines.append(pipeline)
                nursery.start_soon(pipeline.run)

    def _prepare(self) -> Callable[[Destination, Consumed, int], Pipeline]:
        from codexd.core.events.record import make_decoders
        from codexd.telemetry.collectors.destination import read_resource, value_characters_max
        from codexd.telemetry.collectors.open_sender import open_sender
        from codexd.telemetry.collectors.otlp import Encoder, response_type
        from codexd.telemetry.pipeline import Pipeline

        make_decoders()
        for signal in SIGNALS:
            response_type(signal)
        table, env, version = self._table or OtelTable(), self._env, self._version
        resource = read_resource(table, env, version)
        delta = env.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").lower() == "delta"
        makers, way = self._makers(table), partial(open_sender, env)

        def make(to: Destination, store: Consumed, since_ms: int) -> Pipeline:
            # As Codex has it: the machine's name with events, and not with traces and metrics.
            host = {"host.name": socket.gethostname()} if to.signal == "logs" else {}
            encoder = Encoder({**resource, **host}, version, value_characters_max(env))
            maker = makers[to.signal]
            return Pipeline(
                store, to, encoder, maker, since_ms=since_ms, delta=delta, open_sender=way
            )

        return make

    def _makers(self, table: OtelTable) -> Mapping[Signal, Callable[[], Maker]]:
        from codexd.telemetry.collectors.destination import sampled_ratio
        from codexd.telemetry.signals.log_events import OUTPUT_BYTES_MAX, Described, LogEvents
        from codexd.telemetry.signals.measurements import Measurements
        from codexd.telemetry.signals.spans import Spans

        env, output = self._env, table.tool_result

        def described() -> Described:
            return Described(
                app_version=self._version,
                terminal=terminal_of(env),
                log_user_prompt=table.log_user_prompt,
                output_bytes_max=output.max_bytes if output is not None else OUTPUT_BYTES_MAX,
                mcp_servers=tuple(self._config.last_good().mcp_servers),
                account=self._account(),
            )

        return {
            "logs": lambda: LogEvents(described()),
            "traces": lambda: Spans(table.span_attributes, sampled_ratio(env)),
            "metrics": lambda: Measurements(self._version),
        }


def terminal_of(env: Mapping[str, str]) -> str:
    """The terminal that the daemon was started from."""
    name, version = env.get("TERM_PROGRAM", ""), env.get("TERM_PROGRAM_VERSION", "")
    if name:
        return f"{name}/{version}" if version else name
    return env.get("TERM") or "unknown"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # Not even the package that it is in.
        return False
