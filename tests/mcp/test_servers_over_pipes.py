"""One process for each server, started on first use; whatever it does, it hurts its own calls only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from codexd.config.mcp_table import McpServerTable
from codexd.mcp.catalog import TOOLS_MAX
from codexd.mcp.connection import Answered, ServerError, SessionLost, TimedOut
from codexd.mcp.server import McpServer
from codexd.mcp.servers import Update
from mcp_house import McpHouse, Person, pipe_server
from trio_test import trio_test

pytestmark = pytest.mark.slow  # Each starts a process.


async def call(
    server: McpServer, tool: str = "echo", arguments: Any = None, person: Person | None = None
) -> str:
    result = await server.call(tool, arguments or {}, person or Person())
    (block,) = json.loads(result)["content"]
    words: str = block["text"]
    return words


async def started(house: McpHouse, mode: str, **members: Any) -> McpServer:
    """The server, started, as far as it can be."""
    house.configure(s=pipe_server(mode, **members))
    assert await house.servers.ready() is None
    server = house.servers.find("s")
    assert server is not None
    return server


@trio_test
async def test_a_server_is_started_on_first_use_and_once_for_all_calls(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    house.configure(s=pipe_server("Server"), off=pipe_server("Server", enabled=False))
    async with house.running() as servers:
        assert [(server.name, server.state) for server in servers.all] == [
            ("off", "disabled"),
            ("s", "notStarted"),
        ]
        assert house.started == []
        server = servers.find("s")
        assert server is not None
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(servers.ready)
        answers = [await call(server, arguments={"n": n}) for n in range(3)]
        assert answers == ['{"n": 0}', '{"n": 1}', '{"n": 2}']
        assert len(house.started) == 1
        assert house.names == ["mcp__s__change", "mcp__s__echo"]
    assert house.updates == [
        Update("s", "starting"),
        Update("s", "connected"),
        Update("s", "cancelled"),
    ]


@trio_test
async def test_only_the_tools_that_the_config_chooses_are_offered(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        await started(house, "Server", enabled_tools=("echo", "gone"))
        assert house.names == ["mcp__s__echo"]
        await started(house, "Server", disabled_tools=("echo",))
        assert house.names == ["mcp__s__change"]
        house.configure()
        assert await house.servers.ready() is None
        assert house.names == []


@trio_test
async def test_its_environment_has_the_safe_variables_and_those_that_the_config_names(
    tmp_path: Path,
) -> None:
    env = {"OPENAI_API_KEY": "secret-1", "MY_TOKEN": "secret-2", "LANG": "C.UTF-8"}
    house = McpHouse(tmp_path, env)
    (tmp_path / "w").mkdir()
    async with house.running():
        server = await started(
            house, "Environment", env={"A": "b"}, env_vars=("MY_TOKEN", "NOT_SET"), cwd="w"
        )
        told = json.loads(await call(server))
    known = {"PATH", "HOME", "LANG", "A", "MY_TOKEN", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
    assert told["env"].keys() <= known  # Python and macOS add the last two by themselves.
    assert (told["env"]["A"], told["env"]["MY_TOKEN"]) == ("b", "secret-2")
    assert told["cwd"] == str(tmp_path / "w")


@pytest.mark.parametrize("mode", ["Silent", "OtherId", "Flood"])
@trio_test
async def test_a_server_that_is_not_ready_in_time_has_failed(tmp_path: Path, mode: str) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, mode, startup_timeout_sec=0.4)
        assert (server.state, server.error) == ("failed", "it was not ready within 0.4 s")
        with pytest.raises(ServerError, match="s is not available: it was not ready"):
            await call(server)
        assert len(house.started) == 1
        # It is not tried again with every turn; a new thread, or a reload, does.
        await house.servers.ready()
        assert len(house.started) == 1
        house.servers.begin()
        await house.servers.ready()
        assert len(house.started) == 2


@trio_test
async def test_a_required_server_that_cannot_be_started_is_why_no_turn_begins(
    tmp_path: Path,
) -> None:
    house = McpHouse(tmp_path)
    house.configure(s=McpServerTable(command="/no/such/program", required=True))
    async with house.running() as servers:
        assert await servers.ready() == (
            "An MCP server that config.toml requires is not available (s: /no/such/program could not be started: "
            "No such file or directory). Nothing was sent."
        )


@trio_test
async def test_what_is_no_message_is_reported_once_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Garbage")
        assert server.state == "connected"
        assert await call(server, arguments={"a": 1}) == '{"a": 1}'
    told = [record.getMessage() for record in caplog.records if "JSON-RPC" in record.getMessage()]
    assert len(told) == 1
    assert "found \ufffd\ufffd\\u{0} no json; such lines are skipped" in told[0]


@trio_test
async def test_a_line_without_an_end_ends_the_connection_and_not_the_daemon(
    tmp_path: Path,
) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "HugeLine")
        with pytest.raises(SessionLost):
            await call(server)
        while house.updates[-1].state == "connected":
            await house.changed()
        assert server.error == "it wrote a line of more than 33554432 bytes"


@trio_test
async def test_a_server_that_never_stops_talking_holds_up_nobody_else(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    house.configure(loud=pipe_server("FloodBeside"), s=pipe_server("Server"))
    async with house.running() as servers:
        await servers.ready()
        loud, other = servers.find("loud"), servers.find("s")
        assert loud is not None
        assert other is not None
        assert await call(loud) == "{}"  # From here on it talks.
        for n in range(20):
            assert await call(other, arguments={"n": n}) == f'{{"n": {n}}}'


@trio_test
async def test_of_any_number_of_tools_and_pages_a_bounded_number_is_used(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Many")
        assert len(house.offered) == TOOLS_MAX
        assert server.catalog.left_out is not None
        server = await started(house, "Pages")
        assert (server.state, len(house.offered)) == ("connected", 100)


@trio_test
async def test_a_tool_with_a_hidden_name_is_called_by_the_name_that_the_server_knows(
    tmp_path: Path,
) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Hidden")
        assert house.names == ["mcp__s__evil____31m_name"]
        assert await call(server, house.offered[0].tool.name) == "True"


@trio_test
async def test_a_server_that_ends_in_a_call_is_started_again_when_it_is_next_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Closes")
        with pytest.raises(SessionLost):
            await call(server)
        while house.updates[-1].state == "connected":
            await house.changed()
        assert house.updates[-1] == Update("s", "failed", "it ended; its last words: out of memory")
        assert house.names == ["mcp__s__change", "mcp__s__echo"]  # It comes back.
        assert await house.servers.ready() is None
    assert [update.state for update in house.updates] == [
        "starting",
        "connected",
        "failed",
        "starting",
        "connected",
        "cancelled",
    ]
    assert any("out of memory" in record.getMessage() for record in caplog.records)


@trio_test
async def test_a_call_that_is_cancelled_ends_at_once_and_the_server_is_told(
    tmp_path: Path,
) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Never")
        with trio.move_on_after(0.05) as scope:
            await call(server)
        assert scope.cancelled_caught
        process = house.started[0]
        while "was cancelled" not in process.errors():
            await trio.testing.wait_all_tasks_blocked(0.01)


@trio_test
async def test_cancelling_waits_for_no_server_that_reads_nothing(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Deaf")
        large = {"x": "y" * 1_000_000}  # It does not fit into the pipe.
        with trio.fail_after(4), trio.move_on_after(0.05):
            await call(server, arguments=large)


@trio_test
async def test_a_call_that_is_not_answered_in_time_is_given_up(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Never", tool_timeout_sec=0.05)
        with pytest.raises(TimedOut, match=r"no answer came within 0\.05 s"):
            await call(server)
        assert server.state == "connected"


@trio_test
async def test_a_list_that_changes_is_read_again_and_offered(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "Changing")
        await call(server)
        while "mcp__s__t2" not in house.names:
            await house.changed()
        assert house.names == ["mcp__s__change", "mcp__s__echo", "mcp__s__t2"]


@trio_test
async def test_a_question_of_the_server_is_asked_of_a_person_and_the_calls_time_stands_still(
    tmp_path: Path,
) -> None:
    house = McpHouse(tmp_path)
    person = Person(Answered("accept", {"name": "Ann"}))
    async with house.running():
        server = await started(house, "Asks", tool_timeout_sec=30)
        told = json.loads(await call(server, person=person))
        assert told == {"action": "accept", "content": {"name": "Ann"}}
        (asked,) = person.asked
        assert json.loads(asked.params)["message"] == "Who?"
        silent = Person()
        server = await started(house, "Asks", tool_timeout_sec=0.1)
        with trio.move_on_after(0.5) as scope:
            await call(server, person=silent)
        assert scope.cancelled_caught  # It was still waiting for the person.
        assert len(silent.asked) == 1


@trio_test
async def test_a_server_that_knows_only_the_newest_protocol_is_spoken_to_in_that(
    tmp_path: Path,
) -> None:
    house = McpHouse(tmp_path)
    async with house.running():
        server = await started(house, "NewestOnly")
        assert (server.state, server.error) == ("connected", None)
        assert await call(server) == "new"


@trio_test
async def test_a_server_whose_table_changes_is_replaced_and_others_stay(tmp_path: Path) -> None:
    house = McpHouse(tmp_path)
    house.configure(a=pipe_server("Server"), b=pipe_server("Server"))
    async with house.running() as servers:
        await servers.ready()
        kept = servers.find("a")
        house.configure(a=pipe_server("Server"), b=pipe_server("Changing"))
        servers.reload()
        await servers.ready()
        assert servers.find("a") is kept
        assert len(house.started) == 3
        assert [server.state for server in servers.all] == ["connected", "connected"]
