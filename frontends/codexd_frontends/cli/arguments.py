"""The arguments of subcommands; the table in `subcommands` says which subcommand takes which."""

from __future__ import annotations

from codexd_frontends.cli.argument import ALL_TURNS, Argument, count, count_or_all, limit
from codexd_frontends.cli.sandbox_arguments import FOLDER, SANDBOX

TURNS_ON_ATTACH_DEFAULT = 20  # a few screens; `show` has more
TURNS_SHOWN_DEFAULT = 50  # people mostly look for recent turns, and a thread may have any number
LIST_LIMIT_DEFAULT = 50  # a screen or two; a program that wants all threads says --json
SEARCH_LIMIT_DEFAULT = 10  # a screen or two of places
USAGE_DAYS_DEFAULT = 30  # bills are monthly


JSON = Argument("--json", action="store_true", help="print JSON, for programs")
THREAD = Argument(
    "thread", metavar="THREAD", help="an id, the beginning of one (4 characters or more), or a name"
)
PROMPT = Argument("prompt", metavar="PROMPT", help="the prompt, or - to read it from stdin")
NAME = Argument("name", metavar="NAME", help="the new name")

REASONING = Argument(
    "--reasoning",
    choices=("none", "summary", "raw"),
    help="how much of the model's reasoning is shown (default: as in config.toml, else summary)",
)

SEND_OPTIONS = (
    Argument(
        "-t",
        "--thread",
        metavar="THREAD",
        group="to",
        help="send to this thread; if a turn runs there, the prompt waits for its end",
    ),
    Argument("--last", action="store_true", group="to", help="send to the thread used last"),
    Argument("--new", action="store_true", group="to", help="start a new thread (the default)"),
    Argument("-m", "--model", metavar="MODEL", help="the model to use"),
    Argument(
        "--provider",
        metavar="NAME",
        group="provider",
        help="the provider to use: a name in config.toml, or a well-known provider",
    ),
    Argument(
        "--oss",
        action="store_true",
        group="provider",
        help="use a model on this machine: the daemon looks for a running server",
    ),
    Argument(
        "--local-provider",
        metavar="NAME",
        group="provider",
        help="the same with this server: ollama, lmstudio, llamacpp or vllm",
    ),
    Argument(
        "-i",
        "--image",
        metavar="FILE[,FILE]",
        dest="images",
        action="append",
        default=[],
        help="an image for the model: PNG, JPEG, GIF or WebP; may be repeated",
    ),
    FOLDER,
    Argument("--effort", metavar="EFFORT", help="the model's reasoning effort: low, medium, high"),
    Argument(
        "--summary",
        choices=("auto", "concise", "detailed", "none"),
        help="how the model summarizes its reasoning",
    ),
    Argument(
        "--verbosity", choices=("low", "medium", "high"), help="the length of the model's answers"
    ),
    Argument(
        "--approval-policy",
        choices=("untrusted", "on-request", "never"),
        help="when to ask before a command runs",
    ),
    SANDBOX,
    REASONING,
    JSON,
)

INSTRUCTIONS = Argument(
    "--instructions",
    action="store_true",
    help="show the instructions that the model receives before the first prompt, and their files",
)
FULL = Argument(
    "--full",
    action="store_true",
    group="part",
    help="the whole output of every command, up to now if it runs",
)
ITEM = Argument(
    "--item",
    metavar="ITEM",
    group="part",
    help="only the whole output of this command; --full names the items, and so does --json",
)
RAW = Argument(
    "--raw",
    action="store_true",
    help="with --item, into a file or a pipe: byte for byte as it was printed",
)
ARCHIVED = Argument("--archived", action="store_true", help="archived threads instead")
LIST_LIMIT = Argument(
    "--limit",
    metavar="N",
    type=limit,
    default=None,
    help=f"show at most N (default: {LIST_LIMIT_DEFAULT}; with --json all)",
)
SEARCH_LIMIT = Argument(
    "--limit",
    metavar="N",
    type=limit,
    default=None,
    help=f"show at most N (default: {SEARCH_LIMIT_DEFAULT})",
)
SEARCH = Argument("--search", metavar="TEXT", help="only threads whose title has this text")
SOME_THREAD = Argument(
    "thread",
    metavar="THREAD",
    nargs="?",
    help="an id, the beginning of one, or a name (default: all threads)",
)
DAYS = Argument(
    "--days",
    metavar="N",
    type=count_or_all,
    default=USAGE_DAYS_DEFAULT,
    help=f"for all threads: the usage of the last N days, in UTC, or {ALL_TURNS}"
    f" (default: {USAGE_DAYS_DEFAULT})",
)
WHY = Argument(
    "--why",
    action="store_true",
    help="for a thread: which requests missed the provider's prompt cache, and what changed before them",
)
TERMS = Argument(
    "terms",
    metavar="TERM",
    nargs="+",
    help='what to look for: words, "a phrase", prefix*; a text must have all terms',
)
SEARCHED_KINDS = ("name", "prompt", "answer", "path", "command", "reasoning", "output")
KIND = Argument(
    "--kind",
    dest="kinds",
    choices=SEARCHED_KINDS,
    action="append",
    help="only in this kind of text; may be repeated",
)
AT_RECORD = Argument(
    "--at",
    metavar="SEQ",
    dest="at_seq",
    type=count,
    help="only the turn that has this record, by its number in `search` and `log`",
)
TURNS = Argument(
    "--turns",
    metavar="N",
    type=count_or_all,
    default=TURNS_SHOWN_DEFAULT,
    help=f"how many of the last turns to show, or {ALL_TURNS} (default: {TURNS_SHOWN_DEFAULT})",
)
TURNS_ON_ATTACH = Argument(
    "--turns",
    metavar="N",
    type=count,
    default=TURNS_ON_ATTACH_DEFAULT,
    help=f"how many earlier turns to show (default: {TURNS_ON_ATTACH_DEFAULT})",
)
NO_INPUT = Argument(
    "--no-input",
    "--follow",
    dest="no_input",
    action="store_true",
    help="only watch: take no prompts and ask nothing, until Ctrl-C",
)
FROM = Argument(
    "--from",
    dest="first",
    metavar="SEQ",
    type=count,
    default=1,
    help="start at this record (default: 1)",
)
FOLLOW_LOG = Argument(
    "--follow", "-f", action="store_true", help="also print new records as they are added"
)
OUTPUT = Argument(
    "-o",
    "--output",
    metavar="FILE",
    help="the file to write, or - for stdout (default: the thread's name or id, and .codexd.tar)",
)
FORCE = Argument("--force", action="store_true", help="replace an existing file")
PATHS = Argument(
    "paths",
    metavar="PATH",
    nargs="+",
    help="an exported thread, a rollout of Codex, or a folder of such files",
)
DRY_RUN = Argument(
    "--dry-run", action="store_true", help="report what would be done; write nothing"
)
PATTERNS = Argument(
    "patterns", metavar="PATTERN", nargs="*", help="a regular expression; every match is replaced"
)
SEQS = Argument(
    "--seq",
    dest="seqs",
    metavar="N",
    type=count,
    action="append",
    help="a record, by its number in `log`, whose texts are all replaced; may be repeated",
)
KNOWN = Argument(
    "--known",
    action="store_true",
    help="replace all secrets that the daemon knows now, as in new records",
)
DETACH_CHILDREN = Argument(
    "--detach-children",
    action="store_true",
    help="first copy the shared records into the threads that were forked from it",
)
YES = Argument("--yes", "-y", action="store_true", help="do not ask")
SOME_THREADS = Argument(
    "threads", metavar="THREAD", nargs="*", help="a thread (default: everything that is stored)"
)
SALVAGE = Argument(
    "--salvage",
    action="store_true",
    help="make damaged threads readable: lost records are marked, and the damaged file is kept",
)
SWEEP = Argument(
    "--sweep", action="store_true", help="remove large outputs and images that no thread names"
)
AT_TURN = Argument(
    "--at",
    metavar="TURN",
    help="the last turn to include: an id or the beginning of one (default: all)",
)
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
    "or -N to revert the last N",
)
UNDO_REVERT = Argument(
    "--undo",
    action="store_true",
    group="way",
    help="restore the turns of the last revert; later turns stay after them",
)
PREVIEW = Argument(
    "--preview",
    action="store_true",
    group="compacting",
    help="only show what would be kept and dropped; no request is sent",
)
PINNED = Argument(
    "seq",
    metavar="SEQ",
    nargs="?",
    type=count,
    help="the record, by its number in `log` and `search` (default: list the pinned records)",
)
UNPINNED = Argument("seq", metavar="SEQ", type=count, help="the record, by its number in `pin`")
REVIEWED = (
    Argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        help="instructions for the review, or - to read them from stdin",
    ),
    Argument(
        "--uncommitted",
        action="store_true",
        group="reviewed",
        help="review all uncommitted changes (the default)",
    ),
    Argument(
        "--base",
        metavar="BRANCH",
        group="reviewed",
        help="review the changes of this branch since BRANCH",
    ),
    Argument("--commit", metavar="SHA", group="reviewed", help="review the changes of one commit"),
    Argument(
        "-t",
        "--thread",
        metavar="THREAD",
        help="add the findings to this thread, and review in its directory; a turn that runs there is interrupted "
        "(default: a new thread, here)",
    ),
)
UNDO_COMPACTION = Argument(
    "--undo",
    action="store_true",
    group="compacting",
    help="restore the model's history as if the last compaction had not happened; later turns stay",
)
NOW = Argument(
    "--now", action="store_true", help="kill commands instead of giving them time to tidy up"
)
APPROVAL = Argument(
    "approval",
    metavar="APPROVAL",
    nargs="?",
    help="the approval's id; it is accepted, if no option says otherwise; without it the approval is shown, and "
    "on a terminal you are asked",
)
VERDICTS = (
    Argument("--decline", action="store_true", group="verdict", help="decline; the turn continues"),
    Argument("--cancel", action="store_true", group="verdict", help="decline, and stop the turn"),
    Argument(
        "--session",
        action="store_true",
        group="verdict",
        help="allow it in this thread from now on",
    ),
    Argument(
        "--always",
        action="store_true",
        group="verdict",
        help="allow it, and from now on all commands that begin with the words that the approval proposes, or "
        "the host",
    ),
    Argument(
        "--no",
        metavar="WORDS",
        group="verdict",
        help="decline, and tell the model in these words what to do instead; the turn continues",
    ),
)
OF_THREAD = Argument(
    "--thread",
    metavar="THREAD",
    help="the thread whose settings and grants count (default: those of a new thread in the folder)",
)
CWD = Argument(
    "--cwd", metavar="DIR", help="where it would run (default: the thread's folder, or this one)"
)
ESCALATED = Argument(
    "--escalated",
    action="store_true",
    help="as if the model asked to run it outside of the sandbox",
)
COMMAND = Argument(
    "command",
    metavar="COMMAND",
    nargs="+",
    help="a shell line in one word, or the words of a command after `--`",
)
GRANTS = Argument(
    "grants", metavar="ID", nargs="*", help="which; `codexctl policy list THREAD` shows the ids"
)
ALL_GRANTS = Argument("--all", action="store_true", help="all of them")
SERVER = Argument("name", metavar="NAME", help="the server's name in config.toml")
NEW_SERVER = (
    Argument(
        "--env",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a variable for the command; may be repeated",
    ),
    Argument("--url", metavar="URL", help="the address of a server over HTTP"),
    Argument(
        "--bearer-token-env-var",
        metavar="NAME",
        help="the variable of the daemon's environment that holds its token",
    ),
    Argument(
        "--oauth-client-id",
        metavar="ID",
        help="the client id for logins, where the server knows it",
    ),
    Argument("--oauth-resource", metavar="URL", help="the resource that a login is for"),
)
SCOPES = Argument(
    "--scopes",
    metavar="A,B",
    help="the scopes to ask for (default: as config.toml or the server says)",
)
NO_BROWSER = Argument("--no-browser", action="store_true", help="only print the address")
