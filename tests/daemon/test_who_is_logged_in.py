"""A login, a logout and a key change in one terminal reach the others; a turn keeps what it started with; no key leaks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from account_house import chatgpt_members, issuer_server, write_auth
from codexd.models.scripted.scripts import Call, Fail, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, connected
from daemon_house import Home
from daemon_screen import completed
from trio_test import trio_test

pytestmark = pytest.mark.slow

# In each of them, and in no other text: they are looked for everywhere.
MARK = f"made0up{os.getpid()}x"
FIRST, SECOND, BROUGHT = (f"sk-{name}-{MARK}-0123456789" for name in ("first", "second", "brought"))
LOGIN = "requires_openai_auth = true"
MORE = '[model_providers.keyed]\nbase_url = "{url}"\nenv_key = "KEYED_KEY"\n'
OK = Say(("ok",))


def run(line: str) -> Reply:
    return (Call("shell_command", json.dumps({"command": line})),)


def paid_with(model: ScriptedModel) -> list[str]:
    return [r.headers["authorization"].removeprefix("Bearer ") for r in model.requests]


def leaks(home: Home, *clients: Client) -> list[str]:
    """The places where a key is, other than where it belongs."""
    found = [
        str(path)
        for path in home.path.rglob("*")
        if path.is_file() and path.name != "auth.json" and MARK.encode() in path.read_bytes()
    ]
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                found += [
                    str(folder / name)
                    for name in ("cmdline", "environ")
                    if MARK.encode() in (folder / name).read_bytes()
                ]
            except OSError:
                continue
    for client in clients:
        heard = json.dumps([client.notified, client.results, client.errors, client.asked])
        found += ["a message to a client"] if MARK in heard else []
    return found


async def failed_with(client: Client, thread: str, prompt: str) -> str:
    turn = await client.run_turn(thread, prompt)
    assert turn["status"] == "failed"
    return str(turn["error"]["message"])


@trio_test
async def test_logins_and_keys_reach_all_terminals_and_leak_nowhere(home: Home) -> None:
    gate = home.work / "gate"
    os.mkfifo(gate)
    echoing = json.dumps({"error": {"message": f"bad key {SECOND} here"}}).encode()
    replies: list[Reply | Say | Fail] = [
        OK,
        run(f"cat {gate}"),
        OK,
        OK,
        Fail(401, body=echoing),
        run("env; tr '\\0' '\\n' </proc/$PPID/environ"),
        (Say((f"I saw {BROUGHT[:9]}", BROUGHT[9:])),),
        OK,
    ]
    async with scripted_model(replies) as model:
        more = MORE.format(url=model.base_url)
        home.use_model(model.base_url, provider_more=f"{LOGIN}\n{more}")
        daemon = home.start()
        async with (
            connected(home.socket, codexd={"cursor": False}) as one,
            connected(home.socket) as two,
        ):
            assert "KEYED_KEY" in one.server["codexd"]["keyVariables"]
            nobody = await one.call("account/read")
            assert (nobody["account"], nobody["requiresOpenaiAuth"]) == (None, True)
            thread = await two.start_thread()
            assert "run `codexctl login`" in await failed_with(two, thread, "too early")

            await one.call("account/login/start", type="apiKey", apiKey=f" {FIRST}\n")
            for client in (one, two):
                await client.until_notified("account/login/completed", success=True)
                await client.until_notified("account/updated", authMode="apikey")
            await two.run_turn(thread, "paid with the first")
            turn = await two.start_turn(thread, "goes on while another key comes")
            await two.until_notified("item/started", turnId=turn, times=2)
            await one.call("account/login/start", type="apiKey", apiKey=SECOND)
            gate.write_text("go\n")
            await two.turn_ended(turn)
            await two.run_turn(thread, "paid with the second")
            assert paid_with(model) == [FIRST, FIRST, FIRST, SECOND]

            told = await failed_with(two, thread, "refused")
            assert "bad key [secret] here" in told
            assert "It is the key of the login (sk-secon***6789)" in told

            await one.call("account/logout")
            await two.until_notified("account/updated", authMode=None)
            assert "there is no login" in (await failed_with(two, thread, "too late")).lower()
            keyed = await one.start_thread(modelProvider="keyed")
            turn = await one.start_turn(
                keyed, "brings its key", providerKeys={"KEYED_KEY": BROUGHT}
            )
            await one.turn_ended(turn)
            await one.run_turn(keyed, "brings none")
            assert paid_with(model)[5:] == [BROUGHT] * 3
            [ran] = [i for i in completed(one).values() if i["type"] == "commandExecution"]
            assert "KEYED_KEY" not in ran["aggregatedOutput"]
            assert leaks(home, one, two) == []
        daemon.kill()
        assert not any(MARK in line for line in daemon.log)
        assert [path for path in leaks(home) if path.startswith(str(home.path))] == []


@trio_test
async def test_a_login_with_chatgpt_pays_and_its_limits_outlive_the_daemon(home: Home) -> None:
    limits = (
        ("x-codex-primary-used-percent", "12.6"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-after-seconds", "600"),
        ("x-codex-secondary-used-percent", "100"),
        ("x-codex-secondary-reset-after-seconds", "7200"),
    )
    body = b'{"error":{"type":"usage_limit_reached","message":"used up","plan_type":"plus"}}'
    expired = Fail(401, body=b'{"error":{"message":"expired"}}')
    async with scripted_model([expired, OK, Fail(429, limits, body)]) as model:
        with issuer_server() as issuer:
            home.use_model(model.base_url, provider_more=LOGIN)
            write_auth(home.path, chatgpt_members(issuer.url))
            daemon = home.start()
            async with connected(home.socket) as one, connected(home.socket) as two:
                account = await one.call("account/read")
                assert account["account"] == {
                    "type": "chatgpt", "email": "ann@example.org", "planType": "plus", "workspaceName": None,
                }  # fmt: skip
                assert account["userId"] == "user-1"
                for method in ("account/usage/read", "account/workspaceMessages/read"):
                    await one.call(method)
                thread = await one.start_thread()
                await one.run_turn(thread, "refreshed on the way")
                assert issuer.refreshes == 1
                assert model.requests[1].headers["chatgpt-account-id"] == "account-1"
                told = await failed_with(one, thread, "used up")
                assert "The usage limit of the plan plus is reached. It is lifted in 2 h" in told
                for client in (one, two):  # also a client that follows no thread
                    note = await client.until_notified("account/rateLimits/updated", times=2)
                    seen = note.params["rateLimits"]
                    assert seen["primary"]["usedPercent"] == 13
                    assert seen["primary"]["resetsAt"] is not None
                before = await two.call("account/rateLimits/read")
                assert before["rateLimits"]["secondary"]["usedPercent"] == 100
                assert before["rateLimitsByLimitId"]["codex"] == before["rateLimits"]
            daemon.stop()
            home.start()
            async with connected(home.socket) as one:
                assert await one.call("account/rateLimits/read") == before
                await one.call("account/logout")
                refused = await one.refused("account/rateLimits/read")
                assert refused.code == -32600
                assert "authentication required to read rate limits" in refused.message
