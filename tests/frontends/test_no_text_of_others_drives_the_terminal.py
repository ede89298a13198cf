"""No text in any member of a daemon's message drives a screen or forges a line in any command of codexctl.

The daemon answers every method with values made from the structs of its messages, with an evil text in every
string of them. What is written may hold the text, but none of its invisible characters, and no line of
it begins like a line of ours.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import codexd_frontends
from codexd.protocol import account
from codexd.protocol.mcp import LOGIN_COMPLETED
from codexd.protocol.methods import METHODS
from codexd.protocol.notifications import NOTIFICATIONS
from codexd.protocol.requests import (
    COMMAND_APPROVAL,
    FILE_CHANGE_APPROVAL,
    PERMISSIONS_APPROVAL,
    CommandApprovalParams,
    PermissionsApprovalParams,
)
from codexd.protocol.transfer import ThreadImportProgressNotification
from codexd_frontends.client import messages
from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.ctl import main
from codexd_frontends.subcommands import SUBCOMMANDS

from . import said
from .fake_daemon import FakeDaemon, Json
from .poisoned import EVIL, FORGED, UNSEEN, VARIANTS, Example, Leaf, Poison, evil_records
from .terminal import Terminal

Captured = pytest.CaptureFixture[str]
Word = tuple[str, Leaf]  # of an enumeration: in which answer, and where there

# Ids are evil too, and the same wherever they stand, as those of an evil daemon would be.
_IDS = Poison(first=1_000_000)
THREAD = _IDS.of("thread id", said.THREAD)
TURN = _IDS.of("turn id", said.TURN)
IDS = {"threadId": THREAD, "turnId": TURN, "itemId": "c1"}

THE_END = "the end of all that is said"
PREFIX = said.THREAD[:12]
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "send": (("hello",), ("--oss", "hello"), ("--last", "hello"), ("--thread", PREFIX, "hello")),
    "exec": (("hello",),),
    "attach": ((PREFIX, "--no-input"),),
    "list": ((), ("--archived",)),
    "search": (("word",),),
    "show": (
        (PREFIX,),
        (PREFIX, "--at", "1"),
        (PREFIX, "--instructions"),
        (PREFIX, "--reasoning", "raw"),
    ),
    "log": ((PREFIX,),),
    "usage": ((), (PREFIX,), (PREFIX, "--why")),
    "fork": ((PREFIX,), (PREFIX, "--at", said.TURN[:8])),
    "archive": ((PREFIX,),),
    "unarchive": ((PREFIX,),),
    "export": ((PREFIX, "-o", "out.tar"), (PREFIX,)),
    "import": (("in.tar",), ("in.tar", "--dry-run")),
    "scrub": ((PREFIX, "word"), (PREFIX, "word", "--dry-run")),
    "delete": ((PREFIX, "--yes"), (PREFIX,)),
    "fsck": ((), ("--sweep", "--salvage"), (PREFIX,)),
    "revert": (("--to", "0"), ("--undo",), (PREFIX, "--to", said.TURN[:8])),
    "compact": ((), ("--preview",), (PREFIX, "--undo")),
    "queue": (
        ("list", PREFIX),
        ("add", PREFIX, "word"),
        ("remove", PREFIX, "1"),
        ("move", PREFIX, "1", "2"),
    ),
    "pin": ((PREFIX,), (PREFIX, "3")),
    "unpin": ((PREFIX, "3"),),
    "review": ((), ("-t", PREFIX)),
    "rename": ((PREFIX, "name\x1b[31m\nFORGED<0>"),),
    "interrupt": ((PREFIX,),),
    "ps": ((), (PREFIX,)),
    "kill": (("--all",), (PREFIX, "--all"), ("7",)),
    "type": (("7", "word"),),
    "policy": (("check", "ls"), ("list", PREFIX), ("revoke", PREFIX, "--all")),
    "approve": ((PREFIX,), (PREFIX, "--decline")),
    "mcp": (
        ("list",),
        ("get", "n"),
        ("add", "n", "--", "c"),
        ("remove", "n"),
        ("login", "n", "--no-browser"),
        ("logout", "n"),
    ),
    "config": (
        ("get",),
        ("explain", "model"),
        ("set", "model", "m"),
        ("unset", "model"),
    ),
    "doctor": ((),),
    "login": (("--no-browser",), ("--device-auth",)),
    "logout": ((),),
    "whoami": ((),),
    "limits": ((),),
    "model": (("list",), ("set", "m"), ("set", "m", "--effort", "high")),
    "feedback": ((), ("--save", "report.zip"), ("--send", "--yes")),
    "on": (("done", "--desktop"),),
    "hooks": (("list",), ("receipts",), ("dead", "n"), ("retry", "n"), ("remove", "n")),
    "status": ((),),
    "start": ((),),
    "stop": (("--now",),),
    "paths": ((),),
    "restart": ((),),
}
NOT_DRAWN = {
    "app-server": "copies bytes between a program and the daemon",
    "acp": "speaks JSON with an editor",
    "sandbox": "becomes the person's command",
    "service": "asks the service manager, and shows a log whose characters are visible already",
}
CASES = [(name, *words) for name, cases in COMMANDS.items() for words in cases]

# What a model or a person wrote to be read has lines of its own: it is what was asked for, and no word about it.
# Structs that are read from no daemon.
OF_OUR_OWN = (
    *("Verdict", "Cursor", "ModelInstructions", "Style"),
    *("ConfigOverrides", "WorkspaceWriteOverrides", "FeatureOverrides"),
    *("ToolSwitch", "ToolsOverrides"),
    *("_Asked", "Question"),  # what a session keeps of its own requests, and of answers of a person
)
MAY_BE_REFUSED = (
    "config/read",
    "thread/clients",
    "thread/usage/read",
    "turn/interrupt",
)  # and then it is done without
PROSE = (
    "AgentMessage.text",
    "ExitedReviewMode.review",
    "AgentMessageDeltaNotification.delta",
    "record.instructions",
    "record.text",
)
OWN_COLOURS = re.compile("\x1b\\[(?:0|1|2|31|32|33|36)m")
FOREIGN_COLOUR = re.compile(f"(?<!{FORGED})<\\d+>\x1b")
FORGED_LINE = re.compile(rf"^{FORGED}<(\d+)>", re.MULTILINE)


class EvilDaemon:
    """Answers every method, and says everything there is to say while a turn runs."""

    def __init__(self, fake: FakeDaemon, variant: int, pid: int) -> None:
        self.fake, self.variant, self.pid = fake, variant, pid
        self.poison = Poison()
        self.evil_words: Sequence[Word] = ()  # words of enumerations that are evil, too
        self.words: dict[Word, None] = {}  # all that there were
        self.asked: list[str] = []
        self.fields: set[str] = set()
        for method in METHODS:
            if method != "initialize":
                fake.answer_by(method, self._answer)
        variables = {"keyVariables": [self.poison.of("InitializeOwn.keyVariables", "KEY")]}
        greeting = {"userAgent": "codexd/0.1.0", "codexHome": "/h", "codexd": variables}
        fake.answer("initialize", greeting)

    def example(self, method: str) -> Example:
        return Example(METHODS[method].response, self.variant, IDS | {"id": THREAD})

    def _answer(self, request: Json) -> list[Json]:
        method = request["method"]
        self.asked.append(method)
        if (
            method == "server/restart"
        ):  # One of an earlier version, which is ended and started again.
            return [{"id": request["id"], "error": {"code": -32601, "message": "unknown"}}]
        example = self.example(method)
        result = self._evil(method, example)
        if method == "thread/log/read":
            result = {"records": evil_records(self.poison), "nextAfter": None}
        if method == "server/status":
            result["pid"] = result["keeper"] = self.pid
        if method == "config/read":
            result["config"] |= self._settings()
        if method == "feedback/save":
            self._save(request["params"]["savePath"])
        if method in ("thread/list", "thread/search"):
            result["indexing"] = {"done": 1, "total": 2}
        result = _ended(result)
        answers: list[Json] = [{"id": request["id"], "result": result}]
        if method in ("turn/start", "review/start", "thread/compact/start"):
            result["turn"] = said.turn("inProgress", turn_id=TURN)
            result["turnId"] = TURN
            answers += self._said()
        if method == "thread/resume":
            status = {"type": "active", "activeFlags": ["waitingOnApproval"]}
            result["thread"]["status"] = status
            answers += [*self._asks(), *self._said()]
        if method == "mcpServer/oauth/login":
            result["loginId"] = "l"
            params = self._evil("login", Example(NOTIFICATIONS[LOGIN_COMPLETED], self.variant))
            answers.append({"method": LOGIN_COMPLETED, "params": {**params, "loginId": "l"}})
        if method == "account/login/start":
            result["loginId"] = "l"
            told = self._evil(
                "account", Example(NOTIFICATIONS[account.LOGIN_COMPLETED], self.variant)
            )
            ends = {**told, "loginId": "l"}
            answers.append({"method": account.LOGIN_COMPLETED, "params": ends})
        if method == "thread/import":
            params = self._evil("progress", Example(ThreadImportProgressNotification))
            answers.insert(0, {"method": "thread/import/progress", "params": params})
        return answers

    def _settings(self) -> Json:
        """Those of config.toml that commands show."""
        keys = ("model", "model_provider", "model_reasoning_effort")
        endpoint = {"endpoint": self.poison.of("Config.endpoint", "https://e")}
        return {key: self.poison.of(f"Config.{key}", key) for key in keys} | {"feedback": endpoint}

    def _save(self, path: str) -> None:
        """A report as an evil daemon would write it."""
        tags = {self.poison.of("tags.name", "name"): self.poison.of("tags.value", "value")}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("tags.json", msgspec.json.encode(tags))
            archive.writestr(self.poison.of("report.file", "file"), "text")

    def _evil(self, key: str, example: Example) -> Json:
        free = [leaf for leaf in example.leaves if not leaf.is_word and leaf.path[-1] not in IDS]
        free = [leaf for leaf in free if not (leaf.path[-1] == "id" and len(leaf.path) < 4)]
        free += [leaf for its_key, leaf in self.evil_words if its_key == key]
        self.fields |= {leaf.field for leaf in free}
        self.words |= {(key, leaf): None for leaf in example.leaves if leaf.is_word}
        made: Json = example.poisoned(self.poison, free)
        return made

    def _said(self) -> Iterator[Json]:
        for method, kind in NOTIFICATIONS.items():
            if method in ("turn/completed", "thread/closed", "thread/archived", "thread/deleted"):
                continue
            example = Example(kind, self.variant, IDS)
            params = self._evil(method, example)
            if method == "turn/started":
                params["turn"]["id"] = TURN
            if method.startswith("item/") and "item" in params:
                yield from self._items(method, params)
            else:
                yield {"method": method, "params": params}
        if self.variant == 1:
            yield from self._asks()
        if self.variant == 2:
            yield {"method": "thread/closed", "params": {"threadId": THREAD}}
        turn = self._evil("turn", Example(NOTIFICATIONS["turn/completed"], self.variant, IDS))
        turn["turn"] |= {"id": TURN, "items": []}
        yield {"method": "turn/completed", "params": turn}
        last = {"threadId": THREAD, "turn": said.turn(turn_id=TURN)}
        yield {"method": "turn/completed", "params": last}
        yield {
            "method": "thread/name/updated",
            "params": {"threadId": THREAD, "threadName": THE_END},
        }
        for ended in ("thread/archived", "thread/deleted"):
            yield {"method": ended, "params": {"threadId": THREAD}}

    def _items(self, method: str, params: Json) -> Iterator[Json]:
        """An item of each kind, those that only frontends know among them."""
        items: Any = self._evil("items", Example(tuple[messages.Item, ...], self.variant))
        kinds = ("plan", "fileChange", "mcpToolCall", "webSearch", "imageView", "other")
        known = self._evil("turns", Example(METHODS["thread/turns/list"].response, self.variant))
        every = [*known["data"][0]["items"], *({**items[0], "type": kind} for kind in kinds)]
        for number, item in enumerate(every):
            item["id"] = f"{method}-{number}"
            yield {"method": method, "params": {**params, "item": item}}

    def _asks(self) -> Iterator[Json]:
        """A question of each kind, and the word that they are answered."""
        kinds = (CommandApprovalParams, ApprovalRequest, PermissionsApprovalParams)
        methods = (COMMAND_APPROVAL, FILE_CHANGE_APPROVAL, PERMISSIONS_APPROVAL)
        for number, kind in enumerate(kinds):
            params = self._evil(f"asks {number}", Example(kind, self.variant, IDS))
            if number == 1:
                params |= {"command": None, "commandActions": [], "permissions": None}
            yield {"method": methods[number], "id": f"q{number}", "params": params}
        for number in range(len(kinds)):
            params = {"threadId": THREAD, "requestId": f"q{number}"}
            yield {"method": "serverRequest/resolved", "params": params}


def _ended(result: Json) -> Json:
    """The last page of its kind."""
    ends = {"nextCursor": None, "nextAfter": None}
    return {name: ends.get(name, value) for name, value in result.items()}


def leaks(output: str, poison: Poison) -> list[str]:
    """What stands in an output that may not."""
    found = [f"a colour at {each}" for each in FOREIGN_COLOUR.findall(output)]
    plain = OWN_COLOURS.sub("", output)
    found += [f"{char!r} near {_near(plain, char)}" for char in UNSEEN if char in plain]
    names = {number: field for field, number in poison.fields.items()}
    for number in FORGED_LINE.findall(plain):
        field = names.get(int(number), "an id")
        if field not in PROSE:
            found.append(f"a line of {field}")
    return found


def _near(output: str, character: str) -> str:
    at = output.index(character)
    return repr(output[max(0, at - 60) : at + 10])


@contextmanager
def evil_daemon(folder: Path, variant: int, pid: int = 0) -> Iterator[EvilDaemon]:
    with FakeDaemon(folder) as fake:
        yield EvilDaemon(fake, variant, pid)
    Path(fake.path).unlink()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def child() -> Iterator[int]:
    """A process that `stop` may end."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process.pid
        process.kill()


def run(fake: FakeDaemon, *words: str) -> int:
    """Run a command, with nothing on its stdin."""
    with open(os.devnull, encoding="utf-8") as nothing:
        before, sys.stdin = sys.stdin, nothing
        try:
            return main(["--socket", fake.path, *words])
        finally:
            sys.stdin = before


def said_by(capfd: Captured) -> str:
    return "".join(capfd.readouterr())


# All of them say a turn as `send` does, and its words are many.
SAY_THE_SAME = [case for case in CASES if case[0] in ("send", "compact", "review", "approve")][1:]
# In what every command finds the thread that is meant; these are all that try its words one by one.
LOOKED_UP, LOOKS_UP = "thread/list", ("list", "archive", "fork")
IN_PROCESS = [words for words in CASES if words[0] != "attach"]


@pytest.mark.slow
@pytest.mark.parametrize("color", ["never", "always"])
@pytest.mark.parametrize("words", IN_PROCESS, ids=" ".join)
def test_no_text_of_an_answer_is_obeyed_or_forges_a_line(
    words: tuple[str, ...], color: str, place: Path, capfd: Captured, child: int
) -> None:
    for variant in range(VARIANTS):
        with evil_daemon(place, variant, child) as evil:
            run(evil.fake, "--color", color, *words)
            output = said_by(capfd)
        assert not leaks(output, evil.poison), f"variant {variant}"


@pytest.mark.slow
@pytest.mark.parametrize("words", IN_PROCESS, ids=" ".join)
def test_no_refusal_is_obeyed_or_forges_a_line(
    words: tuple[str, ...], place: Path, capfd: Captured, child: int
) -> None:
    with evil_daemon(place, 0, child) as evil:
        run(evil.fake, *words)
    said_by(capfd)
    for method in dict.fromkeys(evil.asked):
        with evil_daemon(place, 0, child) as refusing:
            refusing.fake.refuse(method, refusing.poison.of("refusal", "no"), reason=EVIL)
            run(refusing.fake, *words)
            output = said_by(capfd)
        assert "refusal" in refusing.poison.drawn_in(output) or method in MAY_BE_REFUSED
        assert not leaks(output, refusing.poison), method


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [command for command in IN_PROCESS if command not in SAY_THE_SAME], ids=" ".join
)
def test_no_word_of_an_enumeration_is_obeyed_or_forges_a_line(
    words: tuple[str, ...], place: Path, capfd: Captured, child: int
) -> None:
    with evil_daemon(place, 0, child) as evil:
        run(evil.fake, *words)
    said_by(capfd)
    # All commands find a thread in one way.
    together = [word for word in evil.words if word[0] == LOOKED_UP and words[0] not in LOOKS_UP]
    for evil_words in (together, *([word] for word in evil.words if word not in together)):
        with evil_daemon(place, 0, child) as wordy:
            wordy.evil_words = evil_words
            run(wordy.fake, *words)
            output = said_by(capfd)
        assert not leaks(output, wordy.poison), [leaf.field for _, leaf in evil_words]


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["people", "programs"])
@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_nothing_that_is_not_seen_reaches_a_terminal(
    words: tuple[str, ...], options: tuple[str, ...], place: Path, child: int
) -> None:
    with evil_daemon(place, 0, child) as evil:
        home = {"CODEXD_HOME": str(place / "home")}
        spawned = ("--socket", evil.fake.path, *words, *options)
        with Terminal(*spawned, environ=home, cwd=str(place)) as terminal:
            if words[0] == "attach":
                terminal.wait_for(THE_END)
                terminal.press_ctrl_c()
            elif words[0] == "delete" and "--yes" not in words:
                terminal.wait_for("permanently? [y/N]")
                terminal.type("n\n")
            terminal.wait_exit()
    screen = terminal.screen.replace("\r\n", "\n").replace("\r\x1b[K", "")
    assert not leaks(screen, evil.poison)


def test_a_text_where_a_number_belongs_is_refused_and_not_drawn(
    place: Path, capfd: Captured
) -> None:
    poison = Poison()
    with FakeDaemon(place) as fake:
        status = {"pid": 1, "startedAt": poison.of("startedAt", 1)}
        fake.answer_by("server/status", lambda request: [{"id": request["id"], "result": status}])
        run(fake, "status")
    output = said_by(capfd)
    assert "server/status cannot be read" in output
    assert not poison.drawn_in(output)
    assert not leaks(output, poison)


def test_every_command_is_tried() -> None:
    assert {row.name for row in SUBCOMMANDS} == {*COMMANDS, *NOT_DRAWN}


def members_of_frontends() -> set[str]:
    """The members that any struct which a frontend defines or imports reads as text, as the wire has them."""
    return {
        field.encode_name
        for kind in structs_of_frontends()
        if kind.__name__ not in OF_OUR_OWN
        for field in msgspec.structs.fields(kind)
        if "str" in re.split(r"[^\w.]+", str(field.type).replace("<class 'str'>", "str"))
    }


def structs_of_frontends() -> set[type[msgspec.Struct]]:
    """The structs in the modules of frontends, and those that their members are made of.

    Not those of the agent for editors, and of the MCP server, which draw nothing: they speak JSON with another program.
    """
    found: set[type[msgspec.Struct]] = set()
    for module in pkgutil.walk_packages(codexd_frontends.__path__, "codexd_frontends."):
        if module.name.startswith(("codexd_frontends.acp", "codexd_frontends.mcp_server")):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct):
                found |= _within(msgspec.inspect.type_info(value))
    return found - {msgspec.Struct}


def _within(kind: object) -> set[type[msgspec.Struct]]:
    match kind:
        case msgspec.inspect.StructType(cls=struct, fields=fields):
            return {struct}.union(*(_within(field.type) for field in fields))
        case msgspec.inspect.UnionType(types=types):
            return set().union(*map(_within, types))
        case (
            msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item)
        ):
            return _within(item)
        case _:
            return set()


def test_structs_of_the_protocol_that_frontends_import_are_among_them() -> None:
    names = {kind.__name__ for kind in structs_of_frontends()}
    assert {"Item", "ApprovalRequest", "Thread", "RevertedNote"} <= names  # their own
    assert {"ThreadTrouble", "CacheMiss", "TurnUsage", "SearchHit", "PinView"} <= names
    assert {"ScrubbedThread", "Salvaged", "DamagedBlob", "ImportProblem"} <= names


@pytest.mark.slow
def test_every_member_that_a_frontend_reads_was_evil_once(
    place: Path, capfd: Captured, child: int
) -> None:
    fields: set[str] = set()
    drawn: set[str] = set()
    for words in IN_PROCESS:
        for variant in range(VARIANTS):
            with evil_daemon(place, variant, child) as evil:
                run(evil.fake, *words)
            fields |= {leaf.field for _, leaf in evil.words} | set(evil.poison.fields)
            drawn |= evil.poison.drawn_in(said_by(capfd))
    # Of `userAgent` a version is read, by a pattern that takes nothing evil; the members of `config` are evil themselves.
    spared = {"message", "code", "method", "userAgent", "config"}
    members = {field.rpartition(".")[2] for field in fields} | set(IDS) | spared
    missing = sorted(members_of_frontends() - members)
    assert not missing, missing
    # 248 and 76 when this was written; a field that is new is evil by itself.
    assert len(fields) >= 240
    assert len(drawn) >= 70
