"""A method is added by what AGENTS.md says, and by nothing else: two structs, one function and two rows.

Everything else it has by that: its params are read and refused, its requests wait for those on the same thread, and
clients that ask for an unknown name get an error that lists it.
"""

from __future__ import annotations

import pytest

from daemon_client import connected
from daemon_house import Daemon, Home
from trio_test import trio_test

# What somebody writes who adds a method, run before the daemon's own `main`.
PROGRAM = '''
import sys
import msgspec
from codexd.protocol.methods import METHODS, Method
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.methods.lookup import open_thread
from codexd.server.methods.table import HANDLERS
from codexd.server.services import Services

# Two structs and one row in `protocol/`, ...
class ThreadGreetParams(msgspec.Struct, frozen=True, rename="camel"):
    """Whom to greet in a thread."""

    thread_id: str
    who: str

class ThreadGreetResponse(msgspec.Struct, frozen=True, rename="camel"):
    """How it was greeted."""

    greeting: str
    working_directory: str

METHODS["thread/greet"] = Method(ThreadGreetParams, ThreadGreetResponse)

# ... and a function and its row in `server/methods/`.
async def thread_greet(
    services: Services, connection: Connection, params: ThreadGreetParams
) -> MethodResult:
    """Greet somebody in a thread."""
    thread = await open_thread(services, params.thread_id)
    return MethodResult(ThreadGreetResponse(f"Hello, {params.who}!", thread.state.settings.cwd))

HANDLERS["thread/greet"] = thread_greet

from codexd.__main__ import main
sys.exit(main())
'''


@pytest.fixture
def greeting(home: Home) -> Daemon:
    daemon = home.launch(program=("-c", PROGRAM))
    daemon.wait_said("answers on")
    return daemon


@trio_test
async def test_it_is_answered(greeting: Daemon) -> None:
    async with connected(greeting.home.socket) as client:
        thread = await client.start_thread(cwd=str(greeting.home.work))
        assert await client.call("thread/greet", threadId=thread, who="Ann") == {
            "greeting": "Hello, Ann!",
            "workingDirectory": str(greeting.home.work),
        }


@trio_test
async def test_bad_params_and_unknown_threads_are_refused_as_for_every_method(
    greeting: Daemon,
) -> None:
    nobody = "01939a4e-7c1b-7d7e-8f5a-2b1c3d4e5f60"
    async with connected(greeting.home.socket) as client:
        missing = await client.refused("thread/greet", threadId=nobody)
        assert "who" in missing.message
        unknown = await client.refused("thread/greet", threadId=nobody, who="Ann")
        assert unknown.message == f"thread not found: {nobody}"
        unheard = await client.refused("thread/great")
        assert "thread/greet" in unheard.message
