"""An MCP server of the standard library, for what no SDK would do: `python -I -S pipe_server.py MODE`.

It starts in a tenth of the time of a server with the SDK.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
HIDDEN = "evil\u202e\u200b\x1b[31m/name"


def write(message: Message) -> None:
    print(json.dumps(message), flush=True)


def answer(request: Message, result: Message) -> None:
    write({"jsonrpc": "2.0", "id": request["id"], "result": result})


def tool(name: str, **annotations: bool) -> Message:
    return {"name": name, "inputSchema": {"type": "object"}, "annotations": annotations}


def text(words: str) -> Message:
    return {"content": [{"type": "text", "text": words}]}


class Server:
    """What a good server does; the modes below do something else."""

    tools: tuple[Message, ...] = (tool("echo", readOnlyHint=True), tool("change"))

    def initialize(self, request: Message) -> None:
        version = request["params"]["protocolVersion"]
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "pipe", "version": "1"}
        answer(
            request,
            {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info},
        )

    def list(self, request: Message) -> None:
        answer(request, {"tools": list(self.tools)})

    def call(self, request: Message) -> None:
        answer(request, text(json.dumps(request["params"].get("arguments", {}))))

    def told(self, notification: Message) -> None:
        pass

    def run(self) -> None:
        methods: dict[str, Callable[[Message], None]] = {
            "initialize": self.initialize,
            "tools/list": self.list,
            "tools/call": self.call,
        }
        for line in sys.stdin:
            message = json.loads(line)
            if "id" not in message:
                self.told(message)
            elif message.get("method") in methods:
                methods[message["method"]](message)
            else:
                error = {"code": -32601, "message": "no such method"}
                write({"jsonrpc": "2.0", "id": message["id"], "error": error})


class Silent(Server):
    """It never answers."""

    def run(self) -> None:
        sys.stdin.read()


class OtherId(Server):
    """It answers with ids that nobody asked with."""

    def initialize(self, request: Message) -> None:
        for other in (request["id"] + 1, str(request["id"]) + "x", None):
            write({"jsonrpc": "2.0", "id": other, "result": {}})


class Garbage(Server):
    """It writes what is no message between its messages."""

    def list(self, request: Message) -> None:
        sys.stdout.buffer.write(b"\xff\xfe\x00 no json\n{}\n[1]\nnull\n\n" + b"[" * 100_000 + b"\n")
        sys.stdout.buffer.flush()
        super().list(request)


class HugeLine(Server):
    """It writes a line without an end."""

    def call(self, request: Message) -> None:
        for _ in range(64):
            sys.stdout.write("x" * 1024 * 1024)


class Flood(Server):
    """It never stops talking."""

    def initialize(self, request: Message) -> None:
        super().initialize(request)
        progress = {"progressToken": 1, "progress": 1}
        while True:
            write({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})


class FloodBeside(Flood):
    """The same, but it answers first."""

    def initialize(self, request: Message) -> None:
        Server.initialize(self, request)

    def call(self, request: Message) -> None:
        Server.call(self, request)
        Flood.initialize(self, request)


class Many(Server):
    """Ten thousand tools."""

    tools = tuple([tool(f"t{n}") for n in range(10_000)])


class Hidden(Server):
    """A name that is not what it looks like."""

    tools = (tool(HIDDEN, readOnlyHint=True),)

    def call(self, request: Message) -> None:
        answer(request, text(str(request["params"]["name"] == HIDDEN)))


class Pages(Server):
    """A list whose pages never end."""

    def list(self, request: Message) -> None:
        page = int(request.get("params", {}).get("cursor", "0"))
        answer(request, {"tools": [tool(f"t{page}")], "nextCursor": str(page + 1)})


class Closes(Server):
    """It ends in the middle of a call."""

    def call(self, request: Message) -> None:
        print("out of memory", file=sys.stderr)
        sys.exit(3)


class Crashes(Server):
    """It dies of some calls."""

    tools = (*Server.tools, tool("crash_once", readOnlyHint=True), tool("crash"))

    def call(self, request: Message) -> None:
        file = Path(request["params"].get("arguments", {}).get("file", "/"))
        if request["params"]["name"] == "crash" or not file.exists():
            if not file.is_dir():
                file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().call(request)


class Counts(Server):
    """It counts its calls in a file."""

    def call(self, request: Message) -> None:
        with Path(request["params"]["arguments"]["file"]).open("a") as file:
            file.write("once\n")
        answer(request, text("counted"))


class Deaf(Server):
    """It reads nothing once it is ready."""

    def list(self, request: Message) -> None:
        super().list(request)
        signal.pause()


class Never(Server):
    """It answers no call, and tells of cancelled ones."""

    def call(self, request: Message) -> None:
        pass

    def told(self, notification: Message) -> None:
        if notification["method"] == "notifications/cancelled":
            print("was cancelled", file=sys.stderr, flush=True)


class Changing(Server):
    """Its list is another one after each call."""

    def call(self, request: Message) -> None:
        self.tools = (*self.tools, tool(f"t{len(self.tools)}"))
        write({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        super().call(request)


class Asks(Server):
    """It asks a person in the middle of a call."""

    def call(self, request: Message) -> None:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        params = {"message": "Who?", "requestedSchema": schema}
        write({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params})
        reply = json.loads(sys.stdin.readline())
        answer(request, text(json.dumps(reply["result"])))


class NewestOnly(Server):
    """It knows no handshake, only the protocol since 2026."""

    def initialize(self, request: Message) -> None:
        data = {"supported": ["2026-07-28"], "requested": "2025-11-25"}
        error = {"code": -32022, "message": "unsupported protocol version", "data": data}
        write({"jsonrpc": "2.0", "id": request["id"], "error": error})

    def run(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            match message.get("method"):
                case "initialize":
                    self.initialize(message)
                case "server/discover":
                    result = {
                        "supportedVersions": ["2026-07-28"],
                        "capabilities": {"tools": {}},
                        "resultType": "complete",
                        "ttlMs": 0,
                        "cacheScope": "private",
                    }
                    answer(message, result)
                case "tools/list":
                    result = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
                    answer(message, {"tools": list(self.tools), **result})
                case "tools/call":
                    answer(message, {**text("new"), "resultType": "complete"})
                case _:
                    pass


class Environment(Server):
    """It tells its variables and its folder."""

    def call(self, request: Message) -> None:
        answer(request, text(json.dumps({"env": dict(os.environ), "cwd": os.getcwd()})))


if __name__ == "__main__":
    globals()[sys.argv[1]]().run()
