"""The rollouts among the fixtures, and what reading one gives: for tests that import."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from codexd.core.events.record import Recorded
from codexd.core.state.state import fold
from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    ContextCompaction,
    EnteredReviewMode,
    ExitedReviewMode,
    ImageInput,
    Reasoning,
    ThreadItem,
    ToolCall,
    UserMessage,
    WebSearch,
    plain_text,
)
from codexd.importing.rollout.converting import Converter
from codexd.importing.rollout.facts import Survey
from codexd.importing.rollout.lines import LineWarning
from codexd.importing.rollout.settings import Heading
from codexd.importing.rollout.timeline import TimedEvent
from codexd.importing.rollouts import Rollout
from codexd.importing.sources import peek
from codexd.projections.clients.turns import TurnProjection
from codexd.projections.model.history import ModelHistory
from codexd.projections.usage.totals import Usage

HOME = Path(__file__).parent.parent / "importing" / "rollouts"
FILES = sorted(HOME.rglob("rollout-*.jsonl"))
MODEL = "a-default"
CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
ANSWERS = {"function_call_output", "custom_tool_call_output"}


def thread_id(number: int) -> str:
    """The id of the fixture of that number."""
    return f"0194d2a0-0000-7000-8000-{number:012d}"


def files_of(number: int) -> list[Path]:
    """Its files, the oldest first."""
    return [path for path in FILES if thread_id(number) in path.name]


def read(*paths: Path) -> tuple[list[TimedEvent], Rollout]:
    """All that a rollout tells."""
    rollout = Rollout([peek(path) for path in paths], "0.0", MODEL)
    told = [event for page in rollout.pages() for group in page.groups for event in group]
    return told, rollout


class Converted(NamedTuple):
    """The events and warnings of a whole rollout."""

    events: list[TimedEvent]
    complaints: list[LineWarning]


def read_rollout(lines: Iterable[bytes], heading: Heading, daemon_version: str = "") -> Converted:
    """The events of all lines; an open turn at the end is closed."""
    converter, survey = Converter(heading, daemon_version), Survey()
    numbered = list(enumerate(lines, 1))
    for number, text in numbered:
        survey.apply(number, text)
    converter.begin_file(survey.facts())
    events = [event for number, text in numbered for event in converter.feed(number, text)]
    events += converter.close()
    return Converted(events, converter.complaints)


def recorded(told: Sequence[TimedEvent]) -> list[Recorded]:
    """What was told, as records."""
    return [
        Recorded(seq, record.at_us // 1000, record.event, record.by, record.turn)
        for seq, record in enumerate(told, 1)
    ]


def shown(told: Sequence[TimedEvent]) -> list[tuple[str, list[str]]]:
    """What a screen shows: the status of each turn, and a line for each item."""
    transcript = TurnProjection()
    for record in recorded(told):
        transcript.apply(record)
    return [(turn.status, [_line(item) for item in turn.items]) for turn in transcript.turns]


def _line(item: ThreadItem) -> str:
    match item:
        case UserMessage():
            images = sum(isinstance(part, ImageInput) for part in item.content)
            return f"> {plain_text(item.content)}" + " [image]" * images
        case AgentMessage():
            return item.text
        case Reasoning():
            return f"({' '.join(item.summary)})"
        case CommandExecution():
            return f"$ {item.command} → {item.exit_code} {item.aggregated_output!r} in {item.cwd}"
        case ToolCall():
            return f"{item.tool}: {item.status}"
        case EnteredReviewMode() | ExitedReviewMode():
            return f"review: {item.review}"
        case WebSearch():
            return f"web search: {item.query}"
        case ContextCompaction():
            return "compacted"
        case _:
            return type(item).__name__


Json = dict[str, Any]


def of(kind: str, /, **payload: object) -> Json:
    """A line as Codex has written them since autumn 2025; `lines` gives it its time."""
    return {"type": kind, "payload": payload}


def meta(number: int = 99, **members: object) -> Json:
    """The first line of a rollout; a member that is None is absent."""
    found = {"id": thread_id(number), "timestamp": "2025-10-01T04:05:06Z", "cwd": "/w", **members}
    return of("session_meta", **{name: value for name, value in found.items() if value is not None})


def event(kind: str, /, **members: object) -> Json:
    """A line for clients."""
    return of("event_msg", type=kind, **members)


def message(role: str, *texts: str) -> Json:
    """A message, of the model or in the user's role."""
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text} for text in texts]
    return of("response_item", type="message", role=role, content=content)


def asked(text: str) -> list[Json]:
    """A person's message, and the event that repeats it."""
    return [message("user", text), event("user_message", message=text, kind="plain")]


def called(call_id: str, line: str = "ls") -> Json:
    """A call of the shell."""
    arguments = json.dumps({"command": ["bash", "-lc", line], "workdir": "/w"})
    return of(
        "response_item", type="function_call", name="shell", arguments=arguments, call_id=call_id
    )


def answered(call_id: str, output: str = "a\n") -> Json:
    """The answer to a call."""
    return of("response_item", type="function_call_output", call_id=call_id, output=output)


def tokens(given: int, made: int = 0) -> Json:
    """Counts of tokens, as Codex writes them."""
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def counted(total: int | None, last: int | None) -> Json:
    """A count of tokens: those of the thread and those of the last response."""
    parts = {"total_token_usage": total, "last_token_usage": last}
    return event(
        "token_count",
        info={name: tokens(given) for name, given in parts.items() if given is not None},
    )


def lines(*rows: Json | list[Json] | bytes) -> bytes:
    """A rollout of lines, each a second after the one before; bytes are lines as they are."""
    flat = [line for row in rows for line in (row if isinstance(row, list) else [row])]
    texts = [
        line
        if isinstance(line, bytes)
        else json.dumps(
            {"timestamp": f"2025-10-01T04:{at // 60:02}:{at % 60:02}Z", **line}
        ).encode()
        for at, line in enumerate(flat)
    ]
    return b"\n".join(texts) + b"\n"


class Read:
    """What a rollout gives: on a screen, to the model, in tokens, and the warnings."""

    def __init__(self, path: Path) -> None:
        self.told, self.rollout = read(path)
        events = [timed.event for timed in self.told]
        self.shown = shown(self.told)
        self.to_model = [json.loads(item) for item in ModelHistory().after_all(events).items]
        usage = Usage()
        for found in events:
            usage = usage.after(found)
        self.used = usage.total.input_tokens
        self.warned = [f"{warning.line}: {warning.text}" for _, warning in self.rollout.complaints]
        state = fold(events)
        assert (state.turn, state.queue) == (None, ()), "nothing is open after the last line"
        types = [(str(item.get("type")), str(item.get("call_id"))) for item in self.to_model]
        calls = Counter(call_id for kind, call_id in types if kind in CALLS)
        answers = Counter(call_id for kind, call_id in types if kind in ANSWERS)
        assert calls == answers, "a provider takes no call without its answer"

    @property
    def texts(self) -> list[str]:
        """The texts that the model is given."""
        return [
            part["text"]
            for item in self.to_model
            if isinstance(item.get("content"), list)
            for part in item["content"]
            if "text" in part
        ]


def written(folder: Path, content: bytes, name: str = "") -> Path:
    """A rollout with this content."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"rollout-2025-10-01T04-05-06-{thread_id(99)}.jsonl")
    path.write_bytes(content)
    return path


def read_lines(folder: Path, *rows: Json | list[Json] | bytes) -> Read:
    """What a rollout of these lines gives."""
    return Read(written(folder, lines(*rows)))
