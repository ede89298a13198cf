"""One session of the editor: a followed thread, its prompts that run, and its open questions. I/O."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from codexd.protocol.wire.rpc import INTERNAL_ERROR
from codexd_frontends.acp import slash
from codexd_frontends.acp.editor import Editor
from codexd_frontends.acp.link import Link
from codexd_frontends.acp.permissions import Permissions
from codexd_frontends.acp.translation.blocks import read_prompt, text_of
from codexd_frontends.acp.translation.choices import Choices, SettingsNote
from codexd_frontends.acp.translation.updates import Updates, message
from codexd_frontends.acp.translation.wire import (
    AUTH_REQUIRED,
    NOT_FOUND,
    ClientCapabilities,
    Declined,
    PromptParams,
)
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.follow import Followed
from codexd_frontends.client.messages import (
    InterruptAnswer,
    Message,
    RequestId,
    Turn,
    TurnAnswer,
    TurnNote,
    TurnTrouble,
)
from codexd_frontends.client.passed_env import session_of_turn

# Errors of a turn that the editor has a reason to stop for; others are errors of its request.
_STOPS: Final = {
    "contextWindowExceeded": "max_tokens",
    "cyberPolicy": "refusal",
    "bioPolicy": "refusal",
}


class Session:
    """A thread as the editor sees it."""

    def __init__(
        self,
        link: Link,
        editor: Editor,
        followed: Followed,
        choices: Choices,
        capabilities: ClientCapabilities,
    ) -> None:
        self.id, self.followed, self.choices = followed.thread_id, followed, choices
        self._link, self._editor = link, editor
        shows_terminals = capabilities.meta is not None and capabilities.meta.terminal_output
        self.updates = Updates(shows_terminals=shows_terminals)
        self.permissions = Permissions(editor, self.id, capabilities.elicitation)
        self._prompts: dict[str, RequestId] = {}  # by their turns, the oldest first
        self._next: RequestId | None = None  # a prompt whose turn the thread begins by itself

    def tell(self, *updates: dict[str, Any]) -> None:
        """Send updates of this program's own."""
        self._editor.update(self.id, list(updates))

    def hear(self, heard: Message) -> None:
        """A message of the daemon's about this thread."""
        if heard.is_request:
            words = self.permissions.ask(self._link.daemon, heard)
            if words is not None:
                self.tell(message(words))
            return
        self.tell(*self.updates.note(heard))
        match heard.method:
            case "serverRequest/resolved":
                self.permissions.resolved(heard)
            case "item/completed":
                self.permissions.item_ended(heard)
            case "thread/settings/updated":
                settings = msgspec.json.decode(heard.params, type=SettingsNote).thread_settings
                self.tell(*self.choices.take(settings))
            case "thread/unarchived":  # An archived thread has no followers.
                with contextlib.suppress(RequestRefused):
                    self.followed.attach(self._link.daemon)
            case "turn/started" if self._next is not None and self.updates.running is not None:
                self._prompts[self.updates.running], self._next = self._next, None
            case "turn/completed":
                self._turn_ended(msgspec.json.decode(heard.params, type=TurnNote).turn)

    def prompt(self, request_id: RequestId, params: PromptParams) -> None:
        """Start a turn, or run a command; the request is answered when that is over. Raises: Declined, CommandError."""
        found = slash.find(text_of(params.prompt)) if len(params.prompt) == 1 else None
        if found is None:
            self._prompts[self._start_turn(params)] = request_id
            return
        command, rest = found
        reply = command.run(self._place, rest)
        if reply.text:
            self.tell(message(reply.text))
        if reply.turn_id is not None:
            self._prompts[reply.turn_id] = request_id
        elif reply.begins_one:
            self._next = request_id
        else:
            self._editor.answer(request_id, {"stopReason": "end_turn"})

    def cancel(self, only: RequestId | None = None) -> None:
        """Stop the prompts of this editor, or one of them; without any, the turn that runs, whose it may be."""
        if self._next is not None and only in (None, self._next):
            self._editor.answer(self._next, {"stopReason": "cancelled"})
            self._next = None
        turns = [turn for turn, asked in self._prompts.items() if only in (None, asked)]
        if not turns and only is None and self.updates.running is not None:
            turns = [self.updates.running]
        for turn_id in reversed(turns):  # Those that wait first, so that none of them begins.
            params = {"threadId": self.id, "turnId": turn_id}
            with contextlib.suppress(RequestRefused):  # It has ended: its answer is on the way.
                answer = self._link.call("turn/interrupt", params, InterruptAnswer)
                if answer.withdrawn:
                    self._answer(turn_id, "cancelled")

    def choose(self, option: str, value: str) -> None:
        """Change a setting from the next turn on. Raises: Declined, CommandError."""
        self._place.choose(option, value)
        self.choices.expect(option, value)

    def close(self) -> None:
        """Stop what this editor has begun, and follow the thread no more."""
        if self._prompts or self._next is not None:
            self.cancel()
        self.permissions.close()
        for turn_id in list(self._prompts):
            self._answer(turn_id, "cancelled")
        with contextlib.suppress(RequestRefused):
            self._link.call("thread/unsubscribe", {"threadId": self.id}, object)

    def gone(self, problem: str) -> None:
        """The thread is no more."""
        self.permissions.close()
        waiting = [*self._prompts.values(), *([] if self._next is None else [self._next])]
        for request_id in waiting:
            self._editor.refuse(request_id, Declined(NOT_FOUND, problem, "thread_not_found"))
        self._prompts.clear()
        self._next = None

    def take_over(self, other: Session) -> None:
        """Go on with the prompts of the same session that was opened before."""
        other.permissions.close()
        self._prompts.update(other._prompts)
        self._next = other._next

    @property
    def _place(self) -> slash.Place:
        return slash.Place(self._link, self.id, self.choices, self.updates)

    def _start_turn(self, params: PromptParams) -> str:
        client_id = self.updates.new_prompt()
        begin = {
            "threadId": self.id,
            "input": read_prompt(params.prompt),
            "clientUserMessageId": client_id,
            "idempotencyKey": client_id,
            **session_of_turn(self._link.daemon.key_variables),
        }
        return self._link.call("turn/start", begin, TurnAnswer).turn.id

    def _turn_ended(self, turn: Turn) -> None:
        match turn.status:
            case "failed" if turn.error is not None:
                self._failed(turn.id, turn.error)
            case "interrupted":
                self._answer(turn.id, "cancelled")
            case _:
                self._answer(turn.id, "end_turn")

    def _failed(self, turn_id: str, error: TurnTrouble) -> None:
        info = error.codex_error_info
        word = next(iter(info), "") if isinstance(info, dict) else str(info or "")
        request_id = self._prompts.get(turn_id)
        if request_id is None or word in _STOPS:
            self.tell(message(f"\n\nThe turn failed: {error.message}\n"))
            self._answer(turn_id, _STOPS.get(word, "end_turn"))
            return
        del self._prompts[turn_id]
        code = AUTH_REQUIRED if word == "unauthorized" else INTERNAL_ERROR
        self._editor.refuse(request_id, Declined(code, error.message, word or "turn_failed"))

    def _answer(self, turn_id: str, reason: str) -> None:
        """Answer the prompt of a turn, if it was one of this editor's."""
        request_id = self._prompts.pop(turn_id, None)
        if request_id is None:
            return
        answer: dict[str, Any] = {"stopReason": reason}
        used = self.updates.used(turn_id)
        if used is not None:
            answer["usage"] = {
                "totalTokens": used.total_tokens,
                "inputTokens": used.input_tokens,
                "outputTokens": used.output_tokens,
                "thoughtTokens": used.reasoning_output_tokens,
                "cachedReadTokens": used.cached_input_tokens,
                "cachedWriteTokens": used.cache_write_input_tokens,
            }
        self._editor.answer(request_id, answer)
