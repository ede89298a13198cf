"""Two hundred generated repositories, each opened with every command: nothing of theirs runs, and nothing hangs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from codexd_frontends.client.exits import EXITS
from codexd_frontends.subcommands import SUBCOMMANDS
from daemon_house import PATIENCE_SECONDS, Home
from generated_repositories import Made, make_repository

from .codexctl import playing

REPOSITORIES = 200
# Each with a daemon of its own, so that they run beside each other.
SHARES = 4
EACH = REPOSITORIES // SHARES
BIN = Path(sys.executable).parent
# What is known to only read runs without a question, or it waits for one.
READS = (
    "git status",
    "git log -1",
    "git diff",
    "git show",
    "git blame file",
    "git branch",
    "ls -la",
)
# Besides the first, which begins the thread: so many commands in each repository, by turns.
COMMANDS = 13
# In every such repository one of them is also run as a process of its own, which takes longer than all the others.
ALONE_IN_EACH = 4
# In so many repositories is each of them run, at least.
EACH_AT_LEAST = 60
# T is the thread that `send` has begun, F the fork of it.
WORDS = (
    ("send", "--approval-policy", "untrusted", "PROMPT"),
    ("send", "-t", "T", "-i", "odd.png", "say 1"),
    ("list",),
    ("search", "echo"),
    ("show", "T", "--instructions"),
    ("log", "T"),
    ("usage", "T", "--why"),
    ("approve", "T", "--no"),
    ("interrupt", "T"),
    ("ps",),
    ("kill", "T", "--all"),
    ("type", "1", "word"),
    ("fork", "T", "--json"),
    ("rename", "T", "a name"),
    ("queue", "list", "T"),
    ("pin", "T", "1"),
    ("unpin", "T", "1"),
    ("review", "--uncommitted"),
    ("policy", "check", "git log"),
    ("policy", "list", "T"),
    ("compact", "T", "--preview"),
    ("revert", "T"),
    ("export", "T", "-o", "thread.codexd.tar"),
    ("import", "."),
    ("import", "odd.codexd.tar", "rollout-1.jsonl", "rollout-2.jsonl.zst", "thread.codexd.tar"),
    ("archive", "T"),
    ("unarchive", "T"),
    ("scrub", "T", "word", "--dry-run"),
    ("fsck", "T"),
    ("config", "explain", "model"),
    ("doctor",),
    ("login", "--with-api-key"),
    ("whoami",),
    ("limits",),
    ("logout",),
    ("delete", "--yes", "F"),
    ("status",),
    ("start",),
    ("paths",),
    ("mcp", "list"),
    ("model", "list"),
    ("feedback",),
    ("on", "log.repaired", "--name", "n", "--", "true"),
    ("hooks", "list"),
)
RING = len(WORDS) - 1
PLAIN = [words for words in WORDS if not {"T", "F", "PROMPT"} & {*words}]
# These go on until somebody ends them, read stdin, end the daemon, or become another program: they are run by `test_a_hostile_folder_runs_nothing.py`.
ELSEWHERE = {"acp", "attach", "exec", "app-server", "restart", "sandbox", "service", "stop"}


class Commands:
    """The process that runs them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, folder: Path, *words: str) -> tuple[int, str]:
        """Run a command in a folder: its exit code, and what it printed. One that hangs is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), words]) + "\n")
        self._process.stdin.flush()
        hangs = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        hangs.start()
        try:
            answer = self._process.stdout.readline()
        finally:
            hangs.cancel()
            hangs.join()
        assert answer, f"{words} in {folder} did not end"
        code, printed = json.loads(answer)
        return code, printed


@contextmanager
def commands(home: Home) -> Iterator[Commands]:
    """A process that runs commands in one home."""
    with subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("commands_in_folders.py"))],
        env=home.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Commands(process)
        assert process.stdin is not None
        process.stdin.close()


def test_the_list_has_every_command() -> None:
    assert {words[0] for words in WORDS} | ELSEWHERE == {row.name for row in SUBCOMMANDS}


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to run their programs")
def test_the_traps_of_a_repository_do_run_where_git_is_run_as_it_is(home: Home) -> None:
    made = make_repository(home.work / "repository", 0, home.root / "ran")
    assert made.traps[0] == "git"
    for words in (["status"], ["log", "-1"], ["diff"]):
        command = ["git", *words]
        subprocess.run(command, cwd=made.where, env=home.env, capture_output=True, check=False)
        assert ran(home.root / "ran"), words
        (home.root / "ran").unlink()


@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_of_theirs_runs_and_nothing_hangs(home: Home, share: int) -> None:
    mark = home.root / "ran"
    traps: Counter[str] = Counter()
    ended: Counter[int] = Counter()
    began: Counter[str] = Counter()
    with playing() as model, commands(home) as running:
        home.use_model(model.base_url)
        daemon = home.start()
        for seed in range(share * EACH, (share + 1) * EACH):
            made = make_repository(home.work / f"repository {seed}", seed, mark)
            traps.update(made.traps)
            turn = [WORDS[0], *(WORDS[1:][(seed * COMMANDS + n) % RING] for n in range(COMMANDS))]
            turn.sort(key=WORDS.index)
            ended.update(run_commands(running, made, mark, turn))
            began.update(words[0] for words in turn)
            if seed % ALONE_IN_EACH == 0:
                run_alone(home, made, PLAIN[seed // ALONE_IN_EACH % len(PLAIN)])
            assert ran(mark) == [], f"in {made.where}, made of {made.traps}"
        assert daemon.stop() == 0
    assert not daemon.said("Traceback"), "".join(daemon.log[-60:])
    assert len(traps) == 12
    assert began.keys() == {words[0] for words in WORDS}
    assert min(began.values()) >= EACH_AT_LEAST // SHARES
    print(f"{EACH} repositories; exit codes {dict(ended)}; commands {dict(began)}; {dict(traps)}")


def run_commands(
    running: Commands, made: Made, mark: Path, turn: Sequence[tuple[str, ...]]
) -> list[int]:
    """Run some of them in one folder; their exit codes."""
    thread = fork = ""
    codes = []
    # Git waits for ever at a pipe of its own, so it is run where it reads what is there.
    reads = READS if "git" in made.traps else READS[-1:]
    prompt = "\n".join(f"run {program}" for program in reads)
    for words in turn:
        meant = {"T": thread, "F": fork or thread, "PROMPT": prompt}
        code, printed = running.run(made.where, *(meant.get(word, word) for word in words))
        assert code in {exit_.number for exit_ in EXITS}, f"{words} in {made.where}:\n{printed}"
        assert "internal error" not in printed.lower(), f"{words} in {made.where}:\n{printed}"
        assert ran(mark) == [], f"{words} in {made.where} ran {ran(mark)}"
        if words[0] == "send" and not thread:
            thread = printed.partition("thread ")[2].split()[0]
        if words[0] == "fork" and code == 0:
            fork = json.loads(printed)["thread"]["id"]
        codes.append(code)
    return codes


def run_alone(home: Home, made: Made, words: tuple[str, ...]) -> None:
    """One command as a process of its own, started where it works."""
    done = subprocess.run(
        [str(BIN / "codexctl"), *words],
        cwd=made.where,
        env=home.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()


def ran(mark: Path) -> list[str]:
    """What has run."""
    return mark.read_text().splitlines() if mark.exists() else []
