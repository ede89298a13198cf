"""A receiver says what happened and where, in words that are made visible and cut, and reports whether it was taken."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from codexd.core.events.events import Event, TurnCompleted, TurnFailed, encode_event
from codexd.core.events.tools import ApprovalRequested
from codexd.core.values.ids import ApprovalId, CallId
from codexd.core.values.items import TurnError
from codexd.core.values.tool_actions import RunCommand
from codexd.hooks.payload import (
    ARGUMENT_BYTES_MAX,
    Address,
    Context,
    Payload,
    ThreadOf,
    Turn,
    notification,
)
from codexd.hooks.to_person import BEARER_VARIABLE, Message, desktop_command, message_of
from codexd.machine.python_child import python_command

TURN = Turn("t1", ("go",), "It is done.\nAll of it.")
EVIL = "rm \x1b[31mx\u202e\n" + "y" * 1000


def payload(event: Event, turn: Turn | None = None, to: Address | None = None) -> Payload:
    record = b'{"seq":1,"at":"2026-11-27T00:00:00Z","type":"%s","data":%s,"crc":"0"}' % (
        event.type.encode(),
        encode_event(event),
    )
    return Payload("me", 1, ThreadOf("id", "/work/shop"), msgspec.Raw(record), turn, to)


def question(command: str) -> ApprovalRequested:
    action = RunCommand(command, (), "/work/shop", 1)
    return ApprovalRequested(ApprovalId("a"), CallId("c"), action, "why", "untrusted")


@pytest.mark.parametrize(
    ("given", "title", "text", "is_urgent"),
    [
        (payload(question("make x")), "shop: may this run?", "make x", True),
        (payload(TurnFailed(TurnError("no key"))), "shop: the turn failed", "no key", False),
        (payload(TurnCompleted(), TURN), "shop: done", "It is done.", False),
    ],
)
def test_it_says_what_happened_and_in_which_folder(
    given: Payload, title: str, text: str, is_urgent: bool
) -> None:
    message = message_of(given)
    assert (message.title, message.is_urgent) == (title, is_urgent)
    assert message.text.startswith(text)


def test_text_of_models_and_commands_is_made_visible_and_cut() -> None:
    message = message_of(payload(question(EVIL)))
    assert message.text.isprintable()
    assert len(message.text) <= 300


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_no_text_is_an_option_or_a_script_of_the_desktops_program(platform: str) -> None:
    argv = desktop_command(Message("--icon=x", '" & do shell script "x', True), platform)
    assert argv[-2:] == ("--icon=x", '" & do shell script "x')
    assert argv[0] == ("osascript" if platform == "darwin" else "notify-send")
    assert platform == "darwin" or argv[-3] == "--"


class Requests:
    """What a server was sent."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/topic"
        self.status = 200
        self.sent: list[tuple[str, str | None, bytes]] = []


@pytest.fixture
def server() -> Iterator[Requests]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.sent.append((self.path, self.headers["Authorization"], body))
            self.send_response(requests.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        requests = Requests(listening.server_port)
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield requests
        listening.shutdown()
        thread.join()


def run(given: Payload, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python_command("codexd.hooks.to_person"),
        input=msgspec.json.encode(given).decode(),
        env={"PATH": "/nowhere", **env},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.slow
def test_ntfy_and_webhooks_are_sent_it_with_a_key_and_a_refusal_is_no_success(
    server: Requests,
) -> None:
    ntfy, webhook = (Address(kind, server.url) for kind in ("ntfy", "webhook"))
    assert run(payload(question("make x"), to=ntfy), **{BEARER_VARIABLE: "k"}).returncode == 0
    assert run(payload(TurnCompleted(), TURN, webhook)).returncode == 0
    (path, key, body), (_, no_key, document) = server.sent
    assert path.startswith("/topic?title=shop")
    assert "priority=high" in path
    assert (key, no_key, body) == ("Bearer k", None, b"make x")
    sent = json.loads(document)
    assert sent["title"] == "shop: done"
    assert sent["event"]["type"] == "turn.completed"
    assert sent["turn"]["lastAssistantMessage"] == TURN.last_assistant_message
    server.status = 403
    refused = run(payload(TurnCompleted(), TURN, ntfy))
    assert (refused.returncode, refused.stderr) == (1, "the server answered with status 403\n")
    missing = run(payload(TurnCompleted(), TURN, Address("desktop", None)))
    assert missing.returncode == 1
    assert "expected the program notify-send, found none" in missing.stderr


@pytest.mark.parametrize(
    "turn",
    [
        Turn("t1", ("é" * 200_000,), "x" * 200_000),
        Turn("t1", tuple("\x01" * 4000 for _ in range(100)), None),
        Turn("t1", ("q",) * 60_000, "x"),
    ],
)
def test_the_argument_of_notify_fits_whatever_was_said(turn: Turn) -> None:
    argument = notification("id", Context("/work", turn, "user", None, False))
    assert len(argument.encode()) <= ARGUMENT_BYTES_MAX
    given = json.loads(argument)
    assert given["truncated"] is True
    assert "client" not in given
    assert given["turn-id"] == "t1"
