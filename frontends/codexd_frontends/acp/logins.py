"""Logins that an editor begins: with an API key of its environment, or with ChatGPT in a browser. I/O."""

from __future__ import annotations

import os
import webbrowser
from typing import Any, Final

import msgspec

from codexd.protocol.account import LOGIN_COMPLETED, AccountLoginStartResponse
from codexd.protocol.wire.rpc import INVALID_PARAMS
from codexd_frontends.acp.editor import Editor
from codexd_frontends.acp.link import Link
from codexd_frontends.acp.translation.wire import AUTH_REQUIRED, Declined
from codexd_frontends.client.messages import Message, Received, RequestId
from codexd_frontends.screen.drawn import one_line

# Of the environment of the editor, the first that is set; as Codex's own adapter has it.
KEY_VARIABLES: Final = ("CODEX_API_KEY", "OPENAI_API_KEY")
# Set where no browser can be opened.
NO_BROWSER: Final = "NO_BROWSER"


class _Account(Received, frozen=True, kw_only=True):
    account: Any = None
    requires_openai_auth: bool = False


class _Ended(Received, frozen=True, kw_only=True):
    login_id: str | None = None
    success: bool = False
    error: str | None = None


class Logins:
    """The ways to log in, and the logins that have begun."""

    def __init__(self, link: Link, editor: Editor) -> None:
        self._link, self._editor = link, editor
        self._begun: dict[str, RequestId] = {}  # by the daemon's id of the login

    @staticmethod
    def methods() -> list[dict[str, object]]:
        """What an editor is offered."""
        key: dict[str, object] = {
            "id": "api-key",
            "name": "API key",
            "description": f"The key in {' or '.join(KEY_VARIABLES)}, in the environment of the editor",
        }
        chatgpt: dict[str, object] = {
            "id": "chatgpt",
            "name": "ChatGPT",
            "description": "Log in with ChatGPT in a browser of this machine",
        }
        return [key] if os.environ.get(NO_BROWSER) else [key, chatgpt]

    def require(self) -> None:
        """Raises: Declined, where the provider needs a login and there is none."""
        account = self._link.call("account/read", {}, _Account)
        if account.requires_openai_auth and account.account is None:
            raise Declined(
                AUTH_REQUIRED,
                "expected a login, found none; no session was opened: log in here, or by `codexctl login`",
                "auth_required",
            )

    def begin(self, request_id: RequestId, method: str) -> None:
        """Log in; the request is answered when that has ended. Raises: Declined, CommandError."""
        match method:
            case "api-key":
                names = (name for name in KEY_VARIABLES if os.environ.get(name))
                name = next(names, None)
                if name is None:
                    raise Declined(
                        INVALID_PARAMS,
                        f"expected {' or '.join(KEY_VARIABLES)} in the environment of the editor, found neither; "
                        "nothing was stored",
                        "no_key",
                    )
                key = {"type": "apiKey", "apiKey": os.environ[name]}
                self._link.call("account/login/start", key, AccountLoginStartResponse)
                self._editor.answer(request_id, {})
            case "chatgpt":
                login = self._link.call(
                    "account/login/start", {"type": "chatgpt"}, AccountLoginStartResponse
                )
                self._begun[str(login.login_id)] = request_id
                url = str(login.auth_url)
                if url.startswith(("http://", "https://")):
                    webbrowser.open(url)
            case _:
                known = ", ".join(str(offered["id"]) for offered in self.methods())
                raise Declined(
                    INVALID_PARAMS,
                    f"expected a method of {known}, found {one_line(method, 80)}; nothing was done",
                    "unknown_method",
                )

    def hear(self, message: Message) -> None:
        """A notification that may be the end of a login."""
        if message.method != LOGIN_COMPLETED:
            return
        ended = msgspec.json.decode(message.params, type=_Ended)
        request_id = self._begun.pop(ended.login_id or "", None)
        if request_id is None:
            return
        if ended.success:
            self._editor.answer(request_id, {})
        else:
            why = f"the login failed: {ended.error or 'it was given up'}; nothing was stored"
            self._editor.refuse(request_id, Declined(AUTH_REQUIRED, why, "login_failed"))

    def cancel(self, request_id: RequestId | None) -> None:
        """Give a login up, where the editor withdraws its request."""
        for login_id, asked in list(self._begun.items()):
            if asked == request_id:
                self._link.call("account/login/cancel", {"loginId": login_id}, object)
