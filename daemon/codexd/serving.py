"""Opens what the daemon needs, serves, and closes it: the life of one process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

from msgspec.structs import replace

from codexd.app import Daemon
from codexd.config.layers.stack import ALONE, SYSTEM_FILE, Sources
from codexd.config.live import LiveConfig
from codexd.exec.keeper_client import keeper_of
from codexd.exec.leftovers import home_mark
from codexd.feedback.recent_log import recent_log
from codexd.machine.collector import spare_the_collector
from codexd.machine.descriptors import take_descriptors
from codexd.machine.owners import make_own_folder
from codexd.machine.paths import Paths, SocketAddress, codex_home
from codexd.redaction.daemon_secrets import DaemonSecrets, clean_logs
from codexd.server.connection.listener import listening
from codexd.service.manager import Begun
from codexd.service.passed_sockets import PassedSocket, passed_socket
from codexd_eventstore.operations.jsonl import open_jsonl_store


async def serve(
    paths: Paths,
    address: SocketAddress,
    env: Mapping[str, str],
    begun: Begun,
    asked: Sources = ALONE,
) -> PassedSocket | None:
    """Run the daemon until a signal stops it; if another is to follow in this process, returns its socket.

    `asked`: the profile and the flags of the command line.

    Raises:
        Locked, AlreadyServed: another daemon is there.
        NotOurs: others own or may change a folder of ours.
        StoreError: the store cannot be opened.
        UnusableSocket: the service manager has passed something else than a socket to listen on.
    """
    spare_the_collector()
    take_descriptors()
    make_own_folder(paths.data_dir)
    make_own_folder(paths.state_dir)
    passed = passed_socket(begun.manager.variables)
    if passed is not None and passed.path != address.bind:
        address = SocketAddress(passed.path)
    async with AsyncExitStack() as stack:
        sources = replace(asked, codex_home=codex_home(env), system=SYSTEM_FILE)
        config = LiveConfig(paths.config_file, sources)
        redaction = DaemonSecrets(config, env)
        stack.enter_context(recent_log())
        stack.enter_context(clean_logs(redaction.text))
        store = await stack.enter_async_context(
            open_jsonl_store(
                paths.data_dir, state_dir=paths.state_dir, redact=redaction, sealed=True
            )
        )
        with suppress(OSError):  # It changes only what terminals do.
            paths.stopped_mark.unlink()
        listener = stack.enter_context(listening(address, passed))
        home = home_mark(str(paths.data_dir))
        processes = await stack.enter_async_context(keeper_of(paths.state_dir / "keeper", home))
        daemon = Daemon(paths, address, env, store, config, redaction, processes, begun)
        stack.push_async_callback(daemon.providers.aclose)
        restarts = await daemon.run(listener)
        return listener.hand_over() if restarts else None
