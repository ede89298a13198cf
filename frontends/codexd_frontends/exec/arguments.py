"""The arguments of `codexctl exec`: those of `codex exec`, wherever they stand beside `resume`, `fork` and `review`."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument
from codexd_frontends.cli.sandbox_arguments import FOLDER, SANDBOX

EXEC = (
    Argument(
        "prompt",
        metavar="PROMPT",
        nargs="*",
        help="the prompt, or - to read it from stdin, as without one; what is piped in beside a prompt is added to "
        "it. Before it may stand `resume THREAD` (or `resume --last`), `fork THREAD`, or `review`",
    ),
    Argument(
        "--json",
        "--experimental-json",
        dest="json",
        action="store_true",
        help="print events as JSON, one a line, as `codex exec --json` does",
    ),
    Argument(
        "-o",
        "--output-last-message",
        metavar="FILE",
        dest="last_message",
        help="write the last message of the model to this file",
    ),
    Argument(
        "--output-schema",
        metavar="FILE",
        help="a JSON schema that the last message of the model has to follow",
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
    Argument("-m", "--model", metavar="MODEL", help="the model to use"),
    Argument(
        "--oss",
        action="store_true",
        help="use a model on this machine: the daemon looks for a running server",
    ),
    Argument(
        "--local-provider",
        metavar="NAME",
        help="the same with this server: ollama, lmstudio, llamacpp or vllm",
    ),
    Argument(
        "-c",
        "--config",
        metavar="KEY=VALUE",
        dest="settings",
        action="append",
        default=[],
        help="a setting of this thread before those of config.toml; may be repeated",
    ),
    Argument("--enable", metavar="FEATURE", action="append", default=[], help="-c features.X=true"),
    Argument(
        "--disable", metavar="FEATURE", action="append", default=[], help="-c features.X=false"
    ),
    Argument(
        "-p",
        "--profile",
        metavar="NAME",
        help="the settings of NAME.config.toml, beside config.toml, for this thread",
    ),
    Argument(
        "--strict-config",
        action="store_true",
        help="refuse settings that cannot be set for one thread, instead of ignoring them",
    ),
    SANDBOX,
    Argument("--full-auto", action="store_true", help="the same as -s workspace-write"),
    Argument(
        "--dangerously-bypass-approvals-and-sandbox",
        "--yolo",
        dest="bypass",
        action="store_true",
        help="run commands without a sandbox, in any folder, and ask nobody; only where all of it is confined by "
        "something else",
    ),
    FOLDER,
    Argument(
        "--add-dir",
        metavar="DIR",
        dest="more_folders",
        action="append",
        default=[],
        help="one more directory that commands may write in with -s workspace-write; may be repeated",
    ),
    Argument(
        "--skip-git-repo-check",
        action="store_true",
        help="work outside of a Git repository, too, in a directory that nobody has trusted",
    ),
    Argument(
        "--ephemeral", action="store_true", help="store nothing: the thread ends with the turn"
    ),
    Argument(
        "--thread-source", metavar="TEXT", help="why the thread is started, for lists of threads"
    ),
    Argument("--last", action="store_true", help="resume: the thread used last in the directory"),
    Argument("--all", action="store_true", help="resume --last: of any directory"),
    Argument(
        "--uncommitted",
        action="store_true",
        group="reviewed",
        help="review: all uncommitted changes (the default)",
    ),
    Argument(
        "--base",
        metavar="BRANCH",
        group="reviewed",
        help="review: the changes of this branch since BRANCH",
    ),
    Argument("--commit", metavar="SHA", group="reviewed", help="review: the changes of one commit"),
    Argument("--title", metavar="TITLE", help="review --commit: the title of the commit"),
)
