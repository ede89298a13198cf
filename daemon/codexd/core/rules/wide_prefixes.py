"""Which beginnings of commands would allow everything, so that no approval makes a rule of them.

`bash -c`, `python3 -`, `env A=1` and `git -C x` say nothing about what would run. A person who wants such a rule can
write it into the file.
"""

from __future__ import annotations

import re
from typing import Final

from codexd.core.rules.prefix_rules import base_name

# Long enough for the beginning of a command; a rule is a line that a person reads.
PREFIX_WORDS_MAX: Final = 32
PREFIX_CHARACTERS_MAX: Final = 400

# Programs that run what an argument, a file or their input says. Words that begin with `-` say nothing of it.
_INTERPRETERS: Final = frozenset(
    [
        "ash",
        "awk",
        "bash",
        "bun",
        "csh",
        "dash",
        "deno",
        "elvish",
        "eval",
        "expect",
        "fish",
        "gawk",
        "groovy",
        "irb",
        "java",
        "julia",
        "ksh",
        "lua",
        "luajit",
        "mawk",
        "mksh",
        "nawk",
        "node",
        "nodejs",
        "nu",
        "osascript",
        "perl",
        "php",
        "pwsh",
        "powershell",
        "py",
        "pypy",
        "python",
        "pythonw",
        "pyw",
        "R",
        "Rscript",
        "ruby",
        "scala",
        "sh",
        "source",
        ".",
        "sqlite3",
        "tclsh",
        "tcsh",
        "ts-node",
        "tsx",
        "xonsh",
        "yash",
        "zsh",
    ]
)
# Programs that run the command in their arguments, after options, numbers and `NAME=value`; of the first ones, after
# a word for the place where it runs.
_IN_A_PLACE: Final = frozenset(["chroot", "flock", "gosu", "ssh"])
_CONTAINERS: Final = frozenset({"docker", "kubectl", "podman"})
_WRAPPERS: Final = _IN_A_PLACE | frozenset(
    [
        "builtin",
        "bunx",
        "busybox",
        "caffeinate",
        "chrt",
        "command",
        "doas",
        "env",
        "entr",
        "exec",
        "find",
        "firejail",
        "gdb",
        "ionice",
        "ltrace",
        "nice",
        "nohup",
        "nsenter",
        "npx",
        "parallel",
        "pkexec",
        "prlimit",
        "rlwrap",
        "script",
        "setarch",
        "setpriv",
        "setsid",
        "stdbuf",
        "strace",
        "su",
        "sudo",
        "systemd-run",
        "taskset",
        "time",
        "timeout",
        "torsocks",
        "toybox",
        "unbuffer",
        "unshare",
        "uvx",
        "valgrind",
        "watch",
        "xargs",
        "xvfb-run",
    ]
)
# And those that do so with a first word.
_RUNNERS: Final = frozenset(
    (program, word)
    for word, programs in {
        "run": "conda docker pipenv pixi podman poetry rye uv",
        "exec": "bundle docker kubectl npm pnpm podman yarn",
        "dlx": "pnpm yarn",
    }.items()
    for program in programs.split()
)
# Programs whose first bare word says what they do; the value of these options comes before it.
_WITH_SUBCOMMANDS: Final = {
    "git": frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"})
}
_SAYS_NOTHING: Final = re.compile(
    r"-.*|[0-9.]+[smhd]?|[A-Za-z_][A-Za-z0-9_]*=.*|\.|\{\}|;|", re.ASCII | re.DOTALL
)


def prefix_problem(prefix: tuple[str, ...]) -> str | None:
    """Why no rule is made of these words, as the end of "it …"; None if they may be a rule."""
    if not prefix or not prefix[0]:
        return "has no words"
    if len(prefix) > PREFIX_WORDS_MAX or sum(map(len, prefix)) > PREFIX_CHARACTERS_MAX:
        return f"is longer than {PREFIX_WORDS_MAX} words or {PREFIX_CHARACTERS_MAX} characters"
    if not all(word.isascii() and word.isprintable() for word in prefix):
        return "has other characters than the visible ones of ASCII, and may look like another"
    if "/" in prefix[0] and not prefix[0].startswith("/"):
        return "names a program by its place in a folder, and there are many folders"
    if is_too_wide(prefix):
        return "would allow nearly every command"
    return None


def is_too_wide(prefix: tuple[str, ...]) -> bool:
    """Whether the words leave open what would run."""
    words = prefix
    while words:  # Each turn takes a word away.
        program, words = _without_version(base_name(words[0])), words[1:]
        if program in _INTERPRETERS:
            return all(word.startswith("-") for word in words)
        valued = _WITH_SUBCOMMANDS.get(program)
        if valued is not None:
            return not _subcommand(words, valued)
        is_runner = bool(words) and (program, words[0]) in _RUNNERS
        if program not in _WRAPPERS and not is_runner:
            return False
        words = _after_options(words[is_runner:])
        if program in _IN_A_PLACE or program in _CONTAINERS:
            words = _after_options(words[1:])
    return True


def _without_version(program: str) -> str:
    """`python` for `python3.11`, and `bash` for `bash.exe`."""
    return program.removesuffix(".exe").rstrip("0123456789.") or program


def _after_options(words: tuple[str, ...]) -> tuple[str, ...]:
    before = ""
    # The word after an option may be its value.
    while words and (_SAYS_NOTHING.fullmatch(words[0]) or before.startswith("-")):
        before, words = words[0], words[1:]
    return words


def _subcommand(words: tuple[str, ...], valued: frozenset[str]) -> str | None:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in valued else 1
    return words[at] if at < len(words) else None
