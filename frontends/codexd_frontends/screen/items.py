"""Items of a turn as lines of text: those that are shown whole. Pure."""

from __future__ import annotations

from codexd_frontends.client.messages import (
    FileUpdate,
    Item,
    Plan,
    RevertedNote,
    Turn,
    TurnTrouble,
    TypedNote,
    UserInput,
    user_inputs,
)
from codexd_frontends.screen.drawn import lines_of, one_line, prose_lines
from codexd_frontends.screen.reasoning import Thoughts, thoughts_of
from codexd_frontends.screen.style import Style

_STEP_MARKS = {"completed": "✓", "inProgress": "▸"}


def user_lines(item: Item, style: Style) -> list[str]:
    """A person's message."""
    text = "\n".join(_input_text(part) for part in user_inputs(item))
    return [style.cyan(line) for line in marked("› ", prose_lines(text))]


def _input_text(part: UserInput) -> str:
    match part.type:
        case "text":
            return part.text
        case "image":
            return "[image]"
        case "localImage":
            return f"[image: {one_line(part.path)}]"
        case _:
            return f"[{one_line(part.type)}: {one_line(part.path or part.name)}]"


def command_lines(item: Item, style: Style) -> list[str]:
    """A command that starts, or waits to be allowed."""
    return [style.bold(line) for line in marked("$ ", lines_of(item.shell_line))]


def output_lines(lines: list[str], style: Style) -> list[str]:
    """Lines of a command's output."""
    return [style.dim(f"  {drawn}".rstrip()) for line in lines for drawn in lines_of(line)]


def typed_lines(typed: TypedNote, style: Style) -> list[str]:
    """What was typed into a command that runs; a look at its output, or a secret, has no line."""
    if not typed.stdin:
        return []
    lines = lines_of(typed.stdin.removesuffix("\n"))
    return [style.cyan(line) for line in marked(f"⌨ {one_line(typed.process_id)} ", lines)]


def command_end_line(item: Item, style: Style) -> str:
    """How a command ended; the duration of a command that was cut off is not known, and sent as 0."""
    took = f" · {seconds(item.duration_ms)}" if item.duration_ms else ""
    if item.status == "declined":
        return style.yellow("  declined")
    if item.exit_code is None:
        # An interrupt or a restart came between; it may have done all of its work, some of it, or nothing.
        return style.red(f"  stopped: it may have done only a part of its work{took}")
    paint = style.dim if item.exit_code == 0 else style.red
    more = " · all of it: codexctl show --full" if item.output_seq is not None else ""
    return paint(f"  exit {item.exit_code}{took}{more}")


def whole_item_lines(item: Item, style: Style, thoughts: Thoughts = "summary") -> list[str]:
    """An item that is shown when it is complete, in one go."""
    match item.type:
        case "reasoning":
            return [
                style.dim(line)
                for part in thoughts_of(item, thoughts)
                for line in marked("· ", prose_lines(part))
            ]
        case "plan":
            return marked("plan: ", prose_lines(item.text))
        case "fileChange":
            changed = [line for one in item.changes for line in _change_lines(one, item, style)]
            why = marked("  ", prose_lines(item.problem)) if item.problem else []
            return [*changed, *(style.red(line) for line in why)]
        case "mcpToolCall":
            return _call_lines(f"{item.server}.{item.tool}", _mcp_text(item), item, style)
        case "dynamicToolCall":
            answered = "\n".join(part.text for part in item.content_items or ())
            return _call_lines(item.tool, answered, item, style)
        case "collabAgentToolCall":
            named = " ".join(item.receiver_thread_ids)
            head = _status_line(f"⇄ {item.tool} {named}".rstrip(), item, style)
            return [head, *output_lines(item.prompt.split("\n") if item.prompt else [], style)]
        case "webSearch":
            return [style.dim(one_line(f"⌕ {item.query}"))]
        case "imageView":
            return [style.dim(one_line(f"[image: {item.path}]"))]
        case "contextCompaction" if item.status in ("failed", "interrupted"):
            return [
                style.dim("— the model's history was not shortened here: that came to nothing —")
            ]
        case "contextCompaction":
            return [style.dim("— the model's history was shortened here —")]
        case "enteredReviewMode":
            return marked("review of: ", prose_lines(item.review))
        case _:
            return [style.dim(one_line(f"[{item.type}]"))]


def _change_lines(change: FileUpdate, item: Item, style: Style) -> list[str]:
    diff = change.diff.removesuffix("\n")
    head = _status_line(f"± {change.path}", item, style)
    return [head, *output_lines(diff.split("\n") if diff else [], style)]


def _call_lines(tool: str, answered: str, item: Item, style: Style) -> list[str]:
    arguments = bytes(item.arguments).decode(errors="replace")
    head = _status_line(f"⚒ {tool} {arguments}".rstrip(), item, style)
    return [head, *output_lines(answered.split("\n") if answered else [], style)]


def _mcp_text(item: Item) -> str:
    """What a tool of an MCP server answered, as text."""
    if item.result is None:
        return "" if item.error is None else item.error.message
    texts = [part.text for part in item.result.content if part.text is not None]
    structured = bytes(item.result.structured_content).decode(errors="replace")
    return "\n".join(texts) if texts else structured


def _status_line(text: str, item: Item, style: Style) -> str:
    line = one_line(text)
    match item.status:
        case "failed" | "declined":
            return style.red(f"{line} · {item.status}")
        case _:
            return style.bold(line)


def plan_lines(plan: Plan, style: Style) -> list[str]:
    """The model's plan: why it is another, and its steps."""
    why = marked("plan: ", prose_lines(plan.explanation)) if plan.explanation else []
    steps = [f"{_STEP_MARKS.get(step.status, '·')} {one_line(step.step)}" for step in plan.plan]
    return [style.dim(line) for line in (*why, *steps)]


def trouble_lines(trouble: TurnTrouble) -> list[str]:
    """Why a turn failed, or is tried again."""
    details = trouble.additional_details
    return [
        *marked("", prose_lines(trouble.message)),
        *(marked("  ", prose_lines(details)) if details and details != trouble.message else []),
    ]


def turn_end_lines(turn: Turn, style: Style, *, always: bool) -> list[str]:
    """How a turn ended; a turn that simply completed is worth a line only if `always`."""
    took = "" if turn.duration_ms is None else f" after {seconds(turn.duration_ms)}"
    match turn.status:
        case "failed" if turn.error is not None:
            first, *more = trouble_lines(turn.error)
            return [style.red(f"failed: {first}"), *(style.red(line) for line in more)]
        case "failed":
            return [style.red("failed")]
        case "interrupted":
            return [style.yellow(f"interrupted{took}")]
        case _ if always:
            return [style.dim(f"— done{took} —")]
        case _:
            return []


def seconds(milliseconds: int) -> str:
    """A duration, as exact as a person needs it."""
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(milliseconds // 1000, 60)
    return f"{minutes} min {rest} s"


def marked(mark: str, lines: list[str]) -> list[str]:
    """Lines with a mark before the first; the others are indented by its width."""
    first, *more = lines[:-1] if len(lines) > 1 and not lines[-1] else lines
    return [mark + first, *(" " * max(len(mark), 2) + line for line in more)]


def turns_of(count: int) -> str:
    """A count of turns as text."""
    return "1 turn" if count == 1 else f"{count} turns"


def reverted_line(note: RevertedNote) -> str:
    """The line at the place of the revert: the lines above it stay."""
    turns = turns_of(note.turns)
    if note.before_turn_id is None:
        return f"— {turns} restored —"
    return f"— {turns} reverted: turn {one_line(note.before_turn_id)} and all later turns —"
