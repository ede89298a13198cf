"""The table of subcommands of codexctl: names, helps, arguments and modules."""

from __future__ import annotations

from typing import NamedTuple

from codexd_frontends import account_arguments as account
from codexd_frontends import hook_arguments as hooks
from codexd_frontends import service_arguments as service
from codexd_frontends import session_arguments as session
from codexd_frontends.cli import arguments as arg
from codexd_frontends.cli.argument import Argument
from codexd_frontends.cli.sandbox_arguments import FOLDER, PROGRAM, SANDBOX, SHELL
from codexd_frontends.config_arguments import APP_SERVER, HERE, KEY, KEY_OR_ALL, SETTING, VALUE
from codexd_frontends.exec.arguments import EXEC
from codexd_frontends.feedback_arguments import FEEDBACK
from codexd_frontends.model_arguments import EFFORT, HIDDEN, MODEL, NO_EFFORT


class Subcommand(NamedTuple):
    """One row of the table."""

    name: str
    help: str
    arguments: tuple[Argument, ...]
    module: str = ""  # of codexd_frontends.commands; as the subcommand where it is not named here
    may_start: bool = True  # whether it starts the daemon when none runs
    typed: str = ""  # what is typed while it runs, for its help
    below: tuple[
        Subcommand, ...
    ] = ()  # one of these follows; `module` runs them, by `arguments.action`
    otherwise: str = ""  # the row below that counts where none follows; empty: one must


SUBCOMMANDS = (
    Subcommand(
        "send", "send a prompt and stream its turn", (*arg.SEND_OPTIONS, SETTING, SHELL, arg.PROMPT)
    ),
    Subcommand(
        "exec",
        "run a prompt to its end without asking anybody, for CI jobs and other programs",
        EXEC,
        typed="The last message of the model goes to stdout, what it does to stderr; with --json, stdout has events.\n"
        "The turn ends with this command, however that ends.\n\n",
    ),
    Subcommand(
        "attach",
        "follow a thread in a terminal: its last turns, then everything that happens",
        (arg.THREAD, arg.TURNS_ON_ATTACH, arg.REASONING, arg.NO_INPUT, session.OBSERVE, arg.JSON),
        typed="A typed line is a prompt, or steers the turn that runs; these lines are commands:\n"
        "  !COMMAND     run a command of yours in the thread; the model is told of it\n"
        "  /image FILE  send an image with the next prompt\n"
        "  /interrupt   interrupt the running turn\n"
        "  /quit        leave; the thread continues\n"
        "While an approval is asked for, y, a, n or c answers it.\n"
        "Ctrl-C interrupts the running turn, a second Ctrl-C leaves, and Ctrl-D leaves at once.\n\n",
    ),
    Subcommand("list", "list threads", (arg.ARCHIVED, arg.LIST_LIMIT, arg.SEARCH, arg.JSON)),
    Subcommand(
        "search",
        "find threads by their text",
        (arg.TERMS, arg.SEARCH_LIMIT, arg.ARCHIVED, arg.KIND, arg.JSON),
    ),
    Subcommand(
        "show",
        "show the turns of a thread",
        (
            arg.THREAD,
            arg.TURNS,
            arg.AT_RECORD,
            arg.INSTRUCTIONS,
            arg.REASONING,
            arg.FULL,
            arg.ITEM,
            arg.RAW,
            arg.JSON,
        ),
    ),
    Subcommand(
        "log", "show the raw records of a thread", (arg.THREAD, arg.FROM, arg.FOLLOW_LOG, arg.JSON)
    ),
    Subcommand(
        "usage",
        "show the tokens that threads have used, their cost, and why a cache was missed",
        (arg.SOME_THREAD, arg.DAYS, arg.WHY, arg.JSON),
    ),
    Subcommand(
        "fork", "start a new thread from an old thread", (arg.THREAD, arg.AT_TURN, arg.JSON)
    ),
    Subcommand("archive", "put a thread into the archive", (arg.THREAD, arg.JSON)),
    Subcommand("unarchive", "take a thread out of the archive", (arg.THREAD, arg.JSON), "archive"),
    Subcommand(
        "feedback",
        "show a report of a problem; save it, or send it to the configured endpoint",
        FEEDBACK,
    ),
    Subcommand(
        "export",
        "write a thread to a file, to import it elsewhere",
        (arg.THREAD, arg.OUTPUT, arg.FORCE, arg.JSON),
    ),
    Subcommand(
        "import",
        "import exported threads, or threads of Codex",
        (arg.PATHS, arg.DRY_RUN, arg.JSON),
        "import_",
    ),
    Subcommand(
        "scrub",
        "remove secrets and other text from a thread and its forks",
        (arg.THREAD, arg.PATTERNS, arg.SEQS, arg.KNOWN, arg.DRY_RUN, arg.JSON),
    ),
    Subcommand(
        "delete",
        "delete a thread permanently",
        (arg.THREAD, arg.DETACH_CHILDREN, arg.YES, arg.JSON),
    ),
    Subcommand(
        "fsck",
        "check that stored threads and outputs are undamaged",
        (arg.SOME_THREADS, arg.SALVAGE, arg.SWEEP, arg.JSON),
    ),
    Subcommand(
        "revert",
        "revert the last turns, or restore reverted turns; files on the disk are not changed",
        (arg.LAST_OR_THREAD, arg.TO_TURN, arg.UNDO_REVERT, arg.JSON),
    ),
    Subcommand(
        "compact",
        "shorten the history that the model is sent, preview that, or undo it",
        (arg.LAST_OR_THREAD, arg.PREVIEW, arg.UNDO_COMPACTION, arg.JSON),
    ),
    Subcommand(
        "queue",
        "show and change the prompts of a thread that wait for their turns",
        (),
        below=(
            Subcommand("list", "show them, in the order of their turns", (arg.THREAD, arg.JSON)),
            Subcommand("add", "queue a prompt", (arg.THREAD, arg.PROMPT, arg.JSON)),
            Subcommand("remove", "withdraw a prompt", (arg.THREAD, session.PLACE, arg.JSON)),
            Subcommand(
                "move",
                "give a prompt another place",
                (arg.THREAD, session.PLACE, session.TO_PLACE, arg.JSON),
            ),
        ),
    ),
    Subcommand(
        "pin", "keep a record in every compaction of a thread", (arg.THREAD, arg.PINNED, arg.JSON)
    ),
    Subcommand("unpin", "remove the pin of a record", (arg.THREAD, arg.UNPINNED, arg.JSON), "pin"),
    Subcommand(
        "review",
        "have a model review changes without the conversation",
        (*arg.REVIEWED, arg.JSON),
    ),
    Subcommand("rename", "give a thread a name", (arg.THREAD, arg.NAME, arg.JSON)),
    Subcommand("interrupt", "interrupt the running turn", (arg.THREAD, arg.JSON)),
    Subcommand("ps", "list the commands and sessions that run", (arg.SOME_THREAD, arg.JSON)),
    Subcommand("kill", "end a session, or all", (arg.SOME_THREAD, *session.ENDED, arg.JSON)),
    Subcommand("type", "type into a session", (*session.TYPED, arg.JSON), "type_"),
    Subcommand(
        "approve",
        "show the approval that a thread waits for, and answer it",
        (arg.THREAD, arg.APPROVAL, *arg.VERDICTS, arg.JSON),
    ),
    Subcommand(
        "policy",
        "say which commands of the model run, are asked about or refused, and why",
        (),
        below=(
            Subcommand(
                "check",
                "say what would happen to a command, by which rule or reason; it is not run",
                (arg.OF_THREAD, arg.CWD, arg.ESCALATED, arg.JSON, arg.COMMAND),
            ),
            Subcommand(
                "list",
                "show the rules for commands, and what is allowed for the rest of a thread",
                (arg.SOME_THREAD, arg.JSON),
            ),
            Subcommand(
                "revoke",
                "ask again about what was allowed for the rest of a thread",
                (arg.THREAD, arg.GRANTS, arg.ALL_GRANTS, arg.JSON),
            ),
        ),
    ),
    Subcommand(
        "model",
        "list the models, or choose the one of new threads",
        (arg.JSON,),
        below=(
            Subcommand(
                "list", "list the models, and say which one new threads have", (HIDDEN, arg.JSON)
            ),
            Subcommand(
                "set",
                "write the model of new threads and its effort into config.toml",
                (MODEL, EFFORT, NO_EFFORT, arg.JSON),
            ),
        ),
        otherwise="list",
    ),
    Subcommand(
        "mcp",
        "list, add, remove and log in to MCP servers; `serve`: be one, for other agents",
        (),
        below=(
            Subcommand("list", "list the servers and their states; none is started", (arg.JSON,)),
            Subcommand("get", "start a server, and show what it offers", (arg.SERVER, arg.JSON)),
            Subcommand(
                "add",
                "add a server to config.toml: a command after `--`, or an address",
                (arg.SERVER, *arg.NEW_SERVER, arg.JSON),
            ),
            Subcommand("remove", "remove a server from config.toml", (arg.SERVER, arg.JSON)),
            Subcommand(
                "login",
                "log in at a server over HTTP, in a browser",
                (arg.SERVER, arg.SCOPES, arg.NO_BROWSER, arg.JSON),
            ),
            Subcommand("logout", "forget the login at a server", (arg.SERVER, arg.JSON)),
            Subcommand(
                "serve",
                "be an MCP server on stdin and stdout: other agents' programs start, read and await threads by it",
                (session.ALLOW_APPROVALS,),
            ),
        ),
    ),
    Subcommand(
        "config",
        "show the configuration and why it is so, and change config.toml",
        (),
        below=(
            Subcommand(
                "get",
                "print the value in force of a key, or of all keys that are set",
                (KEY_OR_ALL, HERE, arg.JSON),
            ),
            Subcommand("set", "write a key to config.toml", (KEY, VALUE, arg.JSON)),
            Subcommand("unset", "remove a key from config.toml", (KEY, arg.JSON)),
            Subcommand(
                "explain",
                "show which file or flag decides a key, and why",
                (KEY, HERE, arg.JSON),
            ),
            Subcommand(
                "edit",
                "open a copy of config.toml in $EDITOR, and write it if it can be used",
                (arg.JSON,),
            ),
        ),
    ),
    Subcommand(
        "on",
        "run a command for events of threads, or notify a person: at least once, also after a restart",
        (*hooks.NEW_HOOK, arg.JSON),
        typed="The command stands after `--`; it gets the event as JSON on its standard input.\n\n"
        "  codexctl on done -- ./log-it.sh\n"
        "  codexctl on waiting done --name phone --ntfy https://ntfy.sh/TOPIC\n\n",
    ),
    Subcommand(
        "hooks",
        "list and remove what `codexctl on` added, and read its receipts",
        (),
        below=(
            Subcommand("list", "list the hooks", (arg.JSON,)),
            Subcommand(
                "receipts",
                "show what became of each run of a hook, the newest first",
                (hooks.SOME_HOOK, arg.JSON),
            ),
            Subcommand("dead", "show the events that a hook has given up", (hooks.HOOK, arg.JSON)),
            Subcommand(
                "retry", "run a hook once more for what it has given up", (hooks.HOOK, arg.JSON)
            ),
            Subcommand("remove", "remove a hook", (hooks.HOOK, arg.JSON)),
        ),
    ),
    Subcommand(
        "sandbox",
        "run a command as a model's commands run: in the sandbox of config.toml, or of a mode",
        (SANDBOX, FOLDER, PROGRAM),
        may_start=False,
    ),
    Subcommand(
        "login",
        "log in with ChatGPT, or with an API key from stdin or typed unseen",
        (*account.LOGIN, arg.NO_BROWSER, arg.JSON),
    ),
    Subcommand("logout", "forget the login; that of Codex stays", (arg.JSON,)),
    Subcommand("whoami", "show who is logged in, and what pays for requests", (arg.JSON,)),
    Subcommand("limits", "show the rate limits of the account, and when they reset", (arg.JSON,)),
    Subcommand(
        "doctor",
        "say what is configured, what works, and what mends the rest; nothing is started",
        (arg.JSON,),
        may_start=False,
    ),
    Subcommand("status", "show whether the daemon runs", (arg.JSON,), may_start=False),
    Subcommand("start", "start the daemon", (arg.JSON,)),
    Subcommand("stop", "stop the daemon", (arg.NOW, arg.JSON), may_start=False),
    Subcommand(
        "restart",
        "let the installed version take the daemon's place: commands and turns go on",
        (service.WAIT, arg.JSON),
        may_start=False,
    ),
    Subcommand(
        "service",
        "run the daemon under systemd or launchd, look at it, and read its log",
        (),
        may_start=False,
        below=(
            Subcommand(
                "install",
                "install the service and its socket, and start it",
                (service.REPLACE, service.PREVIEW, arg.JSON),
            ),
            Subcommand("uninstall", "stop and remove the service", (service.PREVIEW, arg.JSON)),
            Subcommand("status", "show what the service manager says of it", (arg.JSON,)),
            Subcommand(
                "logs",
                "show the daemon's log: of the journal, or of its file",
                (service.LINES, service.FOLLOW, service.ABOUT),
            ),
        ),
    ),
    Subcommand("paths", "show the paths of all files and folders", (arg.JSON,), may_start=False),
    Subcommand(
        "app-server",
        "copy stdin and stdout to the daemon, for IDEs and SDKs",
        APP_SERVER,
        "app_server",
    ),
    Subcommand(
        "acp",
        "be an agent on stdin and stdout, for editors that speak the Agent Client Protocol",
        (),
    ),
)
