"""An MCP server over HTTP behind a login by OAuth, with its authorization server, in a thread of the test."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

from login_server import LoginServer, served

Message = dict[str, Any]
REFRESH = "refresh-token-of-ann"


class OauthServer(LoginServer):
    """What it was asked, and what it accepts."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = f"{self.base}/mcp"
        self.valid: set[str] = set()  # access tokens
        self.lifetime = 3600
        self.seen: list[str] = []  # the tokens of the requests to the MCP server
        self.headers: list[Message] = []
        self.grants: list[Message] = []  # what was asked of the token endpoint
        self.registered: list[Message] = []

    def issue(self) -> Message:
        token = f"access-token-{len(self.grants)}"
        self.valid = {token}
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "refresh_token": REFRESH,
        }


class _Handler(BaseHTTPRequestHandler):
    server: OauthServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        base = self.server.base
        if self.path == "/.well-known/oauth-protected-resource/mcp":
            self.say(200, {"resource": self.server.url, "authorization_servers": [base]})
        elif self.path == "/.well-known/oauth-authorization-server":
            self.say(
                200,
                {
                    "issuer": base,
                    "authorization_endpoint": f"{base}/authorize",
                    "token_endpoint": f"{base}/oauth/token",
                    "registration_endpoint": f"{base}/register",
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                },
            )
        elif self.path == "/mcp":
            self.say(405, {})
        else:
            self.say(404, {})

    def do_DELETE(self) -> None:
        self.say(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.path == "/register":
            self.server.registered.append(json.loads(body))
            self.say(201, {**json.loads(body), "client_id": "client-1"})
        elif self.path == "/oauth/token":
            self.give({key: values[0] for key, values in parse_qs(body).items()})
        elif self.path == "/mcp":
            self.speak(json.loads(body))
        else:
            self.say(404, {})

    def give(self, asked: Message) -> None:
        self.server.grants.append(asked)
        if asked["grant_type"] == "refresh_token":
            granted = asked["refresh_token"] == REFRESH
        else:
            granted = self.server.is_proved(asked["code"], asked["code_verifier"])
        if granted:
            self.say(200, self.server.issue())
        else:
            self.say(400, {"error": "invalid_grant"})

    def speak(self, message: Message) -> None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.server.seen.append(token)
        self.server.headers.append(dict(self.headers.items()))
        if token not in self.server.valid:
            self.say(401, {}, **{"WWW-Authenticate": "Bearer"})
        elif "id" not in message:
            self.say(202, {})
        else:
            self.say(200, {"jsonrpc": "2.0", "id": message["id"], **answer(message)})

    def say(self, status: int, document: Message, **headers: str) -> None:
        body = b"" if status in (202, 405) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer(message: Message) -> Message:
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        result = {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "behind", "version": "1"},
        }
    elif method == "tools/list":
        schema = {"type": "object"}
        result = {"tools": [{"name": "who", "inputSchema": schema}]}
    elif method == "tools/call":
        result = {"content": [{"type": "text", "text": "Ann"}]}
    else:
        return {"error": {"code": -32601, "message": "no such method"}}
    return {"result": result}


def oauth_server() -> AbstractContextManager[OauthServer]:
    return served(OauthServer())
