"""What a client of Codex asks of a daemon's process and machine, and of features that codexd does not have."""

from __future__ import annotations

import json
import os

from codexd.protocol.not_offered import EMPTY_ANSWERS
from daemon_client import Refused, connected
from daemon_house import Daemon
from trio_test import trio_test


@trio_test
async def test_the_process_and_the_place_of_commands_are_told(daemon: Daemon) -> None:
    daemon.home.configure('model_provider = "openai"\n')  # It searches the web.
    async with connected(daemon.home.socket) as client:
        status = await client.call("server/status")
        said = await client.call("server/diagnostics")
        assert said["process"]["id"] == status["pid"]
        resident = said["process"]["residentMemoryBytes"]
        assert resident is None or resident > 1 << 20
        figures = {gauge["name"]: gauge["value"] for gauge in said["gauges"]}
        assert figures["app.connections"] == status["connections"]
        local = {"environmentId": "local"}
        assert await client.call("environment/status", **local) == {
            "status": "ready",
            "error": None,
        }
        shell = (await client.call("environment/info", **local))["shell"]
        assert os.access(shell["path"], os.X_OK)
        assert shell["name"] == os.path.basename(shell["path"])
        other = await client.call("environment/status", environmentId="x")
        assert other == {"status": "unknown", "error": "unknown environment id `x`"}
        for value, search in (("disabled", False), (None, True)):
            key = {"keyPath": "web_search", "mergeStrategy": "replace"}
            await client.call("config/value/write", **key, value=value)
            can = await client.call("modelProvider/capabilities/read")
            assert can == {"imageGeneration": False, "webSearch": search}


@trio_test
async def test_what_is_not_here_is_empty_refused_or_unknown(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        for method, answer in EMPTY_ANSWERS.items():
            assert await client.call(method) == json.loads(answer)
        said = []
        for method in ("skills/config/write", "marketplace/add"):
            try:
                await client.call(method, enabled=True)
            except Refused as error:
                said.append((error.code, error.data["code"]))
        assert said == [(-32600, "not_offered"), (-32601, "unknown_method")]
