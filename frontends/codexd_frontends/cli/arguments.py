"""What subcommands take: each argument once, and who takes it is said in the table of `ctl`."""

from __future__ import annotations

import argparse
from typing import Any

TURNS_ON_ATTACH_DEFAULT = 20  # a few screens of past; `show` has more of it
TURNS_SHOWN_DEFAULT = 50  # what people look for is near the end, and a thread may have any number
ALL_TURNS = "all"
USAGE_DAYS_DEFAULT = 30  # what is paid for is paid for by the month


class Argument:
    """One argument of a subcommand, as argparse takes it."""

    def __init__(self, *names: str, group: str | None = None, **options: Any) -> None:
        self.names = names
        self.group = group  # arguments of one group exclude each other
        self.options = options

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Declare it."""
        if self.group is None:
            parser.add_argument(*self.names, **self.options)
        else:
            _group(parser, self.group).add_argument(*self.names, **self.options)


def _group(parser: argparse.ArgumentParser, name: str) -> Any:
    groups: dict[str, Any] = parser.__dict__.setdefault("groups_by_name", {})
    if name not in groups:
        groups[name] = parser.add_mutually_exclusive_group()
    return groups[name]


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, found {text!r}")
    return number


def _count_or_all(text: str) -> int | None:
    return None if text == ALL_TURNS else _count(text)


JSON = Argument("--json", action="store_true", help="print JSON, for programs")
THREAD = Argument(
    "thread", metavar="THREAD", help="an id, the beginning of one (4 characters or more), or a name"
)
PROMPT = Argument("prompt", metavar="PROMPT", help="the prompt, or - to read it from stdin")
NAME = Argument("name", metavar="NAME", help="the new name")

REASONING = Argument(
    "--reasoning",
    choices=("none", "summary", "raw"),
    help="how much of what the model thinks is shown (default: as config.toml says, else summary)",
)

SEND_OPTIONS = (
    Argument("-t", "--thread", metavar="THREAD", group="to", help="send to this thread"),
    Argument("--last", action="store_true", group="to", help="send to the thread used last"),
    Argument("--new", action="store_true", group="to", help="start a new thread (the default)"),
    Argument("-m", "--model", metavar="MODEL", help="the model to use"),
    Argument(
        "--provider",
        metavar="NAME",
        group="whom",
        help="the provider to use, by its name in config.toml or a well-known one",
    ),
    Argument(
        "--oss",
        action="store_true",
        group="whom",
        help="use a model on this machine: the daemon looks for a server that answers",
    ),
    Argument(
        "--local-provider",
        metavar="NAME",
        group="whom",
        help="the same, of this server: ollama, lmstudio, llamacpp or vllm",
    ),
    Argument(
        "-i",
        "--image",
        metavar="FILE[,FILE]",
        dest="images",
        action="append",
        default=[],
        help="an image to show the model: PNG, JPEG, GIF or WebP; may be given again",
    ),
    Argument("-C", "--cd", dest="cwd", metavar="DIR", help="the directory to work in"),
    Argument(
        "--effort", metavar="EFFORT", help="how hard the model is to think: low, medium, high"
    ),
    Argument(
        "--summary",
        choices=("auto", "concise", "detailed", "none"),
        help="how the model is to sum up what it thinks",
    ),
    Argument("--verbosity", choices=("low", "medium", "high"), help="how much the model is to say"),
    Argument(
        "--approval-policy",
        choices=("untrusted", "on-request", "never"),
        help="when to ask before a command runs",
    ),
    REASONING,
    JSON,
)

INSTRUCTIONS = Argument(
    "--instructions",
    action="store_true",
    help="what the model is told before anybody speaks, as the log has it, and from which files",
)
ARCHIVED = Argument("--archived", action="store_true", help="the archive instead")
LIMIT = Argument("--limit", metavar="N", type=_count, default=None, help="at most so many")
SEARCH = Argument("--search", metavar="TEXT", help="only those whose title has this text")
SOME_THREAD = Argument(
    "thread",
    metavar="THREAD",
    nargs="?",
    help="an id, the beginning of one, or a name (default: all threads)",
)
DAYS = Argument(
    "--days",
    metavar="N",
    type=_count_or_all,
    default=USAGE_DAYS_DEFAULT,
    help=f"of all threads: what was used in so many days, in UTC, or {ALL_TURNS}"
    f" (default: {USAGE_DAYS_DEFAULT})",
)
WHY = Argument(
    "--why",
    action="store_true",
    help="of a thread: which requests missed the provider's prompt cache, and what changed before them",
)
TERMS = Argument(
    "terms",
    metavar="TERM",
    nargs="+",
    help='what to look for: words, "words in a row", beginn*; all of them in one place',
)
SEARCHED_KINDS = ("name", "prompt", "answer", "path", "command", "reasoning", "output")
KIND = Argument(
    "--kind",
    dest="kinds",
    choices=SEARCHED_KINDS,
    action="append",
    help="only in this kind of text; may be given again",
)
AT_RECORD = Argument(
    "--at",
    metavar="SEQ",
    dest="at_seq",
    type=_count,
    help="only the turn that has this record, as `search` and `log` number them",
)
TURNS = Argument(
    "--turns",
    metavar="N",
    type=_count_or_all,
    default=TURNS_SHOWN_DEFAULT,
    help=f"how many of the last turns, or {ALL_TURNS} (default: {TURNS_SHOWN_DEFAULT})",
)
TURNS_ON_ATTACH = Argument(
    "--turns",
    metavar="N",
    type=_count,
    default=TURNS_ON_ATTACH_DEFAULT,
    help=f"how many turns of the past to show (default: {TURNS_ON_ATTACH_DEFAULT})",
)
NO_INPUT = Argument(
    "--no-input",
    "--follow",
    dest="no_input",
    action="store_true",
    help="only watch: take no prompts and ask nothing; go on until Ctrl-C",
)
FROM = Argument(
    "--from", dest="first", metavar="SEQ", type=_count, default=1, help="from this record on"
)
FOLLOW_LOG = Argument("--follow", "-f", action="store_true", help="go on with what is added")
OUTPUT = Argument(
    "-o",
    "--output",
    metavar="FILE",
    help="where to, or - for stdout (default: the thread's name or id, and .codexd.tar)",
)
FORCE = Argument("--force", action="store_true", help="replace a file that is there")
PATHS = Argument(
    "paths",
    metavar="PATH",
    nargs="+",
    help="an exported thread, a rollout of the original, or a folder of them",
)
DRY_RUN = Argument(
    "--dry-run", action="store_true", help="say what would come of it; write nothing"
)
PATTERNS = Argument(
    "patterns", metavar="PATTERN", nargs="*", help="a regular expression: what matches is replaced"
)
SEQS = Argument(
    "--seq",
    dest="seqs",
    metavar="N",
    type=_count,
    action="append",
    help="a record, as `log` numbers them, of which every text is replaced; may be given again",
)
KNOWN = Argument(
    "--known",
    action="store_true",
    help="replace what the daemon knows to be a secret by now, as it does in new records",
)
DETACH_CHILDREN = Argument(
    "--detach-children",
    action="store_true",
    help="give the threads that were forked from it copies of what they share",
)
YES = Argument("--yes", "-y", action="store_true", help="do not ask")
SOME_THREADS = Argument(
    "threads", metavar="THREAD", nargs="*", help="a thread (default: everything that is stored)"
)
SALVAGE = Argument(
    "--salvage",
    action="store_true",
    help="make damaged threads readable: what is lost says so, and the damaged file is kept",
)
SWEEP = Argument(
    "--sweep", action="store_true", help="remove large outputs and images that no thread names"
)
AT_TURN = Argument("--at", metavar="TURN", help="the last turn to take over (default: all)")
LAST_OR_THREAD = Argument(
    "thread",
    metavar="THREAD",
    nargs="?",
    help="an id, the beginning of one, or a name (default: the thread used last)",
)
TO_TURN = Argument(
    "--to",
    metavar="TURN",
    group="way",
    help="the last turn to keep: an id or the beginning of one, its number (1 is the first; 0: keep none), "
    "or -N to take back the last N",
)
UNDO_REVERT = Argument(
    "--undo",
    action="store_true",
    group="way",
    help="bring back what was taken back last; turns since then stay behind it",
)
PREVIEW = Argument(
    "--preview",
    action="store_true",
    group="compacting",
    help="only say what would be kept and lost; no model is asked",
)
PINNED = Argument(
    "seq",
    metavar="SEQ",
    nargs="?",
    type=_count,
    help="the record, as `log` and `search` number them (default: list what is pinned)",
)
UNPINNED = Argument("seq", metavar="SEQ", type=_count, help="the record, as `pin` lists it")
REVIEWED = (
    Argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        help="what to review, in your own words, or - for stdin",
    ),
    Argument(
        "--uncommitted",
        action="store_true",
        group="reviewed",
        help="what is not committed yet (the default)",
    ),
    Argument(
        "--base", metavar="BRANCH", group="reviewed", help="what this branch adds to another one"
    ),
    Argument("--commit", metavar="SHA", group="reviewed", help="what one commit changed"),
    Argument(
        "-t",
        "--thread",
        metavar="THREAD",
        help="the thread that is told of it, where it works (default: a new one, here)",
    ),
)
UNDO_COMPACTION = Argument(
    "--undo",
    action="store_true",
    group="compacting",
    help="have the model's history as if the last compaction had not happened; later turns stay",
)
NOW = Argument("--now", action="store_true", help="do not let running turns come to a safe point")
APPROVAL = Argument(
    "approval",
    metavar="APPROVAL",
    nargs="?",
    help="its id; without one it is shown, and asked about on a terminal",
)
VERDICTS = (
    Argument("--decline", action="store_true", group="verdict", help="no, and the turn goes on"),
    Argument("--cancel", action="store_true", group="verdict", help="no, and the turn is stopped"),
    Argument(
        "--session", action="store_true", group="verdict", help="yes, in this thread from now on"
    ),
)
