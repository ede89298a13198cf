"""The composition root: wires, serves, shuts down. Only this file knows all parts.

Start: the store's lock, the socket, answers; only then what the daemon before left. Stop: commands go on at the
keeper, and the next daemon takes them up; a model's unfinished answer is resumed by it from its draft.
"""

from __future__ import annotations

import datetime
import functools
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from codexd import __version__
from codexd.agents.tools import AgentTool, agent_tools
from codexd.catalog.clients import Providers
from codexd.catalog.model_facts import ModelFacts
from codexd.catalog.wire_models import wire_model
from codexd.config.domains import DomainList
from codexd.config.file import InvalidConfig
from codexd.config.live import LiveConfig
from codexd.config.policies import here_of
from codexd.config.rule_files import RuleFiles
from codexd.context_files.agents_md import instruction_homes, read_user_instructions, rules_of
from codexd.context_files.compact_prompt import compact_prompt, read_prompt
from codexd.context_files.machine import place_here
from codexd.core.decide.lookups import Titles
from codexd.core.prompts.base_instructions import BASE_INSTRUCTIONS
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.ids import ThreadId
from codexd.exec.keeper_client import KeeperProcesses
from codexd.exec.leftovers import home_mark
from codexd.exec.ports import Command, ServerProcess
from codexd.feedback.recent_log import recent_entries
from codexd.hooks.hooks import Hooks
from codexd.index.index import SearchIndex
from codexd.machine.paths import Paths, SocketAddress, home_folder
from codexd.machine.repository import git_may_run
from codexd.models.builtin import LOCAL
from codexd.models.client import ModelClient
from codexd.network.commands import CommandNetwork
from codexd.redaction.daemon_secrets import DaemonSecrets
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.lookups import LookupSource
from codexd.runtime.actor.ports import World
from codexd.runtime.daemon_stream import BroughtIn
from codexd.runtime.draining import Draining
from codexd.runtime.effects.perform import perform
from codexd.runtime.images.images import ImageCache, Images
from codexd.runtime.supervisor import Supervisor
from codexd.runtime.take_over import end_leftovers, end_unclaimed, take_over
from codexd.sandbox.confinement import Confinement
from codexd.server.account_host import AccountHost
from codexd.server.config_reports import ConfigReports
from codexd.server.connection.codex_socket import keep_linked
from codexd.server.connection.listener import Listener, accept_all, keep_bound
from codexd.server.hub import Hub
from codexd.server.mcp_host import McpHost
from codexd.server.methods.table import Dispatcher
from codexd.server.reads.directory import Directory
from codexd.server.services import Services
from codexd.server.sweeper import Sweeper
from codexd.server.thread_keys import ThreadKeys
from codexd.server.warmth import Warmth
from codexd.service.lifetime import SIGNALS, Lifetime
from codexd.service.manager import Begun
from codexd.service.watchdog import keep_told
from codexd.sessions.one_off import OneOffCommands
from codexd.sessions.registry import Sessions
from codexd.telemetry.telemetry import Telemetry
from codexd.tool_set import own_tools
from codexd.tools.login_env import LoginEnvironment, command_shell
from codexd.tools.passed_env import PassedVariables
from codexd.tools.registry import Registry
from codexd.tools.shell import Shell
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.store import EventStore

if TYPE_CHECKING:
    from codexd.importing.importer import Importer

log = logging.getLogger(__name__)

StartServer = Callable[[Command], Awaitable[ServerProcess]]

# How long snapshots may be taken at the end: they spare the next daemon some reading, and nothing else.
LAST_SNAPSHOTS_SECONDS_MAX = 2.0
# And requests that were read, which take milliseconds, but for those that wait for a program.
LAST_ANSWERS_SECONDS_MAX = 2.0


def _today() -> str:
    return datetime.date.today().isoformat()  # noqa: DTZ011  # the day where the person is


class Daemon:
    """The parts of the daemon, wired."""

    def __init__(
        self,
        paths: Paths,
        address: SocketAddress,
        env: Mapping[str, str],
        store: EventStore,
        config: LiveConfig,
        redaction: DaemonSecrets,
        processes: KeeperProcesses,
        begun: Begun,
    ) -> None:
        self._processes, self._sessions, self._shell = processes, Sessions(), command_shell(env)
        self._config, self._redaction, self._paths = config, redaction, paths
        self._homes, self._cwd = instruction_homes(paths, env), home_folder(env)
        self._rules, own = RuleFiles(self._homes, self._cwd), paths.folders
        self._hub, self._reports = self._talk_of(config)
        self._account = AccountHost(self._homes, config, env, self._hub, store, redaction.learnt)
        self.providers = Providers(config, env, self._account.payments)
        self._facts = ModelFacts(config, self.providers.window, paths.state_dir, _today)
        self._unfinished = UnfinishedFiles(paths.state_dir / "unfinished")
        self._noted = ProcessFiles(paths.state_dir / "processes")
        self._passed = PassedVariables(redaction.passed_taken)
        self._login = LoginEnvironment(
            env,
            processes,
            secrets=self.providers.secret_variables,
            taken=redaction.login_taken,
            passed=self._passed.of_turn,
        )
        self._confinement = Confinement(
            own, paths.state_dir, env, config.unsandboxed, config.lists_domains, self._homes[1:]
        )
        self._own_outside(paths, env, processes.start_server)
        stores = {False: store, True: MemoryStore(redaction, sealed=True)}
        worlds = {ephemeral: self._world(kept, env) for ephemeral, kept in stores.items()}
        self._own_threads(worlds, begun, env)
        self._index = SearchIndex(paths.state_dir, paths.data_dir, self._is_loaded)
        self._services = self._services_of(worlds, paths, address.link or address.bind)

    @staticmethod
    def _talk_of(config: LiveConfig) -> tuple[Hub, ConfigReports]:
        hub = Hub(lambda: time.time_ns() // 1_000_000)
        return hub, ConfigReports(config, hub)

    def _own_outside(self, paths: Paths, env: Mapping[str, str], start: StartServer) -> None:
        """What reaches beyond this machine: a list of domains for commands, and MCP servers."""
        domains = DomainList(self._config, self._rules).current
        self._network = CommandNetwork(paths.runtime_dir / "network", domains)
        login, learnt = self._login.variables, self._redaction.learnt
        self._mcp = McpHost(self._config, self._hub, start, login, env, paths, learnt)

    def _own_threads(
        self, worlds: Mapping[bool, World], begun: Begun, env: Mapping[str, str]
    ) -> None:
        stores, account = [world.store for world in worlds.values()], self._account.attributes
        self._telemetry = Telemetry(stores, self._config, env, account=account)
        draining = Draining(perform)
        self._supervisor = Supervisor(worlds.__getitem__, self._hub.feed, draining.perform)
        self._lifetime = Lifetime(begun, draining.drain, self._hub.stopping)
        self._warmth = Warmth(lambda: self._hub.any, _import_http, self._login.variables)
        self._hooks = Hooks(
            worlds[False].store,
            self._processes,
            self._login.variables,
            self._hub.is_watched,
            self._config.notify,
            self._cwd,
        )

    def _services_of(self, worlds: Mapping[bool, World], paths: Paths, link: Path) -> Services:
        world = worlds[False]
        return Services(
            supervisor=self._supervisor,
            hub=self._hub,
            directory=Directory(world.store, self._supervisor, self._index),
            store=world.store,
            memory=worlds[True].store,
            images=lambda ephemeral: worlds[ephemeral].images,
            config=self._config,
            rules=self._rules,
            lookups=world.lookups,
            models=lambda: tuple(map(wire_model, self._facts.catalog.current().models)),
            clients=self.providers,
            account=self._account,
            local_providers=frozenset(LOCAL),
            new_id=world.new_id,
            now_us=world.now_us,
            today=_today,
            warm_up=self._warmth.turn_is_near,
            hooks=self._hooks,
            mcp=self._mcp,
            paths=paths,
            socket=link,
            cwd=self._cwd,
            keeper=lambda: self._processes.keeper_pid,
            known_secrets=lambda: self._redaction.known,
            importer=functools.cache(lambda: self._importer(world)),
            sweeper=Sweeper(world.store),
            thread_keys=ThreadKeys(world.store, world.now_us),
            brought_in=BroughtIn(world.store, world.now_us),
            confinement=self._confinement,
            sessions=self._sessions,
            telemetry=lambda: self._telemetry.status,
            one_off=self._one_off_commands(),
            recent_log=recent_entries,
            lifetime=self._lifetime,
            passed=self._passed,
        )

    def _one_off_commands(self) -> OneOffCommands:
        return OneOffCommands(
            self._login, self._processes, self._confinement, self._shell, self._network
        )

    def _importer(self, world: World) -> Importer:
        # A tenth of the start's time, and few ever import anything.
        from codexd.importing.importer import Importer

        return Importer(
            world.store,
            daemon_version=__version__,
            now_us=world.now_us,
            unload=self._supervisor.unload,
            default_model=self._facts.catalog.current().default.id,
        )

    async def run(self, listener: Listener) -> bool:
        """Serve until a signal or a client says to stop; returns whether another daemon is to follow here."""
        answers = Dispatcher(self._services)

        async def serve_one(peer: socket.socket) -> None:
            self._warmth.client_came()
            await self._hub.serve(peer, answers)

        # Before the daemon reports that it is ready: a client may ask it to stop at once.
        with trio.open_signal_receiver(*SIGNALS) as signals:
            await self._serve(listener, serve_one, signals)
        return self._lifetime.restarts

    async def _serve(
        self,
        listener: Listener,
        serve_one: Callable[[socket.socket], Awaitable[None]],
        signals: AsyncIterator[int],
    ) -> None:
        store, lifetime = self._services.store, self._lifetime
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._index.run, store)
            nursery.start_soon(self._services.sweeper.run)
            nursery.start_soon(self.providers.run)
            nursery.start_soon(self._facts.run)
            nursery.start_soon(self._mcp.servers.run)
            nursery.start_soon(self._account.run)
            nursery.start_soon(self._telemetry.run)
            nursery.start_soon(accept_all, listener, serve_one)
            nursery.start_soon(keep_bound, listener, self._paths.data_dir / "store.lock")
            nursery.start_soon(keep_linked, listener, self._config.served_codex_home)
            nursery.start_soon(self._warmth.run)
            nursery.start_soon(self._hooks.run)
            log.info("codexd %s answers on %s", __version__, self._services.socket)
            self._report_config()
            nursery.start_soon(self._reports.run, self._hooks.look_at_config)
            nursery.start_soon(self._confinement.run)
            if not await self._processes.lives():
                await end_leftovers(self._noted, home_mark(str(self._paths.data_dir)))
            await nursery.start(self._supervisor.run)
            nursery.start_soon(self._take_over)
            nursery.start_soon(keep_told, lifetime.manager, self._status, store.until_written)
            await lifetime.run(signals, self._report_config, self._status)
            await self._wind_up(listener)
            nursery.cancel_scope.cancel()

    async def _wind_up(self, listener: Listener) -> None:
        """Leave new requests to the next daemon, answer the others, and take last snapshots."""
        listener.retire()
        with trio.move_on_after(LAST_ANSWERS_SECONDS_MAX):
            await self._hub.finish()
        with trio.move_on_after(LAST_SNAPSHOTS_SECONDS_MAX):
            await self._supervisor.keep_all()
        await self._telemetry.flush()

    def _status(self) -> str:
        """One line, for `systemctl status`."""
        threads = self._supervisor.threads
        running = sum(thread.state.turn is not None for thread in threads)
        clients = self._hub.connections
        return f"serves: {running} turns run, {len(threads)} threads loaded, {clients} clients"

    async def _take_over(self) -> None:
        await take_over(self._supervisor, self._unfinished, self._index, self._services.store)
        await end_unclaimed(self._processes, self._supervisor)

    def _tools(self, images: Images) -> Registry:
        shell = Shell(
            self._login,
            self._shell,
            self._processes,
            self._confinement,
            self._network,
            self._login.of_person,
        )
        registry = own_tools(
            shell,
            self._sessions,
            images,
            self.providers.web_search,
            lambda: self._config.last_good().background_terminal_max_timeout,
            self._agents,
        )
        self._mcp.offer(registry, images)
        return registry

    @functools.cached_property
    def _agents(self) -> tuple[AgentTool, ...]:
        return agent_tools(
            lambda: self._supervisor,
            lambda *wanted: self._services.directory.recent(*wanted),  # noqa: PLW0108  # made later
            self._hub.announce_thread,
            lambda: self._config.last_good().threads,
        )

    def _world(self, store: EventStore, env: Mapping[str, str]) -> World:
        cache = ImageCache()
        return World(
            store=store,
            image_cache=cache,
            client=self._client,
            limits_seen=self._limits_seen,
            traits=self._facts.traits,
            registry=self._tools(Images(store, cache)),
            tools_ready=self._mcp.servers.ready,
            unfinished=self._unfinished,
            processes=self._noted,
            instructions=BASE_INSTRUCTIONS,
            threads=lambda: self._supervisor,
            brought=BroughtIn(store, lambda: time.time_ns() // 1000).of,
            version=__version__,
            lookups=self._lookups(env),
            resume_on_restart=self._config.last_good().on_restart == "resume",
            redact=self._redaction.text,
            cleaner=self._redaction.stream,
            notes_of=lambda *attempt: self._telemetry.notes_of(*attempt),  # noqa: PLW0108  # made later
        )

    def _lookups(self, env: Mapping[str, str]) -> LookupSource:
        return LookupSource(
            limits=self._facts.limits,
            tuning=self._facts.tuning,
            warnings=self._facts.warnings,
            machine=functools.partial(place_here, os.path.basename(self._shell), env.get("TZ")),
            instructions=lambda _: BASE_INSTRUCTIONS,
            here=lambda: here_of(self._config.last_good()),
            enforcement=self._confinement.enforcement,
            titles=self._titles,
            review_model=lambda: self._config.last_good().review_model,
            compact_prompt=lambda: compact_prompt(self._config.last_good(), self._config.file),
            read_prompt=read_prompt,
            user_instructions=self._read_instructions,
            git_may_run=git_may_run,
            rules=self._rules.current,
            own_folders=tuple(map(os.path.realpath, (*self._paths.folders, *self._homes))),
        )

    def _client(self, provider: str, turn_id: str) -> ModelClient:
        self._redaction.refresh()  # A key is a secret before it is used.
        return self.providers.client(provider, turn_id)

    def _limits_seen(self, provider: str, turn_id: str, headers: Mapping[str, str]) -> None:
        self._account.observe(self.providers.payment(provider, turn_id), headers)

    def _is_loaded(self, stream: str) -> bool:
        return self._supervisor.loaded(ThreadId(stream)) is not None

    def _titles(self) -> Titles | None:
        table = self._config.last_good().titles
        return Titles(table.model) if table.by_model else None

    def _read_instructions(self, cwd: str) -> UserInstructions:
        with suppress(InvalidConfig):  # The last good settings hold then.
            self._config.read_in(cwd)
        return read_user_instructions(cwd, rules_of(self._config.in_folder(cwd), self._homes))

    def _report_config(self) -> str:
        """Report mistakes in the configuration; clients that start a thread get an error too. Returns a status."""
        problem = self._reports.report()
        if problem is None:
            return self._status()
        return f"serves with the last configuration that could be read: {problem}"


def _import_http() -> None:
    from codexd.models.http.client import warm_up

    warm_up()
