"""An approval question as it is drawn: the command comes last, and never so long that it scrolls away. Pure.

Above the command are the daemon's own reason, the model's reason (one bounded line, marked as the model's), and
the folder. Of a command that needs more rows than there are, the head and the tail are drawn, and between them
how much is left out; `whole_lines` draws all of it.
"""

from __future__ import annotations

import shlex
import unicodedata
from typing import NamedTuple

from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.screen.drawn import drawn_once, one_line
from codexd_frontends.screen.style import Style

REASON_CHARACTERS_MAX = 400
# A few rows each: they leave most of the screen to the command.
MODEL_SAYS_CHARACTERS_MAX = 200
PLACE_CHARACTERS_MAX = 240
# Fewer rows than these show nothing of a command.
COMMAND_ROWS_MIN = 5
# Below the command: the keys, which may need two rows, and what is typed.
ROWS_BELOW = 4

RULE_KEY = "  [p] yes, and from now on all commands that begin with: "
HOST_KEYS = (
    "  [p] yes, and from now on all commands, to: ",
    "  [v] no, and from now on no command, to: ",
)
# Twice as long as any rule that a daemon proposes, since quotes may come in.
RULE_CHARACTERS_MAX = 1000
MARK, INDENT = "  $ ", "    "
TAB_COLUMNS = 8


class Room(NamedTuple):
    """How large the screen is."""

    columns: int
    rows: int


def question_lines(request: ApprovalRequest, style: Style, room: Room | None = None) -> list[str]:
    """The lines of a question. `room` is None where nothing scrolls."""
    above = _above(request, style)
    if request.shown is None:
        return above
    drawn, mark = drawn_once(request.shown), _mark(request)
    if room is None:
        return [*above, *_marked(drawn.split("\n"), style, mark)]
    beside = [*above, *rule_lines(request)]
    taken = sum(_rows_of(line, room.columns) for line in beside) + ROWS_BELOW
    return [*above, *_fitted(drawn, room, max(COMMAND_ROWS_MIN, room.rows - taken), style, mark)]


def whole_lines(request: ApprovalRequest, style: Style) -> list[str]:
    """All of the command or of the diff, however long."""
    return _marked(drawn_once(request.shown or "").split("\n"), style, _mark(request))


def rule_lines(request: ApprovalRequest) -> list[str]:
    """The keys that add a rule, with all of its words; nothing where none is proposed."""
    if request.host is not None:
        return [key + one_line(request.host, RULE_CHARACTERS_MAX) for key in HOST_KEYS]
    rule = request.proposed_rule
    return [RULE_KEY + one_line(shlex.join(rule), RULE_CHARACTERS_MAX)] if rule is not None else []


def is_cut(request: ApprovalRequest, room: Room | None) -> bool:
    """Whether a question has no room for all of the command."""
    drawn = question_lines(request, Style(), room)
    return drawn != question_lines(request, Style())


def _above(request: ApprovalRequest, style: Style) -> list[str]:
    own = request.own_reason
    reason = [f"  {drawn_once(own, REASON_CHARACTERS_MAX)}"] if own else []
    says = request.model_says
    if says:
        reason.append(f"  the model says: {drawn_once(says, MODEL_SAYS_CHARACTERS_MAX)}")
    if request.host is not None:
        return [style.yellow("? May the command that runs connect to this?"), *reason]
    if request.elicits:
        return [style.yellow(f"? The MCP server {one_line(request.server_name or '')} asks:")]
    if request.codexd is not None and request.codexd.call is not None:
        server = one_line(request.server_name or "")
        return [style.yellow(f"? May it call this tool of the MCP server {server}?"), *reason]
    if request.questions:
        header = one_line(request.questions[0].header)
        return [
            style.yellow(f"? The model asks you ({header}):" if header else "? The model asks you:")
        ]
    if request.permissions is not None:
        return [style.yellow("? May commands do more than their sandbox allows?"), *reason]
    if request.shell_line is None:
        root = f" in {one_line(request.grant_root)}" if request.grant_root else ""
        return [style.yellow(f"? May it change these files{root}?"), *reason]
    where = drawn_once(request.cwd or "", PLACE_CHARACTERS_MAX)
    return [
        style.yellow("? May it run this command?"),
        *reason,
        *([style.dim(f"  in {where}")] if where else []),
    ]


def _mark(request: ApprovalRequest) -> str:
    return INDENT if request.shell_line is None or request.host is not None else MARK


def _marked(lines: list[str], style: Style, mark: str) -> list[str]:
    first, *more = lines
    return [style.bold(mark + first), *(style.bold(INDENT + line) for line in more)]


def _fitted(drawn: str, room: Room, rows_max: int, style: Style, mark: str) -> list[str]:
    """The lines, or its head, how much is left out, and its tail."""
    columns = max(room.columns - len(INDENT), 1)
    if len(drawn) <= rows_max * columns:
        lines = drawn.split("\n")
        if sum(_rows_of(line, columns) for line in lines) <= rows_max:
            return _marked(lines, style, mark)
    head_rows = (rows_max - 1) // 2
    tail_rows = rows_max - 1 - head_rows
    # No row has more characters than columns, except combining marks, which take no column.
    head = _wrapped(drawn[: head_rows * columns], columns)[:head_rows]
    tail = _wrapped(drawn[-tail_rows * columns :], columns)[-tail_rows:]
    left_out = len(drawn) - sum(len(row) for row in (*head, *tail))
    between = style.yellow(f"{INDENT}… {left_out:,} characters are left out here …")
    first, *more = _marked(head, style, mark)
    return [first, *more, between, *(style.bold(INDENT + row) for row in tail)]


def _wrapped(text: str, columns: int) -> list[str]:
    rows: list[str] = []
    for line in text.split("\n"):
        row, width = "", 0
        for character in line:
            needs = _columns_of(character)
            if row and width + needs > columns:
                rows.append(row)
                row, width = "", 0
            row, width = row + character, width + needs
        rows.append(row)
    return rows


def _rows_of(line: str, columns: int) -> int:
    width = sum(_columns_of(character) for character in line)
    return max(1, -(-width // max(columns, 1)))


def _columns_of(character: str) -> int:
    if character == "\t":
        return TAB_COLUMNS
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
