"""A daemon that is killed at one point of the first tool call that it performs.

python doomed_daemon.py POINT

    before    the call's start is in the log, and nothing was done
    during    the call has printed `begun`, or has renamed its first file
    after     all was done, and nothing is reported yet
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any, cast

import trio

from codexd.app import Daemon
from codexd.config.live import LiveConfig
from codexd.core.values.tool_actions import ToolAction, ToolResult
from codexd.exec.keeper_client import keeper_of
from codexd.exec.leftovers import home_mark
from codexd.machine.log_lines import log_to
from codexd.machine.owners import make_own_folder
from codexd.machine.paths import (
    Paths,
    SocketAddress,
    default_paths,
    socket_address,
)
from codexd.machine.umask import keep_files_private
from codexd.redaction.daemon_secrets import DaemonSecrets
from codexd.runtime.images.images import Images
from codexd.server.connection.listener import listening
from codexd.service.manager import Begun, Manager
from codexd.tools.registry import CallContext, CallSink, Registry
from codexd_eventstore.operations.jsonl import open_jsonl_store

BEGUN = b"begun"


def die() -> None:
    """End as by a crash."""
    os.kill(os.getpid(), signal.SIGKILL)


class DoomedSink:
    """Dies when the tool's process has printed that it has begun."""

    def __init__(self, sink: CallSink) -> None:
        self._sink = sink

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def output(self, chunk: bytes) -> None:
        self._sink.output(chunk)
        if BEGUN in chunk:
            die()


class DoomedRegistry:
    """The tools of a daemon, whose first call kills it."""

    def __init__(self, tools: Registry, point: str) -> None:
        self._tools, self._point = tools, point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tools, name)

    async def perform(
        self, name: str, action: ToolAction, context: CallContext, sink: CallSink
    ) -> ToolResult:
        if self._point == "before":
            die()
        if self._point == "during":
            sys.addaudithook(_die_after_a_rename(context.cwd))
            sink = cast("CallSink", DoomedSink(sink))
        result = await self._tools.perform(name, action, context, sink)
        if self._point == "after":
            die()
        return result


def _die_after_a_rename(folder: str) -> Any:
    renamed = 0
    real = os.path.realpath(folder)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal renamed
        if event != "os.rename":
            return
        # The tool may reach the folder by a descriptor of it.
        if os.path.realpath(os.path.dirname(str(arguments[1]))) == real:
            renamed += 1
            if renamed == 2:
                die()

    return watch


class DoomedDaemon(Daemon):
    """A daemon whose tools kill it."""

    def _tools(self, images: Images) -> Registry:
        return cast("Registry", DoomedRegistry(super()._tools(images), sys.argv[1]))


async def serve(paths: Paths, address: SocketAddress) -> None:
    """As `codexd.serving.serve`, without what a service needs."""
    make_own_folder(paths.data_dir)
    make_own_folder(paths.state_dir)
    env = os.environ.copy()
    async with AsyncExitStack() as stack:
        config = LiveConfig(paths.config_file)
        redaction = DaemonSecrets(config, env)
        store = await stack.enter_async_context(
            open_jsonl_store(
                paths.data_dir, state_dir=paths.state_dir, redact=redaction, sealed=True
            )
        )
        listener = stack.enter_context(listening(address))
        mark = home_mark(str(paths.data_dir))
        processes = await stack.enter_async_context(keeper_of(paths.state_dir / "keeper", mark))
        daemon = DoomedDaemon(
            paths, address, env, store, config, redaction, processes, Begun(Manager())
        )
        stack.push_async_callback(daemon.providers.aclose)
        await daemon.run(listener)


if __name__ == "__main__":
    keep_files_private()
    home = default_paths()
    log_to(sys.stderr, logging.INFO, "%(asctime)s %(levelname)s %(message)s")
    trio.run(serve, home, socket_address(home.socket))
