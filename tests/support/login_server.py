"""A server of tokens in a thread of the test, for logins with PKCE; `grant` does what a person's browser does."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit


class LoginServer(ThreadingHTTPServer):
    """Knows the challenge of each code that it granted."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        self._challenges: dict[str, str] = {}

    def grant(self, address: str, **other: str) -> str:
        """Open the page of a login, and follow it back; what the page of codexd says."""
        query = dict(parse_qsl(urlsplit(address).query))
        self._challenges["code-1"] = query["code_challenge"]
        back = {"code": "code-1", "state": query["state"], **other}
        return get(f"{query['redirect_uri']}?{urlencode(back)}")

    def is_proved(self, code: str, verifier: str) -> bool:
        """Whether who brings the code is who began the login."""
        digest = urlsafe_b64encode(sha256(verifier.encode()).digest())
        return self._challenges.get(code) == digest.decode().rstrip("=")


Server = TypeVar("Server", bound=LoginServer)


@contextmanager
def served(server: Server) -> Iterator[Server]:
    """The server, at work in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def get(address: str) -> str:
    """What a page says; the status where it is an error."""
    try:
        with urllib.request.urlopen(address, timeout=10) as page:
            return str(page.read().decode())
    except urllib.error.HTTPError as error:
        return f"{error.code}"
