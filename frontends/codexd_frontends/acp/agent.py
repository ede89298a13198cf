"""The agent: the editor's requests, and the daemon's messages, one after another. I/O.

One task does it all: a request of the editor's is a few calls of the daemon, which answers in milliseconds, and a
prompt is answered when its turn's end comes by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from codexd import __version__
from codexd.protocol.wire.rpc import INVALID_REQUEST, METHOD_NOT_FOUND
from codexd_frontends.acp import slash, threads
from codexd_frontends.acp.editor import Editor, Unreadable
from codexd_frontends.acp.link import Link
from codexd_frontends.acp.logins import Logins
from codexd_frontends.acp.session import Session
from codexd_frontends.acp.translation import wire
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.streams import talk_on_stderr
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import (
    CommandError,
    ConnectionCut,
    RequestRefused,
    ThreadDeleted,
    Unreachable,
)
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.messages import Message, RequestId, ThreadNote
from codexd_frontends.screen.drawn import one_line


class Agent:
    """All sessions of one editor."""

    def __init__(self, editor: Editor, daemon: Daemon, console: Console) -> None:
        self._editor = editor
        self._link = Link(daemon, console, self._attach_again)
        self._logins = Logins(self._link, editor)
        self._capabilities: wire.ClientCapabilities | None = None  # None: not initialized
        self._sessions: dict[str, Session] = {}

    def run(self) -> Exit:
        """Serve until the editor closes its pipe. Raises: Unreachable: the daemon does not come back."""
        daemon = self._link.daemon
        while True:
            try:
                while (message := daemon.receive_nowait()) is not None:
                    self._hear(message)
                has_come = self._link.wait(self._editor.fileno())
            except ConnectionCut as cut:
                self._link.reconnect(cut)
                continue
            if has_come and not self._read_editor():
                return DONE

    def _read_editor(self) -> bool:
        """Serve what one read brings; False: the editor is gone. Turns that run go on without it."""
        messages = self._editor.read()
        for message in messages or ():
            if isinstance(message, Unreadable):
                self._editor.refuse(message.id, message.error)
            elif message.is_answer:
                self._take_answer(message)
            else:
                self._serve(message)
        return messages is not None

    def _take_answer(self, message: Message) -> None:
        """Pass on what a person answered; where the daemon is away, it asks again when it is back."""
        try:
            self._editor.take_answer(message)
        except ConnectionCut as cut:
            self._link.reconnect(cut)

    def _serve(self, message: Message) -> None:
        """Carry out a request or a notification of the editor's."""
        method = _METHODS.get(message.method or "")
        try:
            if method is None:
                raise wire.Declined(
                    METHOD_NOT_FOUND,
                    f"expected a method of {', '.join(_METHODS)}, found {one_line(message.method or '', 80)}",
                    "method_not_found",
                )
            if self._capabilities is None and message.method != "initialize":
                raise wire.Declined(
                    INVALID_REQUEST, "expected initialize as the first request", "not_initialized"
                )
            method.run(self, message.id, wire.read_params(message.params, method.params))
        except wire.Declined as error:
            self._refuse(message.id, error)
        except Unreachable:
            raise
        except CommandError as trouble:
            self._refuse(message.id, wire.declined(trouble))

    def _refuse(self, request_id: RequestId | None, error: wire.Declined) -> None:
        """Answer with an error; a notification has no answer."""
        if request_id is not None:
            self._editor.refuse(request_id, error)

    def _hear(self, message: Message) -> None:
        """A message of the daemon's; one that cannot be read, of a newer daemon, is left out."""
        try:
            self._pass_on(message)
        except msgspec.ValidationError as error:
            problem = f"{message.method} of the daemon was left out, for it cannot be read: {error}"
            talk_on_stderr(f"codexctl: {one_line(problem)}\n")

    def _pass_on(self, message: Message) -> None:
        self._logins.hear(message)
        note = msgspec.json.decode(message.params, type=ThreadNote | None)
        session = None if note is None else self._sessions.get(note.thread_id or "")
        if session is None:
            return
        try:
            session.followed.take(message)
        except ThreadDeleted as gone:
            del self._sessions[session.id]
            session.gone(str(gone))
        else:
            session.hear(message)

    def _attach_again(self, daemon: Daemon) -> None:
        """Over another connection: follow all sessions after their cursors."""
        for session in list(self._sessions.values()):
            session.permissions.forget_servers()
            try:
                session.followed.attach(daemon, again=True)
            except RequestRefused as refused:
                del self._sessions[session.id]
                session.gone(str(refused))

    def _initialize(self, request_id: RequestId | None, params: wire.InitializeParams) -> None:
        self._capabilities = params.client_capabilities or wire.ClientCapabilities()
        self._answer(
            request_id,
            {
                "protocolVersion": wire.PROTOCOL_VERSION,
                "agentInfo": {"name": "codexd", "title": "codexd", "version": __version__},
                "agentCapabilities": {
                    "loadSession": True,
                    "promptCapabilities": {"image": True, "audio": False, "embeddedContext": True},
                    "mcpCapabilities": {"http": False, "sse": False, "acp": False},
                    "sessionCapabilities": {
                        name: {} for name in ("list", "resume", "fork", "close", "delete")
                    },
                    "auth": {"logout": {}},
                },
                "authMethods": self._logins.methods(),
            },
        )

    def _authenticate(self, request_id: RequestId | None, params: wire.AuthenticateParams) -> None:
        if request_id is not None:
            self._logins.begin(request_id, params.method_id)

    def _logout(self, request_id: RequestId | None, _params: wire.NoParams) -> None:
        self._link.call("account/logout", {}, object)
        self._answer(request_id, {})

    def _new(self, request_id: RequestId | None, params: wire.OpenParams) -> None:
        self._logins.require()
        self._opened_new(request_id, params, threads.begin(self._link, params))

    def _fork(self, request_id: RequestId | None, params: wire.OpenSessionParams) -> None:
        self._opened_new(request_id, params, threads.fork(self._link, params))

    def _opened_new(
        self, request_id: RequestId | None, params: wire.OpenParams, begun: threads.Begun
    ) -> None:
        session = self._session(begun)
        self._answer(request_id, {"sessionId": session.id, **session.choices.members()})
        self._opened(session, params)

    def _load(self, request_id: RequestId | None, params: wire.OpenSessionParams) -> None:
        begun = threads.follow(self._link, params)
        session = self._session(begun)
        for turn in threads.past_of(self._link, begun):
            session.tell(*session.updates.past(turn))
        self._answer(request_id, session.choices.members())
        self._opened(session, params)

    def _resume(self, request_id: RequestId | None, params: wire.OpenSessionParams) -> None:
        begun = threads.follow(self._link, params)
        session = self._session(begun)
        session.updates.running = threads.running_turn(self._link, begun)
        self._answer(request_id, session.choices.members())
        self._opened(session, params)

    def _session(self, begun: threads.Begun) -> Session:
        assert self._capabilities is not None, "a session is opened after initialize"
        choices = threads.choices_of(self._link, begun.chosen)
        session = Session(self._link, self._editor, begun.followed, choices, self._capabilities)
        before = self._sessions.get(session.id)
        if before is not None:
            session.take_over(before)
        self._sessions[session.id] = session
        return session

    def _opened(self, session: Session, params: wire.OpenParams) -> None:
        """What an editor is told of a session beyond the answer."""
        session.tell(slash.available(session.choices))
        session.tell(*threads.servers_not_started(self._link, params))

    def _list(self, request_id: RequestId | None, params: wire.ListParams) -> None:
        self._answer(request_id, threads.listed(self._link, params))

    def _close(self, request_id: RequestId | None, params: wire.SessionParams) -> None:
        self._sessions.pop(self._open(params).id).close()
        self._answer(request_id, {})

    def _delete(self, request_id: RequestId | None, params: wire.SessionParams) -> None:
        session = self._sessions.pop(params.session_id, None)
        if session is not None:
            session.close()
        self._link.call("thread/archive", {"threadId": params.session_id}, object)
        self._answer(request_id, {})

    def _prompt(self, request_id: RequestId | None, params: wire.PromptParams) -> None:
        if request_id is not None:
            self._open(params).prompt(request_id, params)

    def _cancel(self, _request_id: RequestId | None, params: wire.SessionParams) -> None:
        self._open(params).cancel()

    def _cancel_request(self, _id: RequestId | None, params: wire.CancelRequestParams) -> None:
        if params.request_id is None:
            return
        self._logins.cancel(params.request_id)
        for session in self._sessions.values():
            session.cancel(params.request_id)

    def _set_mode(self, request_id: RequestId | None, params: wire.ModeParams) -> None:
        self._open(params).choose("mode", params.mode_id)
        self._answer(request_id, {})

    def _set_model(self, request_id: RequestId | None, params: wire.ModelParams) -> None:
        self._open(params).choose("model", params.model_id)
        self._answer(request_id, {})

    def _set_option(self, request_id: RequestId | None, params: wire.OptionParams) -> None:
        session = self._open(params)
        session.choose(params.config_id, params.value)
        self._answer(request_id, {"configOptions": session.choices.options()})

    def _open(self, params: wire.SessionParams) -> Session:
        session = self._sessions.get(params.session_id)
        if session is None:
            raise wire.Declined(
                wire.NOT_FOUND,
                f"expected an open session, found {one_line(params.session_id, 80)}; nothing was done: "
                "session/load or session/resume opens it",
                "session_not_open",
            )
        return session

    def _answer(self, request_id: RequestId | None, result: dict[str, Any]) -> None:
        if request_id is not None:
            self._editor.answer(request_id, result)


class _Method(NamedTuple):
    params: type[msgspec.Struct]
    run: Callable[[Agent, RequestId | None, Any], None]


_METHODS: Final = {
    "initialize": _Method(wire.InitializeParams, Agent._initialize),
    "authenticate": _Method(wire.AuthenticateParams, Agent._authenticate),
    "logout": _Method(wire.NoParams, Agent._logout),
    "session/new": _Method(wire.OpenParams, Agent._new),
    "session/load": _Method(wire.OpenSessionParams, Agent._load),
    "session/resume": _Method(wire.OpenSessionParams, Agent._resume),
    "session/fork": _Method(wire.OpenSessionParams, Agent._fork),
    "session/list": _Method(wire.ListParams, Agent._list),
    "session/close": _Method(wire.SessionParams, Agent._close),
    "session/delete": _Method(wire.SessionParams, Agent._delete),
    "session/prompt": _Method(wire.PromptParams, Agent._prompt),
    "session/cancel": _Method(wire.SessionParams, Agent._cancel),
    "session/set_mode": _Method(wire.ModeParams, Agent._set_mode),
    "session/set_model": _Method(wire.ModelParams, Agent._set_model),
    "session/set_config_option": _Method(wire.OptionParams, Agent._set_option),
    "$/cancel_request": _Method(wire.CancelRequestParams, Agent._cancel_request),
}
