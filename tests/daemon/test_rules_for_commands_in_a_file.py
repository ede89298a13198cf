"""Rules for commands: an approval adds one to a file, which holds at once, in all threads and after a restart."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing

from codexd.models.scripted.scripts import Call, Part, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, Refused, connected
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from daemon_screen import completed
from installed_codex import SCHEMAS
from trio_test import trio_test
from wire_schemas import check_asked


def runs(line: str, **more: object) -> Reply:
    arguments = msgspec.json.encode({"command": line, **more}).decode()
    return (Call("shell_command", arguments),)


def commands(client: Client) -> list[str]:
    found = [item for item in completed(client).values() if item["type"] == "commandExecution"]
    return [item["status"] for item in found]


def rules_of(home: Home) -> dict[str, str]:
    return {path.name: path.read_text() for path in (home.path / "rules").glob("*")}


async def answer(client: Client, number: int, **members: object) -> Json:
    asked = await client.until_asked(number)
    named = {name: asked.params["codexd"][name] for name in ("approvalId", "actionHash")}
    await client.send({"id": asked.id, "result": {**members, **named}})
    return asked.params


@trio_test
async def test_an_approval_adds_a_rule_that_holds_in_all_threads_and_after_a_restart(
    home: Home,
) -> None:
    script: list[Part | Reply] = [
        runs("touch a; ls", prefix_rule=["touch"]),
        *(Say(("ok",)), runs("touch b && touch c"), Say(("ok",))),
        *(runs("touch d"), Say(("ok",)), runs("touch e > f"), Say(("ok",))),
    ]
    async with scripted_model(script) as model:
        home.use_model(model.base_url, approval="untrusted")
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            amendment = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch"]}}
            params = await answer(client, 1, decision=amendment)
            assert params["proposedExecpolicyAmendment"] == ["touch"]
            assert params["availableDecisions"] == [
                *("accept", "acceptForSession", amendment, "decline", "cancel")
            ]
            if SCHEMAS.exists():
                check_asked(params)
            await client.turn_ended(turn)
            other = await client.start_thread(cwd=str(home.work))
            await client.run_turn(other, "go")
            assert len(client.asked) == 1
            (decided,) = [
                record
                for record in await records(client, thread)
                if record["type"] == "approval.decided"
            ]
            assert decided["data"]["rule"] == ["touch"]
            assert decided["by"].startswith("test")
        assert daemon.stop() == 0
        rules = home.path / "rules" / "default.rules"
        assert rules.read_text() == 'prefix_rule(pattern=["touch"], decision="allow")\n'
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            await client.run_turn(thread, "go")
            assert sorted(path.name for path in home.work.iterdir()) == ["a", "b", "c", "d"]
            turn = await client.start_turn(thread, "go")
            await answer(client, 1, decision="decline")  # `> f` is not for a rule
            await client.turn_ended(turn)


@trio_test
async def test_a_client_that_leaves_as_soon_as_it_has_answered_has_answered_as_a_whole(
    home: Home,
) -> None:
    async with scripted_model([runs("touch a", prefix_rule=["touch"]), Say(("ok",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        home.start()
        async with connected(home.socket) as stays:
            thread = await stays.start_thread(cwd=str(home.work))
            turn = await stays.start_turn(thread, "go")
            async with connected(home.socket) as leaves:
                await leaves.call("thread/resume", threadId=thread)
                amendment = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch"]}}
                await answer(leaves, 1, decision=amendment)
                await leaves.cut()
            await stays.turn_ended(turn)
            rules = home.path / "rules" / "default.rules"
            with trio.fail_after(PATIENCE_SECONDS):
                while not rules.exists():
                    await trio.testing.wait_all_tasks_blocked(0.01)
        assert rules.read_text() == 'prefix_rule(pattern=["touch"], decision="allow")\n'


async def records(client: Client, thread: str) -> list[Json]:
    read: list[Json] = (await client.call("thread/log/read", threadId=thread))["records"]
    return read


@trio_test
async def test_what_a_file_forbids_is_refused_with_its_reason_as_soon_as_the_file_says_so(
    home: Home,
) -> None:
    script: list[Part | Reply] = [runs("touch a"), Say(("ok",)), runs("touch b"), Say(("ok",))]
    script += [runs("touch c"), Say(("ok",)), Say(("ok",))]
    async with scripted_model(script) as model:
        home.use_model(model.base_url, approval="never")
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            await client.run_turn(thread, "go")
            assert (home.work / "a").exists()
            (home.path / "rules").mkdir(mode=0o700)
            (home.path / "rules" / "mine.rules").write_text(
                'prefix_rule(["touch"], "forbidden", justification="use a patch")'
            )
            await client.run_turn(thread, "go")
            assert not (home.work / "b").exists()
            assert b"forbids commands that begin with `touch`: use a patch" in (
                model.requests[-1].body
            )
            (shown,) = [i for i in completed(client).values() if i["type"] == "dynamicToolCall"]
            assert (shown["tool"], shown["status"]) == ("shell_command", "failed")
            assert "use a patch" in shown["contentItems"][0]["text"]
            # A bad file is said once, with its line, and what it forbade is still forbidden.
            (home.path / "rules" / "mine.rules").write_text("\nrules = []")
            await client.run_turn(thread, "go")
            await client.run_turn(thread, "go")
            assert not (home.work / "c").exists()
            said = [w.params["message"] for w in client.of("warning", threadId=thread)]
            (warning,) = [message for message in said if "rules for commands" in message]
            assert f"{home.path}/rules/mine.rules:2: expected a call of prefix_rule" in warning
            assert warning.endswith("; its rules from before stay in force.")


@trio_test
async def test_a_rule_that_cannot_be_written_is_said_and_its_command_runs_this_once(
    home: Home,
) -> None:
    async with scripted_model([runs("touch a"), Say(("ok",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await client.until_asked()
            (home.path / "rules").mkdir(mode=0o700)
            (home.path / "rules" / "default.rules").mkdir()
            amendment = {"execpolicy_amendment": ["touch", "a"]}
            await answer(client, 1, decision={"acceptWithExecpolicyAmendment": amendment})
            warning = await client.until_notified("warning")
            assert "was not written to" in warning.params["message"]
            assert "found a folder" in warning.params["message"]
            await client.turn_ended(turn)
            assert (home.work / "a").exists()


@trio_test
async def test_the_model_gets_a_persons_words_and_no_answer_makes_a_rule_of_its_own(
    daemon: Daemon,
) -> None:
    before = rules_of(daemon.home)  # other tests with this daemon may have added some
    async with scripted_model([runs("touch said"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as other:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            await other.call("thread/resume", threadId=thread)
            turn = await client.start_turn(thread, "go")
            odd: Json
            for odd in (
                {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["rm"]}}},
                {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": []}}},
                {"decision": "accept", "instead": "x"},
                {"decision": "decline", "instead": "x" * 5000},
            ):
                await answer(other, 1, **odd)
            await other.call("thread/loaded/list")  # all of those have been taken
            assert not client.of("serverRequest/resolved")
            words = "Use `install -d`,\nnot touch.\u202e"
            await answer(client, 1, decision="decline", instead=words)
            await other.until_notified("serverRequest/resolved")
            await client.turn_ended(turn)
            assert commands(other) == ["declined"]
            said = f"declined: a person refused this call, and says what to do instead:\n{words}"
            assert msgspec.json.encode(said)[1:-1] in model.requests[-1].body.replace(
                b"\\u202e", "\u202e".encode()
            )
            (decided,) = [
                record
                for record in await records(client, thread)
                if record["type"] == "approval.decided"
            ]
            assert decided["data"]["instead"] == words
            assert rules_of(daemon.home) == before


@trio_test
async def test_what_is_allowed_for_a_thread_is_seen_and_revoked_and_no_fork_has_it(
    home: Home,
) -> None:
    script: list[Part | Reply] = [
        *(runs("touch a"), Say(("ok",)), runs("touch a"), Say(("ok",))),
        *(runs("touch a"), Say(("ok",)), runs("touch a"), Say(("ok",))),
    ]
    async with scripted_model(script) as model:
        home.use_model(model.base_url, approval="untrusted")
        daemon = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await answer(client, 1, decision="acceptForSession")
            await client.turn_ended(turn)
        daemon.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            (grant,) = (await client.call("policy/list", threadId=thread))["grants"]
            assert (grant["kind"], grant["line"], grant["folder"]) == (
                *("command", "touch a", str(home.work)),
            )
            checked = await client.call("policy/check", threadId=thread, command="touch a")
            assert (checked["decision"], checked["reason"]) == (
                *("runs", "It was allowed for this thread."),
            )
            await client.run_turn(thread, "go")
            assert not client.asked
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            assert (await client.call("policy/list", threadId=fork))["grants"] == []
            turn = await client.start_turn(fork, "go")
            await answer(client, 1, decision="decline")
            await client.turn_ended(turn)
            with pytest.raises(Refused, match="found nothing"):
                await client.call("policy/revoke", threadId=thread, grants=["nothing"])
            left = await client.call("policy/revoke", threadId=thread, grants=[grant["id"]])
            assert left == {"grants": []}
            turn = await client.start_turn(thread, "go")
            await answer(client, 2, decision="decline")
            await client.turn_ended(turn)


@trio_test
async def test_a_check_says_what_would_happen_and_why_and_runs_nothing(daemon: Daemon) -> None:
    home = daemon.home
    home.use_model("http://127.0.0.1:9", approval="untrusted")
    codex = home.root / "codex"
    async with connected(home.socket) as client:

        async def checked(line: str, **more: object) -> Json:
            return await client.call("policy/check", command=line, cwd=str(home.work), **more)

        deleting = await checked("ls && find . -delete")
        assert deleting["decision"] == "asks"
        assert deleting["reason"] == "This command is not known to only read."
        assert [part["reason"] for part in deleting["parts"]] == [
            "is known to only read",
            "is not known to only read, because of `-delete`",
        ]
        unread = await checked("touch $(x)")
        assert unread["parts"] == []
        assert unread["reason"].endswith(
            "It cannot be read: `$` at character 7 may mean more than a word."
        )
        assert (await checked("cat x | head"))["decision"] == "runs"
        assert (await checked("ls", escalated=True))["decision"] == "asks"
        assert (await checked("make all"))["proposedRule"] == ["make", "all"]
        with pytest.raises(Refused, match="expected an absolute path"):
            await client.call("policy/check", command="ls", cwd="work")
    assert not codex.exists()
    assert not (home.work / "x").exists()


@trio_test
async def test_a_check_without_a_thread_is_for_a_new_thread_of_that_folder(daemon: Daemon) -> None:
    trusted, other = daemon.home.root / "trusted", daemon.home.root / "other"
    trusted.mkdir()
    other.mkdir()
    daemon.home.configure(f'[projects."{trusted}"]\ntrust_level = "trusted"\n')
    async with connected(daemon.home.socket) as client:
        for folder in (trusted, other):
            thread = await client.call("thread/start", cwd=str(folder))
            checked = await client.call("policy/check", command="make", cwd=str(folder))
            assert checked["sandbox"] == ("workspace-write" if folder == trusted else "read-only")
            assert checked["approvalPolicy"] == thread["approvalPolicy"]
