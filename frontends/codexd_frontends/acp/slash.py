"""The commands that a person types in the editor: `/compact` and its like. I/O through the connection."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from codexd.protocol.account import AccountRateLimitsReadResponse
from codexd.protocol.mcp import ListMcpServerStatusResponse
from codexd_frontends.acp.link import Link
from codexd_frontends.acp.translation.choices import Choices
from codexd_frontends.acp.translation.updates import Updates
from codexd_frontends.acp.translation.wire import Update
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.messages import Received, ThreadAnswer, TurnAnswer
from codexd_frontends.client.passed_env import session_of_turn
from codexd_frontends.screen.account import AccountAnswer, limit_lines, who
from codexd_frontends.screen.drawn import one_line

SERVERS_MAX: Final = 100  # that /mcp lists


class Place(NamedTuple):
    """What a command acts on."""

    link: Link
    thread_id: str
    choices: Choices
    updates: Updates

    def choose(self, option: str, value: str) -> None:
        """Change a setting from the next turn on. Raises: Declined, CommandError."""
        change = self.choices.change(option, value)
        self.link.call("thread/settings/update", {"threadId": self.thread_id, **change}, object)


class Reply(NamedTuple):
    """What came of a command: words, or a turn that has begun."""

    text: str = ""
    turn_id: str | None = None
    begins_one: bool = False  # the thread begins a turn by itself, which is waited for


class _Compacting(Received, frozen=True, kw_only=True):
    turn_id: str | None = None


class _Goal(Received, frozen=True, kw_only=True):
    objective: str = ""
    status: str = ""
    tokens_used: int = 0


class _GoalAnswer(Received, frozen=True, kw_only=True):
    goal: _Goal | None = None


def find(text: str) -> tuple[Command, str] | None:
    """The command that a prompt is, and what follows its name; None: the prompt is one for the model."""
    if not text.startswith("/"):
        return None
    name, *rest = text[1:].split(maxsplit=1) or [""]
    command = COMMANDS.get(name.lower())
    return None if command is None else (command, "".join(rest))


def available(choices: Choices) -> Update:
    """The commands of a session, as the editor lists them."""
    has_plan = any(preset.mode == "plan" for preset in choices.presets)
    listed = [
        {
            "name": name,
            "description": command.description,
            "input": {"hint": command.hint} if command.hint else None,
        }
        for name, command in COMMANDS.items()
        if name != "plan" or has_plan
    ]
    return {"sessionUpdate": "available_commands_update", "availableCommands": listed}


def _compact(place: Place, _rest: str) -> Reply:
    params = {"threadId": place.thread_id}
    answer = place.link.call("thread/compact/start", params, _Compacting)
    return Reply("" if answer.turn_id else "The compaction has begun.", answer.turn_id)


def _review(place: Place, target: dict[str, str]) -> Reply:
    params = {
        "threadId": place.thread_id,
        "target": target,
        "delivery": "inline",
        **session_of_turn(place.link.daemon.key_variables),
    }
    return Reply(turn_id=place.link.call("review/start", params, TurnAnswer).turn.id)


def _review_changes(place: Place, rest: str) -> Reply:
    if not rest:
        return _review(place, {"type": "uncommittedChanges"})
    return _review(place, {"type": "custom", "instructions": rest})


def _review_branch(place: Place, rest: str) -> Reply:
    if not rest:
        return Reply("Expected the name of a branch: `/review-branch main`.")
    return _review(place, {"type": "baseBranch", "branch": rest})


def _review_commit(place: Place, rest: str) -> Reply:
    if not rest:
        return Reply("Expected the id of a commit: `/review-commit 1a2b3c4`.")
    return _review(place, {"type": "commit", "sha": rest})


def _model(place: Place, rest: str) -> Reply:
    if rest:
        place.choose("model", rest)
        return Reply(f"The model is {one_line(rest)} from the next turn on.")
    lines = [
        f"- {one_line(model.model)}{' (in use)' if model.model == place.choices.chosen.model else ''}"
        for model in place.choices.models
    ]
    return Reply("\n".join([*lines, "", "`/model NAME` takes another one."]))


def _plan(place: Place, _rest: str) -> Reply:
    plans = place.choices.chosen.collaboration_mode.mode == "plan"
    place.choose("collaboration_mode", "default" if plans else "plan")
    return Reply("Plan mode is off." if plans else "Plan mode is on.")


def _goal(place: Place, rest: str) -> Reply:
    thread = {"threadId": place.thread_id}
    match rest.lower():
        case "":
            goal = place.link.call("thread/goal/get", thread, _GoalAnswer).goal
            if goal is None:
                return Reply("There is no goal: `/goal OBJECTIVE` sets one.")
            return Reply(
                f"**Goal:** {goal.objective}  \n**Status:** {goal.status}, {goal.tokens_used} tokens used"
            )
        case "clear":
            place.link.call("thread/goal/clear", thread, object)
            return Reply("There is no goal any more.")
        case "pause":
            place.link.call("thread/goal/set", thread | {"status": "paused"}, _GoalAnswer)
            return Reply("The goal is paused: `/goal resume` goes on.")
        case "resume":
            change = {"status": "active"}
        case _:
            change = {"objective": rest, "status": "active"}
    change = thread | change | {"origin": "user"}
    goal = place.link.call("thread/goal/set", change, _GoalAnswer).goal
    return Reply(begins_one=goal is not None and goal.status == "active")


def _rename(place: Place, rest: str) -> Reply:
    if not rest:
        return Reply("Expected a name: `/rename The new name`.")
    place.link.call("thread/name/set", {"threadId": place.thread_id, "name": rest}, object)
    return Reply(f"The session is named {one_line(rest)}.")


def _fork(place: Place, _rest: str) -> Reply:
    params = {
        "threadId": place.thread_id,
        "excludeTurns": True,
        "idempotencyKey": str(uuid.uuid4()),
    }
    fork = place.link.call("thread/fork", params, ThreadAnswer).thread.id
    place.link.call("thread/unsubscribe", {"threadId": fork}, object)
    return Reply(
        f"The session was forked. The fork is `{fork}`: open it from the editor's list of sessions, or by "
        f"`codexctl attach {fork}`."
    )


def _mcp(place: Place, _rest: str) -> Reply:
    params = {"detail": "toolsAndAuthOnly", "start": True, "limit": SERVERS_MAX}
    found = place.link.call("mcpServerStatus/list", params, ListMcpServerStatusResponse)
    if not found.data:
        return Reply("No MCP servers are configured: `codexctl mcp add` adds one.")
    lines = []
    for server in found.data:
        trouble = server.tools_error or ""
        own = server.codexd
        if own is not msgspec.UNSET and own.error:
            trouble = own.error
        state = server.runtime_status or "notStarted"
        tools = ", ".join(one_line(name, 60) for name in server.tools) or "no tools"
        said = f": {one_line(trouble, 200)}" if trouble else f": {tools}"
        lines.append(f"- {one_line(server.name, 60)} ({state}){said}")
    return Reply("\n".join(lines))


def _status(place: Place, _rest: str) -> Reply:
    chosen, usage = place.choices.chosen, place.updates.usage
    total, window = usage.total, usage.model_context_window
    account = place.link.call("account/read", {}, AccountAnswer)
    context = "not known yet"
    if window is not None and usage.context_tokens is not None:
        context = f"{usage.context_tokens} of {window} tokens"
    lines = [
        f"**Model:** {one_line(chosen.model)} ({one_line(chosen.model_provider)})",
        f"**Reasoning:** {one_line(place.choices.effort) or 'none'}",
        f"**Folder:** {one_line(chosen.cwd)}",
        f"**Mode:** {chosen.mode}, approvals {one_line(str(chosen.approval_policy))}",
        f"**Account:** {who(account)}",
        f"**Session:** `{place.thread_id}`",
        f"**Tokens:** {total.input_tokens} in ({total.cached_input_tokens} cached), {total.output_tokens} out",
        f"**Context:** {context}",
        *_limits(place),
    ]
    return Reply("  \n".join(lines))


def _limits(place: Place) -> list[str]:
    try:
        read = place.link.call("account/rateLimits/read", {}, AccountRateLimitsReadResponse)
    except RequestRefused:
        return ["**Limits:** none are known"]  # The account has none, or nobody is logged in.
    families = read.rate_limits_by_limit_id or {}
    observed = read.codexd.observed_at_ms if read.codexd is not None else {}
    lines = [
        line.strip()
        for name, limits in families.items()
        for line in limit_lines(name, limits, observed.get(name), time.time())
    ]
    return [f"**Limits:** {line}" for line in lines] or ["**Limits:** none are known"]


def _logout(place: Place, _rest: str) -> Reply:
    place.link.call("account/logout", {}, object)
    return Reply("Logged out.")


class Command(NamedTuple):
    """One command."""

    description: str
    hint: str  # of what follows its name; empty: nothing does
    run: Callable[[Place, str], Reply]


COMMANDS: Final = {
    "compact": Command("Shorten the history that the model is sent", "", _compact),
    "review": Command(
        "Review uncommitted changes, or what you say", "what to review", _review_changes
    ),
    "review-branch": Command("Review the changes since a branch", "branch", _review_branch),
    "review-commit": Command("Review a commit", "commit", _review_commit),
    "model": Command("List the models, or take another one", "model", _model),
    "plan": Command("Turn plan mode on or off", "", _plan),
    "goal": Command(
        "Set a goal that the thread pursues by itself, or show it",
        "OBJECTIVE, pause, resume or clear",
        _goal,
    ),
    "status": Command("Show the settings, the account and the tokens used", "", _status),
    "mcp": Command("List the MCP servers and their tools", "", _mcp),
    "rename": Command("Name this session", "name", _rename),
    "fork": Command("Start another session with this history", "", _fork),
    "logout": Command("Log out", "", _logout),
}
