"""An account for tests: files in a folder, an issuer of tokens that is a server of the test, and tokens of it."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec

from codexd.account.account import Account
from codexd.account.auth_files import AuthFiles
from codexd.account.payment import Payments
from codexd.catalog.clients import Providers
from codexd.config.live import LiveConfig
from login_server import LoginServer, served

Json = dict[str, Any]
EMAIL = "ann@example.org"


def jwt(**claims: object) -> str:
    """A token with these claims, signed by nobody."""
    parts = (json.dumps({"alg": "none"}), json.dumps(claims), "signature")
    return ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def id_token(plan: str = "plus", account: str = "account-1", user: str = "user-1") -> str:
    auth = {
        "chatgpt_plan_type": plan,
        "chatgpt_account_id": account,
        "chatgpt_user_id": user,
    }
    return jwt(email=EMAIL, **{"https://api.openai.com/auth": auth})


def access_token(name: str, seconds: float = 3600) -> str:
    return jwt(exp=int(time.time() + seconds), jti=name)


def chatgpt_members(issuer: str, **other: object) -> Json:
    """auth.json of a login with ChatGPT."""
    tokens = {
        "id_token": id_token(),
        "access_token": access_token("first"),
        "refresh_token": "refresh-0",
        "account_id": "account-1",
        "oauth_provenance": {"issuer": issuer, "client_id": "client-1"},
        **other,
    }
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600)),
    }


def write_auth(folder: Path, members: Json | str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "auth.json"
    file.write_text(members if isinstance(members, str) else json.dumps(members))
    file.chmod(0o600)
    return file


class IssuerServer(LoginServer):
    """Issues tokens, and says what it was asked."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = self.base
        self.asked: list[tuple[str, Json]] = []  # path, and the members of the body
        self.refusal: tuple[int, Json] | None = None  # the answer to every refresh
        self.pending = 0  # how often a device code is not granted yet
        self.account = "account-1"
        self.usage: Json = {}  # the answer to every GET
        self.issued = 0
        self.refresh_tokens = {"refresh-0"}
        self.gate: threading.Event | None = None  # a refresh waits for it
        self.arrived = threading.Event()  # a refresh has arrived

    @property
    def refreshes(self) -> int:
        """How often it was asked to refresh."""
        return sum(1 for _, members in self.asked if members.get("grant_type") == "refresh_token")

    def issue(self) -> Json:
        self.issued += 1
        refresh = f"refresh-{self.issued}"
        self.refresh_tokens = {refresh}
        return {
            "id_token": id_token(account=self.account),
            "access_token": access_token(f"issued-{self.issued}"),
            "refresh_token": refresh,
        }

    def answer(self, path: str, members: Json) -> tuple[int, Json]:
        if path == "/oauth/token":
            if members["grant_type"] == "refresh_token":
                return self._refresh(members)
            code = members["code"]
            if code != "device" and not self.is_proved(code, members["code_verifier"]):
                return 400, {"error": "invalid_grant", "error_description": "the verifier is wrong"}
            return 200, self.issue()
        if path.endswith("/deviceauth/usercode"):
            return 200, {"device_auth_id": "device-1", "user_code": "ABCD-1234", "interval": "1"}
        if path.endswith("/deviceauth/token"):
            if self.pending:
                self.pending -= 1
                return 403, {"error": "pending"}
            return 200, {
                "authorization_code": "device",
                "code_verifier": "v",
                "code_challenge": "c",
            }
        return 200, {}

    def _refresh(self, members: Json) -> tuple[int, Json]:
        self.arrived.set()
        if self.gate is not None:
            self.gate.wait(60)
        if self.refusal is not None:
            return self.refusal
        if members["refresh_token"] not in self.refresh_tokens:
            return 401, {"error": {"code": "refresh_token_reused", "message": "used"}}
        return 200, self.issue()


class _Handler(BaseHTTPRequestHandler):
    server: IssuerServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        self._say(200, self.server.usage)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        is_json = self.headers["content-type"] == "application/json"
        members = json.loads(body) if is_json else dict(urllib.parse.parse_qsl(body))
        self.server.asked.append((self.path, members))
        self._say(*self.server.answer(self.path, members))

    def _say(self, status: int, answer: Json) -> None:
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


def issuer_server() -> AbstractContextManager[IssuerServer]:
    return served(IssuerServer())


class AccountHouse:
    """An account in folders of a test, and what it told."""

    def __init__(self, root: Path, config: str = "", env: Mapping[str, str] | None = None) -> None:
        self.own, self.codexs = root / "own", root / "codex"
        self.own.mkdir(mode=0o700)
        self.config = LiveConfig(self.own / "config.toml")
        self.config.file.write_text(config)
        self.config.file.chmod(0o600)
        self.secrets: list[str] = []
        self.told: list[tuple[str, msgspec.Struct]] = []
        self.noted: list[tuple[str, Mapping[str, object]]] = []
        env = dict(env or {})
        self.account = Account(
            AuthFiles(self.own, self.codexs),
            self.config.last_good,
            env,
            learnt=self.secrets.append,
            announce=lambda method, params: self.told.append((method, params)),
            note=self._note,
        )
        self.payments = Payments(self.account, env)
        self.providers = Providers(self.config, env, self.payments)

    async def _note(self, kind: str, fact: Mapping[str, object]) -> None:
        self.noted.append((kind, fact))

    def stored(self) -> Json:
        """codexd's own auth.json."""
        found: Json = json.loads((self.own / "auth.json").read_text())
        return found


def providers_of(config: LiveConfig, env: Mapping[str, str] | None = None) -> Providers:
    """The providers of a config, without any login."""
    nowhere = config.file.parent / "nowhere"

    async def note(kind: str, fact: Mapping[str, object]) -> None:
        pass

    account = Account(
        AuthFiles(nowhere, nowhere / "codex"),
        config.last_good,
        env or {},
        learnt=lambda secret: None,
        announce=lambda method, params: None,
        note=note,
    )
    return Providers(config, env or {}, Payments(account, env or {}))
