"""codexctl acp, by the Python library of the Agent Client Protocol; and Codex's own adapter, unchanged."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from acp import audio_block
from acp.exceptions import RequestError
from acp.schema import EnvVariable, McpServerStdio

from acp_editor import Editor, editor
from codexd.models.scripted.scripts import Call, Say
from daemon_house import Home
from installed_codex import ADAPTER, needs_adapter
from paused_model import Held

from .acp_steps import STEPS, At, escalated, take
from .codexctl import approve, codexctl, command, holding, playing

PIPE_SERVER = Path(__file__).parent.parent / "support" / "pipe_server.py"


def test_an_editor_takes_every_step_with_codexctl(home: Home) -> None:
    async def run() -> dict[str, str]:
        async with editor(*command("acp"), env=home.env, cwd=home.work) as at:
            return await take(At(at, home, model, is_ours=True), STEPS)

    with playing() as model:
        home.use_model(model.base_url)
        home.start()
        assert asyncio.run(run()) == {}


@needs_adapter
def test_codexs_own_adapter_takes_every_step(home: Home) -> None:
    env = home.env | {
        "CODEX_PATH": str(Path(sys.executable).parent / "codexctl"),
        "INITIAL_AGENT_MODE": "agent-full-access",
        "NO_BROWSER": "1",
    }

    async def run() -> dict[str, str]:
        async with editor("node", str(ADAPTER), env=env, cwd=home.work) as at:
            return await take(At(at, home, model, is_ours=False), STEPS)

    with playing() as model:
        home.use_model(model.base_url)
        home.start()
        assert asyncio.run(run()) == {}


def test_what_others_do_on_a_thread_is_seen_in_the_editor(home: Home) -> None:
    async def run() -> None:
        async with editor(*command("acp"), env=home.env, cwd=home.work, terminals=True) as at:
            session = await at.open(home.work)
            await at.agent.set_session_mode(session_id=session, mode_id="workspace-write")

            sent = await asyncio.to_thread(codexctl, home, "send", "-t", session, "say 2 4")
            assert sent.code == 0, sent
            await at.until(lambda: at.text(session) == "abc abc ")
            assert at.text(session, "user_message_chunk") == "say 2 4"

            at.picks = lambda _asked: "never"
            made = home.work / "elsewhere"
            prompt = asyncio.create_task(at.prompt(session, escalated(f"echo x > {made}; echo y")))
            await at.until(lambda: at.asked)
            answered = await asyncio.to_thread(approve, home, session)
            assert answered.code == 0, answered
            assert (await prompt).stop_reason == "end_turn"
            await at.until(lambda: at.withdrawn)
            assert made.read_text() == "x\n"
            (call,) = at.calls(session)
            assert call["content"] == [{"type": "terminal", "terminalId": call["toolCallId"]}]
            meta = [seen.get("_meta", {}) for seen in at.of(session, "tool_call_update")]
            printed = [
                seen["terminal_output"]["data"] for seen in meta if "terminal_output" in seen
            ]
            assert printed == ["y\n"]
            assert meta[-1]["terminal_exit"]["exit_code"] == 0

            at.forget()
            changed = await asyncio.to_thread(
                codexctl, home, "send", "-t", session, "--approval-policy", "never", "say 1 4"
            )
            assert changed.code == 0, changed
            await at.until(lambda: at.of(session, "config_option_update"))
            renamed = await asyncio.to_thread(codexctl, home, "rename", session, "Theirs")
            assert renamed.code == 0, renamed
            await at.until(lambda: at.of(session, "session_info_update"))

            hanging = asyncio.create_task(at.prompt(session, "hang 60"))
            await at.until(lambda: at.text(session).endswith("waiting "))
            async with editor(*command("acp"), env=home.env, cwd=home.work) as late:
                await late.agent.load_session(
                    session_id=session, cwd=str(home.work), mcp_servers=[]
                )
                await late.until(lambda: late.text(session).endswith("waiting "))
                assert late.text(session).count("waiting ") == 1
                prompts = [
                    seen["content"]["text"] for seen in late.of(session, "user_message_chunk")
                ]
                assert prompts[0] == "say 2 4"
                assert prompts[-1] == "hang 60"
                assert late.calls(session)[0]["status"] == "completed"
            deleted = await asyncio.to_thread(codexctl, home, "delete", "--yes", session)
            assert deleted.code == 0, deleted
            with pytest.raises(RequestError) as gone:
                await hanging
            assert gone.value.code == -32002

    with playing() as model:
        home.use_model(model.base_url)
        home.start()
        asyncio.run(run())


def test_what_mcp_servers_ask_is_asked_in_the_editor(home: Home) -> None:
    async def run() -> None:
        async with editor(*command("acp"), env=home.env, cwd=home.work) as at:
            theirs = McpServerStdio(
                name="theirs", command="/bin/true", args=[], env=[EnvVariable(name="A", value="b")]
            )
            ours = McpServerStdio(name="pipe", command="/bin/true", args=[], env=[])
            opened = await at.agent.new_session(cwd=str(home.work), mcp_servers=[theirs, ours])
            session = opened.session_id
            await at.until(lambda: at.calls(session))
            (told,) = at.calls(session)
            assert (told["title"], told["status"]) == ("MCP server theirs: not started", "failed")

            at.fills = {"name": "Ada"}
            await at.prompt(session, "call mcp__pipe__echo {}")
            (question,) = at.questions
            assert question["message"] == "pipe: Who?"
            assert set(question["requestedSchema"]["properties"]) == {"name"}
            (call,) = [call for call in at.calls(session) if call["title"] == "pipe: echo"]
            assert "Ada" in json.dumps(call["content"])

    with playing() as model:
        server = f'[mcp_servers.pipe]\ncommand = "{sys.executable}"\nargs = ["-I", "-S", "{PIPE_SERVER}", "Asks"]'
        home.use_model(model.base_url, provider_more=server)
        home.start()
        asyncio.run(run())


def test_a_restart_of_the_daemon_is_not_seen_in_the_editor(home: Home) -> None:
    async def run() -> None:
        async with editor(*command("acp"), env=home.env, cwd=home.work) as at:
            session = await at.open(home.work)
            await at.agent.set_session_mode(session_id=session, mode_id="workspace-write")
            streaming = asyncio.create_task(at.prompt(session, "first"))
            await at.until(lambda: at.text(session) == "one two ")
            daemons[-1].kill()
            daemons.append(home.start())
            assert (await streaming).stop_reason == "end_turn"
            assert at.text(session) == "one two " + "again"

            at.picks = lambda _asked: "never"
            asking = asyncio.create_task(at.prompt(session, "second"))
            await at.until(lambda: at.asked)
            daemons[-1].kill()
            daemons.append(home.start())
            other = asyncio.create_task(at.agent.list_sessions())
            assert session in [info.session_id for info in (await other).sessions]
            assert len(at.asked) == 1  # The question that is open is the same.
            await at.agent.cancel(session_id=session)
            assert (await asking).stop_reason == "cancelled"
            assert len(at.withdrawn) == 1

    touch = json.dumps({"command": "touch x", "sandbox_permissions": "require_escalated"})
    with holding(
        Held(Say(("one ", "two ", "three")), after=2),
        Say(("again",)),
        Call("shell_command", touch),
    ) as model:
        home.use_model(model.base_url)
        daemons = [home.start()]
        asyncio.run(run())


def test_what_is_no_request_is_refused_and_the_rest_goes_on(home: Home) -> None:
    def asked(number: int, method: str, **params: Any) -> str:
        return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    session = {"sessionId": "nobody"}
    lines = [
        "no JSON",
        "[]",
        asked(1, "session/list"),
        asked(2, "initialize", protocolVersion=1),
        asked(3, "session/fly"),
        asked(4, "session/new", cwd="relative", mcpServers=[]),
        asked(5, "session/new", cwd="/", mcpServers=[], additionalDirectories=["/tmp"]),
        asked(6, "session/new", mcpServers=[]),
        asked(7, "session/prompt", **session, prompt=[{"type": "text", "text": "x"}]),
        asked(8, "session/load", **session, cwd="/", mcpServers=[]),
        asked(9, "authenticate", methodId="password"),
        asked(10, "authenticate", methodId="api-key"),
        json.dumps({"jsonrpc": "2.0", "method": "session/cancel", "params": session}),
        asked(11, "initialize", protocolVersion="2024-11-05"),
        asked(12, "session/list"),
        "x" * (17 << 20),
    ]
    home.use_model("http://127.0.0.1:9/v1")
    home.start()
    ended = codexctl(home, "acp", stdin="\n".join([*lines, ""]))
    assert ended.code == 0
    answers = {answer["id"]: answer for answer in ended.lines if answer["id"] is not None}
    codes = {number: answer.get("error", {}).get("code") for number, answer in answers.items()}
    assert codes == {
        1: -32600,
        2: None,
        3: -32601,
        4: -32602,
        5: -32602,
        6: -32602,
        7: -32002,
        8: -32002,
        9: -32602,
        10: -32602,
        11: None,
        12: None,
    }
    assert all(answer["error"]["data"]["code"] for answer in answers.values() if "error" in answer)
    nameless = [answer["error"]["code"] for answer in ended.lines if answer["id"] is None]
    assert nameless == [-32700, -32600, -32600]


def test_an_editor_logs_in_and_out(home: Home) -> None:
    key = {"CODEX_API_KEY": "sk-test-0123456789abcdefghij"}

    async def run() -> None:
        async with (
            editor(*command("acp"), env=home.env, cwd=home.work) as at,
            editor(*command("acp"), env=home.env | key, cwd=home.work) as has_key,
        ):
            await refused(at)
            await refused(has_key)  # A key is used when the person says so.
            await has_key.agent.authenticate(method_id="api-key")
            session = await at.open(home.work)
            await at.prompt(session, "say 1 4")
            await at.prompt(session, "/status")
            assert "**Account:** API key" in at.text(session)
            await request(at, "logout")
            await refused(at)

    async def refused(at: Editor) -> None:
        with pytest.raises(RequestError) as nobody:
            await at.open(home.work)
        assert nobody.value.code == -32000

    with playing() as model:
        home.use_model(model.base_url, provider_more="requires_openai_auth = true")
        home.start()
        asyncio.run(run())


def test_requests_that_few_editors_send(home: Home) -> None:
    async def run() -> None:
        async with editor(*command("acp"), env=home.env, cwd=home.work) as at:
            session = await at.open(home.work)
            chosen = {"sessionId": session, "modelId": "gpt-6.2-astra"}
            await request(at, "session/set_model", **chosen)

            hanging = asyncio.create_task(at.prompt(session, "hang 60"))
            await at.until(lambda: at.text(session))
            assert b'"model":"gpt-6.2-astra"' in model.asked[-1]
            queued = asyncio.create_task(at.prompt(session, "say 1 4"))
            await at.until(lambda: len(at.sent) >= 5)
            (first, second) = [number for number, method in at.sent if method == "session/prompt"]
            await at.agent._conn.send_notification("$/cancel_request", {"requestId": second})
            assert (await queued).stop_reason == "cancelled"
            assert not hanging.done()
            await at.agent._conn.send_notification("$/cancel_request", {"requestId": first})
            assert (await hanging).stop_reason == "cancelled"
            assert len(model.asked) == 1

    with playing() as model:
        home.use_model(model.base_url)
        home.start()
        asyncio.run(run())


async def request(at: Editor, method: str, **params: Any) -> Any:
    """What the library has no function for."""
    return await at.agent._conn.send_request(method, params)


def test_audio_and_bad_choices_are_refused_and_nothing_is_sent(home: Home) -> None:
    async def run() -> None:
        async with editor(*command("acp"), env=home.env, cwd=home.work) as at:
            session = await at.open(home.work)
            for refused in (
                lambda: at.prompt(session, audio_block("UklGRg==", "audio/wav")),
                lambda: at.prompt(session),
                lambda: at.agent.set_session_mode(session_id=session, mode_id="chaos"),
                lambda: at.agent.set_config_option(
                    session_id=session, config_id="colour", value="red"
                ),
                lambda: at.agent.set_config_option(
                    session_id=session, config_id="model", value="nobody"
                ),
            ):
                with pytest.raises(RequestError) as error:
                    await refused()
                assert error.value.code == -32602

    with playing() as model:
        home.use_model(model.base_url)
        home.start()
        asyncio.run(run())
        assert model.asked == []
