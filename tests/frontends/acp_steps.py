"""What an editor does with an agent: a step each, in a session of its own, for every agent that speaks the Agent Client
Protocol on a daemon. The names of modes and options are those of Codex's own adapter.
"""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from acp import (
    embedded_text_resource,
    image_block,
    resource_block,
    resource_link_block,
)
from acp.exceptions import RequestError

from acp_editor import Editor, Json
from daemon_house import PATIENCE_SECONDS, Home

from .codexctl import Beside

INTERNAL_ERROR = -32603


class At(NamedTuple):
    """An editor, and what its agent works with."""

    editor: Editor
    home: Home
    model: Beside
    is_ours: bool

    async def session(self, mode: str | None = None) -> str:
        """A new session, in a mode."""
        session = await self.editor.open(self.home.work)
        if mode is not None:
            await self.editor.agent.set_session_mode(session_id=session, mode_id=mode)
        return session

    def was_sent(self, words: str) -> bool:
        """Whether the model has got these words."""
        return any(words.encode() in body for body in self.model.asked)


Step = Callable[[At], Awaitable[None]]


def escalated(line: str) -> str:
    """A prompt whose model asks for a command outside of the sandbox."""
    arguments = {
        "command": line,
        "sandbox_permissions": "require_escalated",
        "justification": "to see it",
    }
    return f"call shell_command {json.dumps(arguments)}"


def patch(text: str) -> str:
    """A prompt whose model changes files."""
    return "call apply_patch " + json.dumps({"input": f"*** Begin Patch\n{text}\n*** End Patch"})


def png() -> str:
    """A small image, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")).decode()


async def initialize(at: At) -> None:
    greeting = at.editor.greeting
    able = greeting.agent_capabilities
    assert greeting.protocol_version == 1
    assert able is not None
    assert able.load_session
    assert able.prompt_capabilities is not None
    assert able.prompt_capabilities.image
    assert able.prompt_capabilities.embedded_context
    assert not able.prompt_capabilities.audio
    sessions = able.session_capabilities
    assert sessions is not None
    for can in (sessions.list, sessions.fork, sessions.resume, sessions.close, sessions.delete):
        assert can is not None
    assert [method.id for method in greeting.auth_methods or []]


async def a_session_is_opened_with_its_commands(at: At) -> None:
    opened = await at.editor.agent.new_session(cwd=str(at.home.work), mcp_servers=[])
    session = opened.session_id
    assert opened.modes is not None
    modes = [mode.id for mode in opened.modes.available_modes]
    assert {"read-only", "workspace-write", "agent-full-access"} <= set(modes)
    assert opened.modes.current_mode_id == "agent-full-access"
    assert {"mode", "model"} <= {option.id for option in opened.config_options or []}
    await at.editor.until(lambda: at.editor.of(session, "available_commands_update"))
    (update,) = at.editor.of(session, "available_commands_update")
    names = {command["name"] for command in update["availableCommands"]}
    assert {"compact", "review", "status", "mcp", "goal", "plan", "rename", "logout"} <= names


async def an_answer_is_streamed(at: At) -> None:
    session = await at.session()
    answer = await at.editor.prompt(session, "say 5 8")
    assert answer.stop_reason == "end_turn"
    assert len(at.editor.of(session, "agent_message_chunk")) == 5
    assert at.editor.text(session) == "abcdefg " * 5
    assert not at.editor.of(session, "user_message_chunk")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 5)
    (used,) = at.editor.of(session, "usage_update")
    assert used["used"] == 105
    assert used["size"] > 200_000


async def reasoning_is_shown_as_thoughts(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "think 3\nsay 2 4")
    assert at.editor.text(session, "agent_thought_chunk").strip() == ("pondering it " * 3).strip()
    assert at.editor.text(session) == "abc abc "


async def a_command_is_a_tool_call(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "run echo seen; exit 3")
    (call,) = at.editor.calls(session)
    (begun,) = at.editor.of(session, "tool_call")
    assert begun["title"] == "echo seen; exit 3"
    assert begun["kind"] == "execute"
    assert begun["status"] == "in_progress"
    assert begun["rawInput"]["command"].endswith("echo seen; exit 3")
    assert call["status"] == "failed"
    assert "seen" in json.dumps(at.editor.of(session))


async def a_permission_is_asked_and_given(at: At) -> None:
    session = await at.session("workspace-write")
    at.editor.forget()
    made = at.home.work / "given"
    await at.editor.prompt(session, escalated(f"touch {made}"))
    (asked,) = at.editor.asked
    assert asked["sessionId"] == session
    assert asked["options"]["allow_once"] == "allow_once"
    assert "reject_once" in asked["options"].values()
    assert f"touch {made}" in json.dumps(asked["toolCall"])
    assert made.exists()
    assert at.editor.call(session, asked["toolCall"]["toolCallId"])["status"] == "completed"


async def a_permission_is_refused(at: At) -> None:
    session = await at.session("workspace-write")
    at.editor.forget()
    at.editor.picks = lambda asked: "decline" if at.is_ours else "cancel"
    made = at.home.work / "refused"
    answer = await at.editor.prompt(session, escalated(f"touch {made}"))
    assert answer.stop_reason == ("end_turn" if at.is_ours else "cancelled")
    (asked,) = at.editor.asked
    assert not made.exists()
    assert at.editor.call(session, asked["toolCall"]["toolCallId"])["status"] == "failed"


async def a_permission_for_the_session_is_asked_once(at: At) -> None:
    session = await at.session("workspace-write")
    at.editor.forget()
    at.editor.picks = lambda _asked: "allow_for_session"
    line = escalated(f"touch {at.home.work / 'twice'}")
    await at.editor.prompt(session, f"{line}\n{line}")
    (asked,) = at.editor.asked
    assert asked["options"]["allow_for_session"] == "allow_always"
    assert [call["status"] for call in at.editor.calls(session)] == ["completed", "completed"]


async def a_prefix_is_allowed_for_ever(at: At) -> None:
    session = await at.session("workspace-write")
    at.editor.forget()
    at.editor.picks = lambda _asked: "accept_execpolicy_amendment"
    await at.editor.prompt(session, escalated("mkdir one"))
    (asked,) = at.editor.asked
    assert asked["options"]["accept_execpolicy_amendment"] == "allow_always"
    other = await at.session("workspace-write")
    await at.editor.prompt(other, escalated("mkdir one other"))
    assert len(at.editor.asked) == 1
    assert (at.home.work / "one").is_dir()


async def a_patch_has_its_diff(at: At) -> None:
    session = await at.session()
    file = at.home.work / "poem"
    file.write_text("one\ntwo\nthree\n")
    made = "*** Add File: made\n+new"
    changed = "*** Update File: poem\n@@\n one\n-two\n+2\n three"
    await at.editor.prompt(session, patch(f"{made}\n{changed}"))
    (call,) = at.editor.calls(session)
    assert call["kind"] == "edit"
    assert call["status"] == "completed"
    if at.is_ours:
        places = {place["path"] for place in call["locations"]}
        assert places == {str(at.home.work / "made"), str(file)}
    diffs = {part["path"]: part for part in call["content"] if part["type"] == "diff"}
    added, updated = diffs[str(at.home.work / "made")], diffs[str(file)]
    assert (added.get("oldText"), added["newText"]) == (None, "new\n")
    assert (updated["oldText"], updated["newText"]) == ("one\ntwo\nthree\n", "one\n2\nthree\n")
    assert file.read_text() == "one\n2\nthree\n"


async def a_patch_is_asked_about_where_nothing_may_be_written(at: At) -> None:
    session = await at.session("read-only")
    at.editor.forget()
    await at.editor.prompt(session, patch("*** Add File: asked\n+new"))
    (asked,) = at.editor.asked
    call = at.editor.call(session, asked["toolCall"]["toolCallId"])
    assert "new" in json.dumps(call["content"])
    assert (at.home.work / "asked").read_text() == "new\n"


async def a_plan_is_shown(at: At) -> None:
    session = await at.session()
    steps = [{"step": "look", "status": "completed"}, {"step": "leap", "status": "in_progress"}]
    await at.editor.prompt(session, f"call update_plan {json.dumps({'plan': steps})}")
    (plan,) = at.editor.of(session, "plan")
    assert [(entry["content"], entry["status"]) for entry in plan["entries"]] == [
        ("look", "completed"),
        ("leap", "in_progress"),
    ]


async def a_question_of_the_model_is_a_form(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "/plan")
    options = [
        {"label": "File", "description": "Simple."},
        {"label": "Base", "description": "Fast."},
    ]
    asked = {"id": "where", "header": "Storage", "question": "Where is it kept?"}
    at.editor.fills = {"where": "Base"}
    at.editor.questions.clear()
    arguments = json.dumps({"questions": [asked | {"options": options}]})
    await at.editor.prompt(session, f"call request_user_input {arguments}")
    (question,) = at.editor.questions
    choices = question["requestedSchema"]["properties"]["where"]["oneOf"]
    assert [choice["const"] for choice in choices][:2] == ["File", "Base"]
    assert at.was_sent('{\\"answers\\":{\\"where\\":{\\"answers\\":[\\"Base\\"]')


async def a_turn_is_cancelled(at: At) -> None:
    session = await at.session()
    running = asyncio.create_task(at.editor.prompt(session, "hang 60"))
    await at.editor.until(lambda: at.editor.text(session))
    await at.editor.agent.cancel(session_id=session)
    assert (await running).stop_reason == "cancelled"
    assert (await at.editor.prompt(session, "say 1 4")).stop_reason == "end_turn"


async def a_session_is_loaded_with_its_history(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "think 2\nsay 2 4\nrun echo in the past")
    await at.editor.prompt(session, "say 3 4")
    live = [at.editor.text(session), at.editor.calls(session)]
    await at.editor.agent.close_session(session_id=session)
    at.editor.forget()
    loaded = await at.editor.agent.load_session(
        session_id=session, cwd=str(at.home.work), mcp_servers=[]
    )
    assert loaded is not None
    assert loaded.modes is not None
    said = at.editor.text(session, "user_message_chunk")
    assert said.startswith("think 2\nsay 2 4\nrun echo in the past")
    assert said.endswith("say 3 4")
    assert at.editor.text(session).startswith("abc abc ")
    assert at.editor.text(session).endswith("abc abc abc ")
    assert "pondering it" in at.editor.text(session, "agent_thought_chunk")
    (call,) = at.editor.calls(session)
    assert call["status"] == "completed"
    assert not at.is_ours or live == [at.editor.text(session), at.editor.calls(session)]
    assert "in the past" in json.dumps(at.editor.of(session))
    assert (await at.editor.prompt(session, "say 1 4")).stop_reason == "end_turn"


async def sessions_are_listed(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 1 4")
    listed = await at.editor.agent.list_sessions(cwd=str(at.home.work))
    (found,) = [info for info in listed.sessions if info.session_id == session]
    assert found.cwd == str(at.home.work)
    assert found.title == "say 1 4"
    assert found.updated_at is not None
    elsewhere = await at.editor.agent.list_sessions(cwd="/nowhere")
    assert elsewhere.sessions == []


async def a_session_is_forked(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 2 4\ncall nothing {}")
    fork = await at.editor.agent.fork_session(
        session_id=session, cwd=str(at.home.work), mcp_servers=[]
    )
    assert fork.session_id != session
    sent = len(at.model.asked)
    assert (await at.editor.prompt(fork.session_id, "say 3 4")).stop_reason == "end_turn"
    assert any(b"call nothing {}" in body for body in at.model.asked[sent:])
    assert at.editor.text(fork.session_id).endswith("abc abc abc ")


async def a_session_is_resumed_without_its_history(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 2 4")
    await at.editor.agent.close_session(session_id=session)
    at.editor.forget()
    await at.editor.agent.resume_session(session_id=session, cwd=str(at.home.work), mcp_servers=[])
    assert at.editor.text(session) == ""
    await at.editor.prompt(session, "say 1 4")
    assert at.editor.text(session) == "abc "


async def a_closed_session_takes_no_prompts(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 1 4")
    await at.editor.agent.close_session(session_id=session)
    with pytest.raises(RequestError):
        await at.editor.prompt(session, "say 1 4")


async def a_deleted_session_is_in_no_list(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 1 4")
    await _delete(at.editor, session)
    listed = await at.editor.agent.list_sessions(cwd=str(at.home.work))
    assert session not in [info.session_id for info in listed.sessions]


async def _delete(editor: Editor, session: str) -> None:
    """The library has no function for this request."""
    await editor.agent._conn.send_request("session/delete", {"sessionId": session})


async def an_image_goes_to_the_model(at: At) -> None:
    session = await at.session()
    image = png()
    await at.editor.prompt(session, "say 1 4", image_block(image, "image/png"))
    assert at.was_sent(f"data:image/png;base64,{image[:40]}")


async def embedded_context_goes_to_the_model(at: At) -> None:
    session = await at.session()
    file = "file:///work/notes.md"
    resource = resource_block(
        embedded_text_resource(file, "the embedded words", mime_type="text/markdown")
    )
    link = resource_link_block("linked.py", "file:///work/linked.py")
    await at.editor.prompt(session, "say 1 4", resource, link)
    assert at.was_sent("the embedded words")
    assert at.was_sent("notes.md")
    assert at.was_sent("linked.py")


async def a_mode_is_chosen(at: At) -> None:
    session = await at.session("read-only")
    at.editor.forget()
    at.editor.picks = lambda _asked: "allow_once"
    await at.editor.prompt(session, patch("*** Add File: asked-first\n+x"))
    assert len(at.editor.asked) == 1
    changed = await at.editor.agent.set_config_option(
        session_id=session, config_id="mode", value="agent-full-access"
    )
    assert changed is not None
    assert _values(changed)["mode"] == "agent-full-access"
    await at.editor.prompt(session, patch("*** Add File: not-asked\n+x"))
    assert len(at.editor.asked) == 1


async def a_model_is_chosen(at: At) -> None:
    session = await at.session()
    changed = await at.editor.agent.set_config_option(
        session_id=session, config_id="model", value="gpt-6.2-astra"
    )
    assert changed is not None
    assert _values(changed)["model"].startswith("gpt-6.2-astra")
    await at.editor.prompt(session, "say 1 4")
    assert at.was_sent('"model":"gpt-6.2-astra"')


async def an_effort_is_chosen(at: At) -> None:
    session = await at.session()
    await at.editor.agent.set_config_option(
        session_id=session, config_id="model", value="gpt-6.2-astra"
    )
    changed = await at.editor.agent.set_config_option(
        session_id=session, config_id="reasoning_effort", value="high"
    )
    assert changed is not None
    assert _values(changed)["reasoning_effort"] == "high"
    await at.editor.prompt(session, "say 1 4")
    assert at.was_sent('"effort":"high"')


def _values(changed: Any) -> Json:
    return {option.id: option.current_value for option in changed.config_options}


async def compact(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 400 16")
    answer = await at.editor.prompt(session, "/compact")
    assert answer.stop_reason == "end_turn"
    (call,) = at.editor.calls(session)
    assert "ompact" in call["title"]
    assert call["status"] == "completed"


async def status(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 1 4")
    at.editor.forget()
    await at.editor.prompt(session, "/status")
    said = at.editor.text(session)
    assert "**Model:** scripted" in said
    assert session in said
    assert str(at.home.work) in said
    assert "13" in said or "87%" in said  # of its rate limits, as the model's server says


async def mcp(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "/mcp")
    assert "No MCP servers are configured" in at.editor.text(session)


async def review(at: At) -> None:
    session = await at.session()
    answer = await at.editor.prompt(session, "/review say 2 4")
    assert answer.stop_reason == "end_turn"
    assert "abc abc" in at.editor.text(session)


async def goal(at: At) -> None:
    session = await at.session()
    done = 'call update_goal {"status":"complete"}'
    answer = await at.editor.prompt(session, f"/goal Port it.\nsay 2 4\n{done}")
    assert answer.stop_reason == "end_turn"
    assert at.editor.text(session).startswith("abc abc ")
    assert at.was_sent("Port it.")
    await at.editor.prompt(session, "/goal clear")
    assert (await at.editor.prompt(session, "say 1 4")).stop_reason == "end_turn"


async def rename(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "say 1 4")
    await at.editor.prompt(session, "/rename A better name")
    await at.editor.until(
        lambda: [
            update
            for update in at.editor.of(session, "session_info_update")
            if update.get("title") == "A better name"
        ]
    )


async def logout(at: At) -> None:
    session = await at.session()
    await at.editor.prompt(session, "/logout")
    assert at.editor.text(session).startswith("Logged out")


async def two_sessions_at_once(at: At) -> None:
    one, other = await at.session(), await at.session()
    hanging = asyncio.create_task(at.editor.prompt(one, "hang 60"))
    await at.editor.until(lambda: at.editor.text(one))
    assert (await at.editor.prompt(other, "say 2 4")).stop_reason == "end_turn"
    assert at.editor.text(other) == "abc abc "
    assert not hanging.done()
    await at.editor.agent.cancel(session_id=one)
    assert (await hanging).stop_reason == "cancelled"


async def a_failed_turn_is_an_error(at: At) -> None:
    session = await at.session()
    if at.is_ours:
        with pytest.raises(RequestError) as failed:
            await at.editor.prompt(session, "fail 400")
        assert failed.value.code == INTERNAL_ERROR
    else:
        await at.editor.prompt(session, "fail 400")
    assert "as scripted" in (str(failed.value) if at.is_ours else at.editor.text(session))
    assert (await at.editor.prompt(session, "say 1 4")).stop_reason == "end_turn"


STEPS: tuple[Step, ...] = (
    initialize,
    a_session_is_opened_with_its_commands,
    an_answer_is_streamed,
    reasoning_is_shown_as_thoughts,
    a_command_is_a_tool_call,
    a_permission_is_asked_and_given,
    a_permission_is_refused,
    a_permission_for_the_session_is_asked_once,
    a_prefix_is_allowed_for_ever,
    a_patch_has_its_diff,
    a_patch_is_asked_about_where_nothing_may_be_written,
    a_plan_is_shown,
    a_question_of_the_model_is_a_form,
    a_turn_is_cancelled,
    a_session_is_loaded_with_its_history,
    sessions_are_listed,
    a_session_is_forked,
    a_session_is_resumed_without_its_history,
    a_closed_session_takes_no_prompts,
    a_deleted_session_is_in_no_list,
    an_image_goes_to_the_model,
    embedded_context_goes_to_the_model,
    a_mode_is_chosen,
    a_model_is_chosen,
    an_effort_is_chosen,
    compact,
    status,
    mcp,
    review,
    goal,
    rename,
    logout,
    two_sessions_at_once,
    a_failed_turn_is_an_error,
)


async def take(at: At, steps: tuple[Step, ...]) -> dict[str, str]:
    """Take every step; what went wrong, by the names of the steps."""
    wrong: dict[str, str] = {}
    for step in steps:
        at.editor.picks = lambda _asked: "allow_once"
        at.editor.forget()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await step(at)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
            wrong[step.__name__] = f"{type(error).__name__}: {error}"[:1500]
    return wrong
