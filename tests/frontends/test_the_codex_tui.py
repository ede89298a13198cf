"""Codex's own terminal interface, both versions, unchanged: plain `codex`, which finds the daemon by itself."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Say
from installed_codex import NEWEST_PROGRAM, PROGRAM, needs_both_programs
from paused_model import Held
from tmux import Screen

from .codex_terminal import READY, CodexHouse, ask, codex_house, interrupt, leave, submit
from .codexctl import holding

pytestmark = [pytest.mark.slow, needs_both_programs]

PATCH = "*** Begin Patch\n*** Add File: patched.txt\n+hello\n*** End Patch"
ASKED = "Would you like"
# The answer that stands still, below the prompt that asked for it.
WAITING_AFTER = {n: re.compile(rf"hang {n}\s+• waiting") for n in ("600", "601", "602")}


@pytest.fixture
def house() -> Iterator[CodexHouse]:
    with codex_house() as house:
        yield house


@pytest.fixture(params=[PROGRAM, NEWEST_PROGRAM], ids=["0.169", "0.171"])
def codex(request: pytest.FixtureRequest) -> Path:
    program: Path = request.param
    return program


def opened(house: CodexHouse, codex: Path, *words: str) -> Screen:
    screen = house.open(codex, *words)
    screen.wait_for(READY)
    return screen


def test_prompts_commands_questions_patches_and_steers(house: CodexHouse, codex: Path) -> None:
    work, screen = house.home.work, opened(house, codex)
    submit(screen, "/compact")
    screen.wait_for("ontext compacted")  # of a thread in which nobody has said anything
    submit(screen, "say 3 8")
    screen.wait_for("abcdefg abcdefg abcdefg")
    submit(screen, "!echo by''hand")
    screen.wait_for("└ byhand")

    submit(screen, "run touch allowed.txt")
    screen.wait_for(ASKED, "touch allowed.txt")
    screen.type("y")
    screen.wait_for("You approved", "The length of the last output")
    assert (work / "allowed.txt").exists()
    submit(screen, "run touch refused.txt")
    screen.wait_for(ASKED, "touch refused.txt")
    interrupt(screen)
    assert not (work / "refused.txt").exists()
    submit(screen, f"call apply_patch {json.dumps({'input': PATCH})}")
    screen.wait_for(ASKED, "patched.txt", "+hello")
    screen.type("y")
    screen.wait_until(lambda _: (work / "patched.txt").exists(), "patched.txt")
    screen.wait_gone("esc to interrupt")

    submit(screen, "hang 600")
    screen.wait_for(WAITING_AFTER["600"])
    interrupt(screen)
    submit(screen, "hang 601")
    screen.wait_for(WAITING_AFTER["601"])
    submit(screen, "say 4 6")  # It steers the turn that runs.
    screen.wait_for("abcde abcde abcde abcde")
    submit(screen, "hang 602")
    screen.wait_for(WAITING_AFTER["602"])
    screen.write("say 5 7")
    screen.wait_for("say 5 7")
    screen.type("Tab")
    screen.wait_for("↳ say 5 7")
    interrupt(screen)
    screen.wait_for("say 5 7")  # back in the composer, or run


def test_pages_and_commands_of_the_composer(house: CodexHouse, codex: Path) -> None:
    screen = opened(house, codex)
    submit(screen, "say 3 8")
    screen.wait_for("abcdefg abcdefg abcdefg")
    for command, seen in (
        ("/status", "Session:"),
        ("/mcp", "MCP Tools"),
        ("/rename Of a day", "· Of a day"),
    ):
        ask(screen, command, seen)
    for command, seen in (
        ("/model", "Select Model and Effort"),
        ("/permissions", "Update Model Permissions"),
        ("/hooks", "Lifecycle"),
        ("/review", "uncommitted changes"),
    ):
        ask(screen, command, seen)
        leave(screen, seen)


def test_goals_plan_mode_and_side_questions(house: CodexHouse, codex: Path) -> None:
    screen = opened(house, codex)
    submit(screen, "say 3 8")
    screen.wait_for("abcdefg abcdefg abcdefg")
    submit(screen, "/goal Make it so")
    screen.wait_for("Pursuing goal", "Ran uname -sr")  # a turn that nobody has asked for
    screen.press_until("Escape", "Goal paused (/goal resume)")
    submit(screen, "/goal clear")
    screen.wait_for("Goal cleared")
    submit(screen, "/plan")
    screen.wait_for("Plan mode (")
    submit(screen, "run touch planned.txt")
    screen.wait_for(ASKED)  # Only outside of the sandbox, which writes nothing.
    interrupt(screen)
    assert not (house.home.work / "planned.txt").exists()
    submit(screen, "/side say 2 5")
    screen.wait_for("abcd abcd", "Ask a follow-up question")


def test_a_difference_and_a_review(house: CodexHouse, codex: Path) -> None:
    work = house.home.work
    subprocess.run(["git", "init", "-q"], cwd=work, check=True, env=house.env)
    (work / "changed.txt").write_text("changed\n")
    screen = opened(house, codex)
    submit(screen, "/diff")
    screen.wait_for("+changed")
    screen.type("q")
    screen.wait_for(READY)
    submit(screen, "say 3 8")
    screen.wait_for("abcdefg abcdefg abcdefg")
    submit(screen, "/review say 2 5")
    screen.wait_for("ode review finished")
    screen.press_until("Escape", "esc again")


def test_the_page_about_trust_is_answered_once(house: CodexHouse, codex: Path) -> None:
    untrusted = house.home.root / "other"
    untrusted.mkdir()
    remote = (*house.remote, "-C", str(untrusted))
    screen = house.open(codex, *remote)
    screen.wait_for("Trust and continue")
    screen.press_until("Enter", READY)
    assert f'[projects."{untrusted}"]' in (house.home.path / "config.toml").read_text()
    again = house.open(codex, *remote)
    again.wait_for(READY)


def test_threads_are_found_again(house: CodexHouse, codex: Path) -> None:
    screen = opened(house, codex)
    submit(screen, "say 3 8")
    screen.wait_for("abcdefg abcdefg abcdefg")
    submit(screen, "/rename First of all")
    screen.wait_for("· First of all")
    submit(screen, "/new")
    screen.wait_gone("abcdefg abcdefg")
    ask(screen, "/resume", "First of all")
    leave(screen, "First of all")
    last = opened(house, codex, "resume", "--last")
    last.wait_for("abcdefg abcdefg abcdefg")
    submit(last, "/fork")
    last.wait_for("forked")
    # By a name only so: without the flag Codex looks names up in a file of its own.
    named = opened(house, codex, "resume", *house.remote, "First of all")
    named.wait_for("abcdefg abcdefg abcdefg")


def test_two_terminals_and_codexctl_show_one_thread_through_a_crash_in_mid_answer() -> None:
    words = tuple(f"word{n} " for n in range(20))
    replies = (Say(("The first answer.",)), Held(Say(words), after=9), Say(("The last answer.",)))
    with holding(*replies) as model, codex_house(model.base_url) as house:
        thread = house.named_thread("Of three")
        first = opened(house, PROGRAM, "resume", thread)
        second = opened(house, NEWEST_PROGRAM, "resume", thread)
        third = house.attach(thread)
        screens = (first, second, third)
        third.wait_for("›")
        submit(first, "begin")
        for screen in screens:
            screen.wait_for("The first answer.")
        submit(second, "go on")
        for screen in screens:
            screen.wait_for("go on", "word0 word1")
        house.daemon.kill()
        house.start()
        for screen in screens:
            screen.wait_for("The last answer.")
        for screen in screens:
            shown = screen.text(history=True)
            assert [shown.count(text) for text in ("begin", "The first answer.", "go on")] == [
                1
            ] * 3
            assert [shown.count(word) for word in words[:8]] == [1] * 8
            assert shown.count("The last answer.") == 1


def test_its_commands_for_a_shell(house: CodexHouse, codex: Path) -> None:
    thread = house.named_thread("Of a shell")
    queued = house.run(
        codex, "queue", *house.remote, "--thread", thread, "--message", "say 3 8", "--resume"
    )
    assert queued.returncode == 0, queued
    answered = house.open(codex, "resume", thread)
    answered.wait_for("› say 3 8", "abcdefg abcdefg abcdefg")
    for command in ("archive", "unarchive", "archive"):
        done = house.run(codex, command, *house.remote, "Of a shell")
        assert done.returncode == 0, done
    assert house.threads() == []
    assert house.threads(archived=True) == [thread]
    done = house.run(codex, "delete", *house.remote, "--force", thread)
    assert done.returncode == 0, done
    assert house.threads(archived=True) == []


def test_the_newest_runs_a_prompt_and_goes_on_with_it(house: CodexHouse) -> None:
    begun = house.run(NEWEST_PROGRAM, "exec", *house.remote, "--json", "say 3 8")
    assert begun.returncode == 0, begun
    events = [json.loads(line) for line in begun.stdout.splitlines()]
    types = [event["type"] for event in events]
    assert (types[0], types[-1]) == ("thread.started", "turn.completed"), events
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [item["text"].split() for item in items if item["type"] == "agent_message"] == [
        ["abcdefg"] * 3
    ]
    thread = events[0]["thread_id"]
    more = house.run(NEWEST_PROGRAM, "exec", *house.remote, "resume", thread, "say 2 5")
    assert more.returncode == 0, more
    assert more.stdout.split() == ["abcd"] * 2


def test_an_empty_thread_and_a_titles_thread_are_in_no_list(house: CodexHouse, codex: Path) -> None:
    left = opened(house, codex)
    left.press_until("C-c", "ended 0")
    assert house.threads() == []
    screen = opened(house, codex)
    submit(screen, "say 3 8")
    screen.wait_for("abcdefg abcdefg abcdefg", "Worked for")
    assert len(house.threads()) == 1
    house.daemon.kill()
    house.start()
    assert len(house.threads()) == 1
