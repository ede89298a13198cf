"""A command with a list of domains: what is listed is reached, the rest is asked about, and the answers hold."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import completed
from installed_codex import SCHEMAS
from trio_test import trio_test
from wire_schemas import check_asked

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)

# No such name is known to any resolver: 502 says that it was allowed, and 403 that it was not.
FETCH = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=50).status, flush=True)
    except urllib.error.HTTPError as error:
        print(error.code, flush=True)
"""
LIST = """
[sandbox_workspace_write]
network_access = true
[features.network_proxy]
enabled = true
domains = {{ "127.0.0.1:{port}" = "allow", "denied.invalid" = "deny" }}
"""
WORKSPACE = {"sandbox": "workspace-write", "approvalPolicy": "on-request"}
NEVER = {"sandbox": "workspace-write", "approvalPolicy": "never"}


def with_list(home: Home, model: ScriptedModel) -> None:
    (home.work / "fetch.py").write_text(FETCH)
    home.use_model(model.base_url, more=LIST.format(port=model.port))


def fetch(*urls: str) -> str:
    return f"run {sys.executable} fetch.py {' '.join(urls)}"


async def start(client: Client, home: Home, **policies: str) -> str:
    started = await client.call("thread/start", cwd=str(home.work), **(policies or WORKSPACE))
    return str(started["thread"]["id"])


async def answer(client: Client, number: int, decision: object) -> Json:
    asked = await client.until_asked(number)
    named = {name: asked.params["codexd"][name] for name in ("approvalId", "actionHash")}
    await client.send({"id": asked.id, "result": {"decision": decision, **named}})
    return asked.params


def output(client: Client) -> list[str]:
    """What the last command printed."""
    items = [item for item in completed(client).values() if item["type"] == "commandExecution"]
    return str(items[-1]["aggregatedOutput"]).splitlines()


async def approvals(client: Client, thread: str) -> list[Json]:
    read = await client.call("thread/log/read", threadId=thread)
    return [r["data"] for r in read["records"] if r["type"].startswith("approval.")]


def rule(action: str, host: str) -> Json:
    return {
        "applyNetworkPolicyAmendment": {
            "network_policy_amendment": {"action": action, "host": host}
        }
    }


@pytest.mark.slow
@trio_test
async def test_a_command_reaches_its_list_and_a_person_answers_for_the_rest(daemon: Daemon) -> None:
    home = daemon.home
    async with scripted_model() as model, connected(home.socket) as client:
        with_list(home, model)
        thread = await start(client, home)
        listed = f"http://127.0.0.1:{model.port}/v1/models"
        asked = ("http://asked.invalid/a", "http://asked.invalid/b")
        turn = await client.start_turn(
            thread, fetch(listed, *asked, "http://denied.invalid/", "http://127.0.0.1:9/")
        )
        params = await answer(client, 1, "accept")
        assert params["networkApprovalContext"] == {"host": "asked.invalid", "protocol": "http"}
        assert rule("allow", "asked.invalid") in params["availableDecisions"]
        if SCHEMAS.exists():
            check_asked(params)
        await client.turn_ended(turn)
        # The first answer holds for the command, which asks once.
        printed = output(client)
        assert [line for line in printed if line.isdigit()] == ["200", "502", "502", "403", "403"]
        assert [line for line in printed if "denied.invalid:80 is denied" in line]
        assert [line for line in printed if "127.0.0.1:9 is not on the internet" in line]
        told = json.dumps([json.loads(request.body) for request in model.requests if request.body])
        assert "restricted to a list of domains" in told
        assert "denied.invalid:80 is denied" in told
        # And for no other command; so the next answers are for the thread, and for good.
        turn = await client.start_turn(thread, fetch(asked[0], "http://other.invalid/"))
        await answer(client, 2, "acceptForSession")
        await answer(client, 3, rule("allow", "other.invalid"))
        await client.turn_ended(turn)
        assert output(client) == ["502", "502"]
        await client.run_turn(thread, fetch(asked[0], "http://other.invalid/"))
        assert output(client) == ["502", "502"]
        assert len(client.asked) == 3
        decided = [data for data in await approvals(client, thread) if "decision" in data]
        assert [data["decision"] for data in decided] == ["accept", "acceptForSession", "accept"]
        assert decided[2]["hostRule"] == "allow"
        rules = (home.path / "rules" / "default.rules").read_text()
        assert rules == 'network_rule(host="other.invalid", protocol="http", decision="allow")\n'
        # In another thread the rule counts, and the thread's own answers do not.
        other = await start(client, home, **NEVER)
        await client.run_turn(other, fetch("http://other.invalid/", asked[0]))
        assert [line for line in output(client) if line.isdigit()] == ["502", "403"]
        assert "under the approval policy `never` nobody is asked" in "\n".join(output(client))


@pytest.mark.slow
@trio_test
async def test_a_refusal_holds_for_the_command_and_an_interrupt_ends_the_question(
    home: Home,
) -> None:
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model())
        with_list(home, model)
        daemon = home.start()
        client = await stack.enter_async_context(connected(home.socket))
        thread = await start(client, home)
        urls = ("http://a.invalid/", "http://a.invalid/", "http://b.invalid/")
        turn = await client.start_turn(thread, fetch(*urls))
        await answer(client, 1, "decline")
        await answer(client, 2, rule("deny", "b.invalid"))
        await client.turn_ended(turn)
        printed = output(client)
        assert [line for line in printed if line.isdigit()] == ["403", "403", "403"]
        assert any(
            "a.invalid:80 is not in the list of domains, and a person refused" in line
            for line in printed
        )
        turn = await client.start_turn(thread, fetch("http://b.invalid/", "http://c.invalid/"))
        await client.until_asked(3)
        assert client.asked[2].params["networkApprovalContext"]["host"] == "c.invalid"
        status = (await client.call("thread/read", threadId=thread))["thread"]["status"]
        assert status == {"type": "active", "activeFlags": ["waitingOnApproval"]}
        await client.call("turn/interrupt", threadId=thread, turnId=turn)
        await client.turn_ended(turn)
        assert len(client.of("serverRequest/resolved")) == 3
    assert daemon.stop() == 0
    assert not list((home.path / "run" / "network").iterdir())


RETRY = """
import time, urllib.error, urllib.request
while True:
    try:
        urllib.request.urlopen("http://asked.invalid/", timeout=50)
    except urllib.error.HTTPError as error:
        print(error.code, flush=True)
        break
    except OSError:
        print("cut", flush=True)
        time.sleep(0.1)
"""


@pytest.mark.parametrize("end", ["kill", "terminate"])
@pytest.mark.slow
@trio_test
async def test_a_command_that_outlives_its_daemon_asks_the_next_one(home: Home, end: str) -> None:
    (home.work / "retry.py").write_text(RETRY)
    async with scripted_model() as model:
        with_list(home, model)
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await start(client, home)
            await client.start_turn(thread, f"run {sys.executable} retry.py")
            await client.until_asked()
            getattr(daemon, end)()
            if end == "terminate":
                assert daemon.wait() == 0
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await answer(client, 1, "accept")
            await client.until_notified("turn/completed")
            *before, last = output(client)
            assert set(before) == {"cut"}
            assert last == "502"
            decided = [data for data in await approvals(client, thread) if "decision" in data]
            assert [data.get("note") for data in decided] == [
                "the connection that waited for it is gone",
                None,
            ]


def in_session(urls: tuple[str, ...]) -> Callable[[bytes], Reply]:
    """A model that starts a session, and then waits for it."""
    line = f"{sys.executable} fetch.py {' '.join(urls)}"

    def reply(body: bytes) -> Reply:
        session = re.search(rb"session ID (\d+)", body)
        if session is None:
            return (Call("exec_command", json.dumps({"cmd": line, "yield_time_ms": 250})),)
        if b"write_stdin" not in body.partition(session[0])[2]:
            asked = {"session_id": int(session[1]), "yield_time_ms": 60_000}
            return (Call("write_stdin", json.dumps(asked)),)
        return (Say(("ok",)),)

    return reply


@pytest.mark.slow
@trio_test
async def test_a_session_asks_in_the_turn_that_runs(daemon: Daemon) -> None:
    home = daemon.home
    urls = ("http://first.invalid/", "http://second.invalid/")
    async with scripted_model(in_session(urls)) as model, connected(home.socket) as client:
        with_list(home, model)
        thread = await start(client, home)
        turn = await client.start_turn(thread, "go")
        await client.until_asked()
        await model.wait_requests(2)  # The call has its answer, and the session goes on.
        await answer(client, 1, "accept")
        await answer(client, 2, "decline")
        await client.turn_ended(turn)
        told = model.requests[-1].body.decode()
        assert "second.invalid:80 is not in the list of domains, and a person refused it" in told
        assert "502" in told


@pytest.mark.slow
@trio_test
async def test_the_question_of_a_session_ends_with_its_turn(daemon: Daemon) -> None:
    home, script = daemon.home, in_session(("http://third.invalid/",))
    async with scripted_model(script) as model, connected(home.socket) as client:
        with_list(home, model)
        thread = await start(client, home)
        turn = await client.start_turn(thread, "go")
        await client.until_asked()
        await model.wait_requests(2)
        await client.call("turn/interrupt", threadId=thread, turnId=turn)
        await client.turn_ended(turn)
        assert len(client.of("serverRequest/resolved")) == 1
        await client.until(lambda: bool(completed_commands(client)), "the end of the command")
        (printed,) = completed_commands(client)
        assert "third.invalid:80 is not in the list of domains, and nobody has answered" in printed


def completed_commands(client: Client) -> list[str]:
    items = [note.params["item"] for note in client.of("item/completed")]
    return [str(i["aggregatedOutput"]) for i in items if i["type"] == "commandExecution"]


@pytest.mark.slow
@trio_test
async def test_nothing_else_leads_out(daemon: Daemon) -> None:
    home = daemon.home
    tries = f"""
import os, socket
def tries(what, family, kind, address):
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(5)
            sock.connect(address)
            sock.send(b"x")
        print(what, "OUT")
    except OSError:
        pass
tries("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {{port}}))
tries("tcp6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", {{port}}))
tries("udp", socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 53))
tries("daemon", socket.AF_UNIX, socket.SOCK_STREAM, {str(home.socket)!r})
tries("proxies", socket.AF_UNIX, socket.SOCK_STREAM, {str(home.path / "run" / "network")!r})
print(sorted(os.listdir("/proc/self/fd")), os.environ["HTTPS_PROXY"], "CODEXD_SANDBOX_NETWORK_DISABLED" in os.environ)
try:
    print(os.listdir({str(home.path)!r}))
except OSError as error:
    print(error.strerror)
"""
    async with scripted_model() as model, connected(home.socket) as client:
        with_list(home, model)
        (home.work / "tries.py").write_text(tries.replace("{port}", str(model.port)))
        thread = await start(client, home)
        with trio.fail_after(100):
            await client.run_turn(thread, f"run {sys.executable} tries.py")
        first, *rest = output(client)
        assert first == "['0', '1', '2', '3'] http://127.0.0.1:3128 False"
        assert "OUT" not in " ".join([first, *rest])
        assert client.asked == []


@trio_test
async def test_what_is_listed_is_said_in_the_status_and_with_the_rules(daemon: Daemon) -> None:
    home = daemon.home
    async with scripted_model() as model, connected(home.socket) as client:
        home.use_model(model.base_url)
        assert (await client.call("server/status"))["network"] == "off"
        with_list(home, model)
        assert (await client.call("server/status"))["network"] == "domains"
        assert (await client.call("policy/list"))["hosts"][:2] == [
            {"host": f"127.0.0.1:{model.port}", "decision": "allow"},
            {"host": "denied.invalid", "decision": "deny"},
        ]
        assert (await client.call("config/read"))["config"]["features"]["network_proxy"]["enabled"]


@pytest.mark.slow
@trio_test
async def test_what_a_person_or_a_client_runs_reaches_the_list_and_nothing_else(
    daemon: Daemon,
) -> None:
    home = daemon.home
    async with scripted_model() as model, connected(home.socket) as client:
        with_list(home, model)
        urls = (f"http://127.0.0.1:{model.port}/v1/models", "http://nowhere.invalid/")
        argv = [sys.executable, "fetch.py", *urls]
        policy = {"type": "workspaceWrite", "networkAccess": True}
        asked = {"command": argv, "cwd": str(home.work), "timeoutMs": 60_000}
        ran = await client.call("command/exec", **asked, sandboxPolicy=policy)
        assert ran["stdout"].split() == ["200", "403"]
        assert (
            "nowhere.invalid:80 is not in the list of domains, and nobody can be" in ran["stderr"]
        )
        # Without its network there is none: neither the list nor anything else.
        off = await client.call("command/exec", **asked, sandboxPolicy={"type": "workspaceWrite"})
        assert off["stdout"] == ""
        assert off["exitCode"] != 0
        line = [*("-C", str(home.work), "-s", "workspace-write", "--"), *argv]
        here = await trio.run_process(
            [sys.executable, "-m", "codexd_frontends.ctl", "sandbox", *line],
            env=home.env,
            capture_stdout=True,
            capture_stderr=True,
        )
        assert here.stdout.split() == [b"200", b"403"]
        assert b"`codexctl sandbox` asks nobody about it" in here.stderr
        signalled = await trio.run_process(
            [*here.args[:-4], "sh", "-c", "kill -TERM $$"], env=home.env, check=False
        )
        assert signalled.returncode == 128 + 15
        assert client.asked == []
