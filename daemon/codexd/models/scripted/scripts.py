"""The answers of a scripted model: small values, and the lines of a prompt that ask for them; pure.

A reply is a few parts, played in order within one response. The lines, for people and benchmarks:

    say N [SIZE]          N deltas of SIZE characters (16)
    think N               a reasoning item with N deltas of summary
    run CMD               call the shell tool, and go on with the next line when its output is back
    runs K CMD            K such calls, one after another
    call TOOL JSON        call any tool with these arguments, and go on in the same way
    fail STATUS [TIMES]   answer with an HTTP status, the first TIMES times (1)
    cut N [TIMES]         N deltas, then close the connection (each time)
    hang SECONDS          a delta, then silence
    error CODE            end the response as failed, with a code
    use INPUT [CACHED]    say that the response used so many tokens of input

A prompt without such a line is answered with a demonstration: one harmless command, and a sentence on it; or, where
it asks for it, the task in `task.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from codexd.core.values.provider_items import (
    Content,
    MessageItem,
    OutputItem,
    ProviderItem,
    parts_of,
    read_item,
)
from codexd.models.scripted.task import LAST_WORDS, TASK_PROMPT, task_steps

# A script comes from a prompt, so it is held to what a screen and a test can use.
COUNT_MAX: Final = 1_000_000
DEMO_COMMAND: Final = "uname -sr"


class Say(msgspec.Struct, frozen=True):
    """A message."""

    deltas: tuple[str, ...]

    @staticmethod
    def words(text: str) -> Say:
        """A message that comes word by word."""
        return Say(tuple(_WORD.findall(text)))


class Think(msgspec.Struct, frozen=True):
    """A reasoning item: its summary, and encrypted content."""

    deltas: tuple[str, ...]


class Call(msgspec.Struct, frozen=True):
    """A tool call."""

    name: str
    arguments: str  # JSON, or the input of a custom tool
    custom: bool = False
    namespace: str | None = None  # of the tool; only in the Responses API


class Raw(msgspec.Struct, frozen=True):
    """Bytes of the stream, exactly these."""

    stream: bytes


class Fail(msgspec.Struct, frozen=True):
    """No stream: an HTTP error. First and only part of its reply."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"error":{"message":"as scripted","code":null}}'


class Cut(msgspec.Struct, frozen=True):
    """A message that begins, and the connection closes."""

    deltas: tuple[str, ...] = ()


class Hang(msgspec.Struct, frozen=True):
    """A message that begins, and then nothing; the connection closes after `seconds`, if they are given."""

    deltas: tuple[str, ...] = ()
    seconds: float | None = None


class Break(msgspec.Struct, frozen=True):
    """The response fails, with an error code of the API."""

    code: str
    message: str = "as scripted"


class Use(msgspec.Struct, frozen=True):
    """The usage in the response; without it, a hundred tokens of input and one for each delta."""

    input_tokens: int
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


Part = Say | Think | Call | Raw | Fail | Cut | Hang | Break | Use
Reply = tuple[Part, ...]


class _Tool(msgspec.Struct, frozen=True):
    name: str = ""


class _Request(msgspec.Struct, frozen=True):
    input: str | tuple[msgspec.Raw, ...] = ()
    tools: tuple[_Tool, ...] = ()
    prompt_cache_key: str | None = None


class PromptScript:
    """Answers requests by the lines of their last user message."""

    def __init__(self) -> None:
        self._times: Counter[tuple[str | None, int, str]] = Counter()

    def reply(self, body: bytes) -> Reply:
        """The answer to the body of a request. Raises: msgspec.DecodeError."""
        request = msgspec.json.decode(body, type=_Request)
        items: list[ProviderItem] = (
            [MessageItem(role="user", content=request.input)]
            if isinstance(request.input, str)
            else [read_item(item) for item in request.input]
        )
        at, prompt = -1, ""
        for n, item in enumerate(items):
            if isinstance(item, MessageItem) and item.role == "user":
                at, prompt = n, _text(item.content)
        outputs = [_text(item.output) for item in items[at + 1 :] if isinstance(item, OutputItem)]
        call = _shell_caller(request.tools)
        lines = [line.split(maxsplit=1) for line in prompt.splitlines() if _LINE.fullmatch(line)]
        if not lines and prompt.startswith(TASK_PROMPT):
            return _task(outputs, request.tools)
        if not lines:
            return _demonstrate(outputs, call)
        replies: list[Reply] = [()]
        for verb, rest in lines:
            line = f"{verb} {rest}"
            if verb in ("run", "runs", "call"):
                _add_calls(replies, line, call)
            elif self._is_due(line, (request.prompt_cache_key, at, line)):
                replies[-1] += _PARTS[verb](rest.split())
        reply = replies[min(len(outputs), len(replies) - 1)]
        return reply or (Say.words(_closing(outputs)),)

    def _is_due(self, line: str, place: tuple[str | None, int, str]) -> bool:
        """Whether a line with a number of TIMES has still to be played."""
        verb, *words = line.split()
        if verb not in ("fail", "cut") or (verb == "cut" and len(words) == 1):
            return True
        self._times[place] += 1
        return self._times[place] <= (_count(words[1]) if len(words) > 1 else 1)


_WORD = re.compile(r"\S++\s*+|^\s++")
_LINE = re.compile(
    r"(?:say|think|cut) \d{1,9}+(?: \d{1,9}+)?|fail \d{3}(?: \d{1,9}+)?|hang [\d.]{1,9}+|error \w{1,64}+"
    r"|use \d{1,9}+(?: \d{1,9}+)?|run .+|runs \d{1,9}+ .+|call \w{1,64}+ .+"
)

_PARTS: Final[dict[str, Callable[[list[str]], Reply]]] = {
    "say": lambda words: (Say(_padding(words[0], *words[1:2])),),
    "think": lambda words: (Think(("pondering it ",) * _count(words[0])),),
    "fail": lambda words: (Fail(int(words[0])),),
    "cut": lambda words: (Cut(_padding(words[0])),),
    "hang": lambda words: (Hang(("waiting ",), float(words[0])),),
    "error": lambda words: (Break(words[0]),),
    "use": lambda words: (Use(*map(_count, words)),),
}


def _add_calls(replies: list[Reply], line: str, call: Callable[[str], Part]) -> None:
    """Each call ends the reply that it is in; the next reply waits for its output."""
    verb, rest = line.split(maxsplit=1)
    times = 1
    if verb == "call":
        name, arguments = rest.split(maxsplit=1)
        replies[-1] += (Call(name, arguments),)
        replies.append(())
        return
    if verb == "runs":
        count, rest = rest.split(maxsplit=1)
        times = _count(count)
    for _ in range(times):
        replies[-1] += (call(rest),)
        replies.append(())


def _demonstrate(outputs: list[str], call: Callable[[str], Part]) -> Reply:
    if not outputs:
        return (
            Think(("Looking ", "at ", "the ", "machine ", "first.")),
            call(DEMO_COMMAND),
        )
    return (
        Say.words(
            f"Hello! I am the scripted model, a small stand-in that runs on this machine. "
            f"I asked for `{DEMO_COMMAND}` and got: {_last_line(outputs[-1])}. Your prompt, the command "
            f"and this answer are in the thread's log now."
        ),
    )


def _task(outputs: list[str], tools: tuple[_Tool, ...]) -> Reply:
    names = {tool.name for tool in tools}
    steps = task_steps("exec_command" if "exec_command" in names else "shell_command")
    if len(outputs) >= len(steps):
        return (Say.words(LAST_WORDS),)
    name, arguments = steps[len(outputs)]
    return (_call(name, arguments),)


def _closing(outputs: list[str]) -> str:
    if not outputs:
        return "There is nothing more in the script."
    return f"The length of the last output: {len(outputs[-1])}."


def _shell_caller(tools: tuple[_Tool, ...]) -> Callable[[str], Part]:
    """How to call the shell by the tools that a request offers."""
    names = {tool.name for tool in tools}

    def call(command: str) -> Part:
        if "shell_command" in names:
            return _call("shell_command", {"command": command})
        if "exec_command" in names:
            return _call("exec_command", {"cmd": command})
        if "shell" in names:
            return _call("shell", {"command": ["bash", "-lc", command]})
        return Say.words(f"I would run `{command}`, but no shell tool is offered.")

    return call


def _call(name: str, arguments: Mapping[str, object]) -> Call:
    return Call(name, msgspec.json.encode(arguments).decode())


def _padding(count: str, size: str = "16") -> tuple[str, ...]:
    characters = max(1, _count(size))
    text = ("abcdefghijklmnopqrstuvwxyz" * (characters // 26 + 1))[: characters - 1] + " "
    return (text,) * _count(count)


def _count(digits: str) -> int:
    return min(int(digits[:9]), COUNT_MAX)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "nothing"


def _text(content: Content) -> str:
    return "\n".join([part.text or "" for part in parts_of(content)])
