"""What must hold of a home after any death: each broken promise is one sentence.

`Ledger` is what the clients were told. `broken_promises` starts the daemon again, attaches to nothing until
everything that was accepted has run by itself, and compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home, wait_gone
from daemon_screen import items_of, texts_of

# Longer than a start and the rest of any script here take on a busy machine.
SETTLE_SECONDS_MAX = 30.0
# How long what a daemon says by itself is waited for.
LOOK_AGAIN_SECONDS = 1.0
# How long a process that was told to end may take on a busy machine.
ENDING_SECONDS_MAX = 2.0
# A command that outlives its daemon unless somebody ends it.
LONG_COMMAND = "sleep 1000"


class Ledger(msgspec.Struct):
    """What was acknowledged to the clients of one home, over all daemons."""

    threads: set[str] = msgspec.field(default_factory=set)
    turns: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)  # id: thread, prompt
    stopped: set[str] = msgspec.field(default_factory=set)  # turns that a client ended or withdrew
    running: dict[str, int] = msgspec.field(default_factory=dict)  # turn: its command's process
    names: dict[str, set[str | None]] = msgspec.field(
        default_factory=dict
    )  # the names that may stand
    archived: dict[str, bool | None] = msgspec.field(default_factory=dict)  # None: was being asked
    logs: dict[str, bytes] = msgspec.field(default_factory=dict)  # as the last daemon left them
    seqs: dict[str, int] = msgspec.field(default_factory=dict)  # the last number heard
    followed: list[tuple[str, Client]] = msgspec.field(default_factory=list)

    def hear(self, client: Client) -> None:
        """Take in the numbers that a client was told."""
        for note in client.notified:
            thread = note.params.get("threadId")
            if thread is not None and note.seq is not None:
                self.seqs[thread] = max(self.seqs.get(thread, 0), note.seq)


async def broken_promises(home: Home, ledger: Ledger) -> list[str]:
    """Everything that does not hold after the daemon has died, and is alive again."""
    broken = _logs_are_kept(home, ledger)
    daemon = await trio.to_thread.run_sync(home.start)
    async with connected(home.socket) as client:
        broken += await accepted_work_runs(client, ledger)
        while not broken and await _answer_questions(client):
            broken += await accepted_work_runs(client, ledger)
        for turn, pid in ledger.running.items():
            broken += await _its_command_runs_on(client, ledger, turn, pid)
        for turn in list(ledger.running)[:-1]:  # The last one is left for the stop.
            await _interrupted(client, ledger, turn)
        broken += await _lists_are_complete(client, ledger)
        for thread in ledger.threads:
            broken += await _thread_is_true(client, ledger, thread)
    broken += _nothing_ran_twice(home) + await _nothing_runs_on(home, ledger, daemon)
    broken += await _check_finds_nothing(home)
    broken += await _stops(home, daemon)
    ledger.stopped |= ledger.running.keys()
    ledger.running.clear()
    broken += _logs_are_kept(home, ledger)
    # Only now: the whole lines of an append that was cut are no promise, and were cut off.
    ledger.logs = {path.name.removesuffix(".jsonl"): path.read_bytes() for path in home.logs()}
    return broken + [f"the daemon reports: {line.strip()}" for line in daemon.log if _is_bad(line)]


def _logs_are_kept(home: Home, ledger: Ledger) -> list[str]:
    """Logs only grow, their numbers have no gap, and hold what was acknowledged."""
    broken = []
    wholes: dict[str, bytes] = {}
    found = {path.name.removesuffix(".jsonl"): path for path in home.logs()}
    for thread in ledger.threads | set(ledger.seqs):
        if thread not in found:
            broken.append(f"the log of thread {thread} is gone")
            continue
        content = found[thread].read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        wholes[thread] = whole
        if not whole.startswith(ledger.logs.get(thread, b"")):
            broken.append(f"thread {thread}: what stood in its log has changed")
        numbers = [json.loads(line)["seq"] for line in whole.splitlines()]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            broken.append(f"thread {thread}: its numbers have a gap")
        if numbers[-1] < ledger.seqs.get(thread, 0):
            broken.append(
                f"thread {thread}: seq {ledger.seqs[thread]} was told, {numbers[-1]} is kept"
            )
    for turn, (thread, _) in ledger.turns.items():
        if turn.encode() not in wholes.get(thread, b""):
            broken.append(f"the acknowledged turn {turn} of thread {thread} is gone")
    return broken


async def accepted_work_runs(client: Client, ledger: Ledger) -> list[str]:
    """Every accepted prompt comes to an end without anybody attaching, or waits for an answer.

    But for those whose command was still running: they go on.
    """
    with trio.move_on_after(SETTLE_SECONDS_MAX):
        while True:
            heard = len(client.notified)
            waiting = await _unfinished(client, ledger)
            if not waiting:
                return []
            # A thread that is taken up where it waits for an answer says nothing new.
            with trio.move_on_after(LOOK_AGAIN_SECONDS):
                await client.until(lambda heard=heard: len(client.notified) > heard, "news")  # type: ignore[misc]
    return [
        f"turn {turn} was accepted and never ends by itself"
        for turn in await _unfinished(client, ledger)
    ]


async def _its_command_runs_on(client: Client, ledger: Ledger, turn: str, pid: int) -> list[str]:
    """The command of a turn is the process that it was."""
    thread, _ = ledger.turns[turn]
    found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
    broken = []
    if {each["id"]: each["status"] for each in found["turns"]}[turn] != "inProgress":
        broken.append(f"turn {turn} has ended, though its command had not")
    if LONG_COMMAND.encode() not in b" ".join(_words_of(pid)):
        broken.append(f"the command of turn {turn}, process {pid}, does not run any more")
    return broken


async def _interrupted(client: Client, ledger: Ledger, turn: str) -> None:
    """Interrupt a turn, whose command ends with it."""
    thread, _ = ledger.turns[turn]
    ledger.stopped.add(turn)
    del ledger.running[turn]
    await client.call("thread/resume", threadId=thread, excludeTurns=True)
    await client.call("turn/interrupt", threadId=thread, turnId=turn)
    await client.turn_ended(turn)


async def _unfinished(client: Client, ledger: Ledger) -> list[str]:
    """The accepted turns that have not ended and do not wait for a person."""
    unfinished = []
    for thread in sorted({thread for thread, _ in ledger.turns.values()}):
        found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
        if "waitingOnApproval" in found["status"].get("activeFlags", ()):
            continue
        states = {turn["id"]: turn["status"] for turn in found["turns"]}
        for turn, (its_thread, _) in ledger.turns.items():
            ours = its_thread == thread and turn not in ledger.stopped | ledger.running.keys()
            if ours and states.get(turn, "inProgress") == "inProgress":
                unfinished.append(turn)
    return unfinished


async def _answer_questions(client: Client) -> bool:
    """Attach to each thread that waits for an answer, find its question there, and allow it."""
    rows = await _rows(client, archived=False)
    waiting = [row for row in rows if "waitingOnApproval" in row["status"].get("activeFlags", ())]
    for row in waiting:
        await client.call("thread/resume", threadId=row["id"], excludeTurns=True)
        await client.until(lambda: bool(client.asked), f"the question of thread {row['id']}")
        question = client.asked.pop()
        await client.decide(question, "accept")
        await client.until_notified("serverRequest/resolved", requestId=question.id)
    return bool(waiting)


async def _lists_are_complete(client: Client, ledger: Ledger) -> list[str]:
    broken = []
    rows = {row["id"]: row for row in await _rows(client, archived=False)}
    aside = {row["id"]: row for row in await _rows(client, archived=True)}
    spoken_in = {thread for thread, _ in ledger.turns.values()}
    for thread in ledger.threads:
        archived = ledger.archived.get(thread, False)
        is_listed = thread in (aside if archived else rows)
        if thread in spoken_in and not is_listed and archived is not None:
            broken.append(f"thread {thread} is in no list (archived: {archived})")
        row = rows.get(thread) or aside.get(thread)
        names = ledger.names.get(thread)
        if row is not None and names is not None and row["name"] not in names:
            broken.append(f"thread {thread} is called {row['name']!r}, expected one of {names}")
    return broken


async def _rows(client: Client, *, archived: bool) -> list[Json]:
    rows: list[Json] = []
    cursor = None
    while True:
        answer = await client.call("thread/list", archived=archived, cursor=cursor)
        rows += answer["data"]
        cursor = answer["nextCursor"]
        if cursor is None:
            return rows


async def _thread_is_true(client: Client, ledger: Ledger, thread: str) -> list[str]:
    """What a thread reads as equals what was asked of it and what its followers have seen."""
    found = (await client.call("thread/read", threadId=thread, includeTurns=True))["thread"]
    broken = []
    prompts = Counter(text for text in texts_of(found) if text.startswith("> "))
    for turn, (its_thread, prompt) in ledger.turns.items():
        if its_thread == thread and turn not in ledger.stopped and prompts[f"> {prompt}"] != 1:
            broken.append(f"prompt {prompt!r} stands {prompts[f'> {prompt}']} times in {thread}")
    kept = {item["id"]: item for item in items_of(found)}
    for followed, follower in ledger.followed:
        if followed == thread:
            broken += _shown_is_kept(follower, thread, kept)
    return broken


def _shown_is_kept(follower: Client, thread: str, kept: dict[str, Json]) -> list[str]:
    """What a screen has shown of an answer is the beginning of what the thread has; no item ends twice."""
    broken = []
    shown: dict[str, str] = {}
    for note in follower.of("item/agentMessage/delta", threadId=thread):
        item = note.params["itemId"]
        shown[item] = shown.get(item, "") + note.params["delta"]
    for item, text in shown.items():
        if item not in kept or not str(kept[item]["text"]).startswith(text):
            broken.append(f"item {item} was shown as {text!r}, kept is {kept.get(item)}")
    completed = follower.of("item/completed", threadId=thread)
    ended = Counter(note.params["item"]["id"] for note in completed)
    broken += [f"item {item} was completed {n} times" for item, n in ended.items() if n > 1]
    broken += [f"item {item} was completed and is not kept" for item in ended if item not in kept]
    return broken


def _nothing_ran_twice(home: Home) -> list[str]:
    path = home.work / "ran"
    ran = Counter(path.read_text().splitlines() if path.exists() else ())
    return [
        f"the command of {token!r} ran {times} times" for token, times in ran.items() if times > 1
    ]


async def _nothing_runs_on(home: Home, ledger: Ledger, daemon: Daemon) -> list[str]:
    """No command is left but those of turns that run: all others were interrupted or have ended."""
    broken = []
    expected = {daemon.pid, *ledger.running.values()}
    for pid in home.processes():
        words = _words_of(pid)
        if expected & {pid, *_ancestors(pid)}:
            continue
        # What a command has put into the background is ended with it, a moment after it was reported.
        with trio.move_on_after(ENDING_SECONDS_MAX) as ending:
            await wait_gone(pid)
        if ending.cancelled_caught:
            broken.append(f"process {pid} runs on: {b' '.join(words)!r}")
    return broken


def _words_of(pid: int) -> list[bytes]:
    """What a process was started as; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _ancestors(pid: int) -> Iterator[int]:
    """The parents of a process, the nearest first."""
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return
        pid = int(stat.rpartition(")")[2].split()[1])
        yield pid


async def _stops(home: Home, daemon: Daemon) -> list[str]:
    """`codexctl stop` ends the daemon, and all that runs."""
    stopped = await _codexctl(home, "stop")
    try:
        code = await daemon.ended()
    except trio.TooSlowError:
        return ["the daemon does not stop"]
    broken = [] if code == 0 else [f"the daemon ended with code {code}"]
    broken += [f"stop ends with code {stopped.returncode}"] if stopped.returncode else []
    left = [b" ".join(_words_of(pid)) for pid in home.processes()]
    return broken + [f"after the stop runs on: {words!r}" for words in left if words]


async def _check_finds_nothing(home: Home) -> list[str]:
    """`codexctl fsck` of the living daemon has nothing to say."""
    checked = await _codexctl(home, "fsck")
    if checked.returncode == 0:
        return []
    said = (checked.stdout + checked.stderr).decode(errors="replace")
    return [f"fsck ends with code {checked.returncode}: {said}"]


async def _codexctl(home: Home, command: str) -> subprocess.CompletedProcess[bytes]:
    return await trio.run_process(
        [sys.executable, "-I", "-m", "codexd_frontends.ctl", command],
        env=home.env,
        cwd=home.work,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )


def _is_bad(line: str) -> bool:
    return "Traceback" in line or " ERROR " in line or " CRITICAL " in line
