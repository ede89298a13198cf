"""Which model the demo uses: real HTTP servers on loopback, on ports of their own."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from codexd_frontends.demo.model_choice import ModelChoice, choose_model, scripted

CLOSED_PORT = 1  # tcpmux: nobody listens there


@contextmanager
def server(models: bytes, responses_status: int, chat_status: int = 404) -> Iterator[int]:
    """A model server: its list of models, and how it answers an empty request of either API."""
    statuses = {"/v1/responses": responses_status, "/v1/chat/completions": chat_status}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self.path == "/v1/models" else 404, models)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(statuses.get(self.path, 404), b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the base
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield http.server_address[1]
        finally:
            http.shutdown()
            thread.join()


def test_a_key_in_the_environment_comes_first() -> None:
    assert choose_model({"OPENAI_API_KEY": "k"}, ()) == ModelChoice("$OPENAI_API_KEY is set")


@pytest.mark.parametrize(
    ("responses", "chat", "api"), [(400, 400, "responses"), (404, 400, "chat"), (405, 422, "chat")]
)
def test_then_a_server_with_a_known_api(responses: int, chat: int, api: str) -> None:
    with server(b'{"data":[{"id":"small"},{"id":"big"}]}', responses, chat) as port:
        choice = choose_model({}, (CLOSED_PORT, port))
    assert choice is not None
    assert (choice.model, choice.base_url, choice.wire_api) == (
        "small",
        f"http://127.0.0.1:{port}/v1",
        api,
    )


def test_a_server_without_either_api_does_not_count() -> None:
    for status in (404, 405):
        with server(b'{"data":[{"id":"small"}]}', status) as port:
            assert choose_model({}, (port,)) is None


def test_a_server_without_models_does_not_count() -> None:
    for models in (b'{"data":[]}', b"<html>", b"[]"):
        with server(models, 400) as port:
            assert choose_model({}, (port,)) is None


def test_without_any_there_is_none() -> None:
    assert choose_model({"OPENAI_API_KEY": ""}, (CLOSED_PORT,)) is None


def test_the_choice_is_a_config_that_asks_nothing() -> None:
    assert tomllib.loads(scripted(4711).config()) == {
        "approval_policy": "never",
        "model": "scripted",
        "model_context_window": 272_000,
        "model_provider": "scripted",
        "model_providers": {
            "scripted": {
                "name": "scripted",
                "base_url": "http://127.0.0.1:4711/v1",
                "wire_api": "responses",
            }
        },
    }
    assert tomllib.loads(ModelChoice("a key").config()) == {"approval_policy": "never"}
    odd = ModelChoice("odd", model='a "b" \\ \u007f ü', provider="p", base_url="http://h/v1")
    assert tomllib.loads(odd.config())["model"] == odd.model
