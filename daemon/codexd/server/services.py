"""The parts that the methods need, in one value that the composition root makes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from codexd import __version__
from codexd.catalog.clients import Providers
from codexd.config.editing.writer import ConfigWriter
from codexd.config.live import LiveConfig
from codexd.config.rule_files import RuleFiles
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.hooks.hooks import Hooks
from codexd.machine.paths import Paths
from codexd.protocol.models import Model
from codexd.redaction.redactor import Redactor
from codexd.runtime.actor.lookups import LookupSource
from codexd.runtime.daemon_stream import BroughtIn
from codexd.runtime.images.images import Images
from codexd.runtime.supervisor import Supervisor
from codexd.sandbox.confinement import Confinement
from codexd.server.account_host import AccountHost
from codexd.server.hub import Hub
from codexd.server.mcp_host import McpHost
from codexd.server.reads.directory import Directory
from codexd.server.searches import RunningSearches
from codexd.server.sweeper import Sweeper
from codexd.server.thread_keys import ThreadKeys
from codexd.service.lifetime import Lifetime
from codexd.sessions.one_off import OneOffCommands
from codexd.sessions.registry import Sessions
from codexd.telemetry.telemetry import TelemetryStatus
from codexd.tools.passed_env import PassedVariables
from codexd_eventstore.store import EventStore

if TYPE_CHECKING:
    from codexd.importing.importer import Importer


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the daemon that the methods use."""

    supervisor: Supervisor
    hub: Hub
    directory: Directory
    store: EventStore
    memory: EventStore  # where ephemeral threads live
    images: Callable[[bool], Images]  # of threads on disk, or (True) of those in memory
    config: LiveConfig
    rules: RuleFiles  # for commands, written by people and by approvals
    lookups: LookupSource  # what decisions depend on
    models: Callable[[], tuple[Model, ...]]  # the catalogue, with hidden models
    clients: Providers  # of models
    account: AccountHost
    local_providers: frozenset[str | None]  # providers whose own server lists their models
    new_id: Callable[[], str]
    now_us: Callable[[], int]
    today: Callable[[], str]
    warm_up: Callable[[], None]  # imports what the first turn will need
    version: str = __version__
    paths: Paths  # codexd keeps all in their folders; nothing else is written there
    socket: Path
    cwd: Path  # where a thread works that names no folder: the home folder of the person
    started_at_ms: int = msgspec.field(default_factory=lambda: time.time_ns() // 1_000_000)
    pid: int = msgspec.field(default_factory=os.getpid)
    keeper: Callable[[], int]  # its process; 0 if there is none
    importer: Callable[[], Importer]
    known_secrets: Callable[[], Redactor]  # all that the daemon knows to be secret
    sweeper: Sweeper
    thread_keys: ThreadKeys  # of thread/start and thread/fork
    brought_in: BroughtIn
    hooks: Hooks
    mcp: McpHost
    passed: PassedVariables  # by clients, for the commands of turns
    confinement: Confinement
    sessions: Sessions  # of all threads
    one_off: OneOffCommands
    lifetime: Lifetime  # of this process
    telemetry: Callable[[], TelemetryStatus]
    searches: RunningSearches = msgspec.field(default_factory=RunningSearches)
    recent_log: Callable[[], bytes]  # the daemon's, its newest entries

    @property
    def config_writer(self) -> ConfigWriter:
        """What changes config.toml."""
        return ConfigWriter(self.config)

    def state_of(self, thread_id: ThreadId) -> ThreadState | None:
        """A thread's state; None where it is not loaded."""
        thread = self.supervisor.loaded(thread_id)
        return thread.state if thread is not None else None

    def store_of(self, thread_id: ThreadId) -> EventStore:
        """Where a thread's log is."""
        return self.memory if self.supervisor.is_ephemeral(thread_id) else self.store
