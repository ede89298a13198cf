"""A session over HTTP that the server knows no more is begun anew, also by a call that comes while it is put away."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from codexd.config.mcp_table import McpServerTable
from codexd.exec.ports import ServerProcess
from codexd.mcp.connection import ServerError, load_sdk
from codexd.mcp.server import RETRY_SECONDS, HttpSession, McpServer
from mcp_house import Person
from oauth_server import oauth_server
from trio_test import trio_test

pytestmark = pytest.mark.slow  # It speaks over a network.
TOKEN = "token"


class Ways:
    """Ways to a server that are put away when the test says so."""

    def __init__(self) -> None:
        self.all: list[HttpSession] = []
        self.put_away, self.may_go = trio.Event(), trio.Event()
        self.down = False

    async def start(self, name: str, table: McpServerTable) -> ServerProcess:
        raise AssertionError(name)

    def http(self, name: str, table: McpServerTable) -> HttpSession:
        from codexd.mcp.http import HttpWay, headers_of

        ways = self
        if self.down:
            raise ServerError("connection refused")

        class Way(HttpWay):
            async def aclose(self) -> None:
                ways.put_away.set()
                await ways.may_go.wait()
                await super().aclose()

        self.all.append(Way(table, headers_of(table, {}), None))
        return self.all[-1]


@trio_test
async def test_a_call_that_comes_while_a_session_is_put_away_waits_for_the_next() -> None:
    load_sdk()
    ways = Ways()
    with oauth_server() as web:
        web.valid = {TOKEN}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        table = McpServerTable(url=web.url, http_headers=headers)
        server = McpServer("web", table, ways, lambda _: None)
        answers: list[bytes] = []

        async def call() -> None:
            answers.append(await server.call("who", {}, Person()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run)
            await call()
            ways.all[0].gone.set()
            await ways.put_away.wait()
            async with trio.open_nursery() as calls:
                calls.start_soon(call)
                await trio.testing.wait_all_tasks_blocked()
                ways.may_go.set()
            nursery.cancel_scope.cancel()
    assert [json.loads(answer)["content"][0]["text"] for answer in answers] == ["Ann", "Ann"]
    assert len(ways.all) == 2


def test_a_server_that_was_away_for_a_call_is_used_again_a_while_later() -> None:
    clock = trio.testing.MockClock()
    trio.run(_away_for_a_call, clock, clock=clock)


async def _away_for_a_call(clock: trio.testing.MockClock) -> None:
    load_sdk()
    ways = Ways()
    ways.may_go.set()
    with oauth_server() as web:
        web.valid = {TOKEN}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        table = McpServerTable(url=web.url, http_headers=headers)
        server = McpServer("web", table, ways, lambda _: None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run)
            await server.call("who", {}, Person())
            ways.down = True
            ways.all[0].gone.set()
            await ways.put_away.wait()
            with pytest.raises(ServerError, match="connection refused"):
                await server.call("who", {}, Person())
            ways.down = False
            with pytest.raises(ServerError, match="connection refused"):
                await server.call("who", {}, Person())
            clock.jump(RETRY_SECONDS)
            answer = await server.call("who", {}, Person())
            nursery.cancel_scope.cancel()
    assert json.loads(answer)["content"][0]["text"] == "Ann"
