"""What a command line of `exec` asks for: a new thread, an old one, or a review; and its prompt. Reads stdin and files."""

from __future__ import annotations

import argparse
import sys
from typing import Final, Literal, NamedTuple

import msgspec

from codexd.machine.foreign_files import read_file
from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.utf8 import text_of
from codexd_frontends.client.errors import CommandError, UsageError
from codexd_frontends.screen.drawn import one_line

# More than any model reads; a file given by mistake is refused before it is sent.
PROMPT_BYTES_MAX: Final = 16 << 20
# What the daemon takes of a schema.
SCHEMA_BYTES_MAX: Final = 1 << 20


class NotRun(CommandError):
    """Nothing was run, for a reason that `codex exec` ends with 1 for, too."""


class Asked(NamedTuple):
    """The words of the command line, understood."""

    action: Literal["start", "resume", "fork", "review"]
    thread: str | None = None  # None with `resume`: the thread used last
    prompt: str | None = None  # None: none was given, and stdin has it


def asked_of(arguments: argparse.Namespace) -> Asked:
    """What the words ask for. Raises: UsageError."""
    words: list[str] = arguments.prompt
    match words[:1]:
        case ["resume"]:
            thread, rest = (None, words[1:]) if arguments.last else _first(words)
            asked = Asked("resume", thread, _only("resume", rest))
        case ["fork"]:
            thread, rest = _first(words)
            asked = Asked("fork", thread, _only("fork", rest))
        case ["review"]:
            asked = Asked("review", None, _only("review", words[1:]))
        case _:
            asked = Asked("start", None, _only("", words))
    _check(arguments, asked)
    return asked


def _first(words: list[str]) -> tuple[str, list[str]]:
    if len(words) < 2 or not words[1]:
        hint = " or --last" if words[0] == "resume" else ""
        raise UsageError(f"{words[0]}: expected a THREAD{hint}, found none; nothing was run")
    return words[1], words[2:]


def _only(action: str, rest: list[str]) -> str | None:
    if len(rest) > 1:
        where = f" after `{action}`" if action else ""
        raise UsageError(
            f"expected one PROMPT{where}, found {len(rest)} words; quote it. Nothing was run"
        )
    return rest[0] if rest else None


def _check(arguments: argparse.Namespace, asked: Asked) -> None:
    """Refuse flags of another action. Raises: UsageError."""
    of_review = ("uncommitted", "base", "commit", "title")
    for action, names in (("resume", ("last", "all")), ("review", of_review)):
        for name in names:
            if getattr(arguments, name) and asked.action != action:
                raise UsageError(f"--{name} is of `exec {action}`; nothing was run")
    if asked.action == "review":
        for name in ("images", "output_schema"):
            if getattr(arguments, name):
                raise UsageError(
                    f"--{name.rstrip('s').replace('_', '-')} is of a prompt; nothing was reviewed"
                )


def read_prompt(asked: Asked, console: Console) -> str:
    """The prompt, from the command line and from stdin. Raises: NotRun, UsageError."""
    word = asked.prompt
    if word is None or word == "-":
        if word is None:
            if sys.stdin.isatty():
                raise NotRun(
                    "no prompt was given: write it as an argument, or pipe it into stdin; nothing was run"
                )
            console.talk("Reading prompt from stdin...")
        word = _read_stdin()
        if not word.strip():
            raise NotRun("no prompt came on stdin; nothing was run")
    elif asked.action == "start" and not sys.stdin.isatty():
        console.talk("Reading additional input from stdin...")
        more = _read_stdin()
        if more.strip():
            end = "" if more.endswith("\n") else "\n"
            word = f"{word}\n\n<stdin>\n{more}{end}</stdin>"
    if not word.strip():
        raise NotRun("the prompt is empty; nothing was run")
    if len(word) > INPUT_CHARACTERS_MAX:
        raise UsageError(
            f"expected a prompt of at most {INPUT_CHARACTERS_MAX} characters, found {len(word)}; nothing was run"
        )
    return word


def _read_stdin() -> str:
    read = sys.stdin.buffer.read(PROMPT_BYTES_MAX + 1)
    if len(read) > PROMPT_BYTES_MAX:
        raise UsageError(
            f"what comes on stdin is longer than {PROMPT_BYTES_MAX} bytes; nothing was run"
        )
    return text_of(read, "the prompt on stdin")


def read_schema(path: str | None) -> msgspec.Raw | None:
    """The schema in a file, as it is. Raises: NotRun."""
    if path is None:
        return None
    try:
        read = read_file(path, SCHEMA_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise NotRun(
            f"the schema file {one_line(path)} cannot be read: {why}; nothing was run"
        ) from error
    if len(read) > SCHEMA_BYTES_MAX:
        raise NotRun(
            f"expected a schema of at most {SCHEMA_BYTES_MAX} bytes, found more in {one_line(path)}; nothing was run"
        )
    try:
        msgspec.json.decode(read)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotRun(
            f"the schema file {one_line(path)} is not valid JSON: {error}; nothing was run"
        ) from error
    return msgspec.Raw(read)


def review_target(arguments: argparse.Namespace, prompt: str | None) -> dict[str, object]:
    """The target of a review, as on the wire. Raises: UsageError."""
    named = arguments.uncommitted or arguments.base or arguments.commit
    if prompt is not None and named:
        raise UsageError(
            "expected a PROMPT or one of --uncommitted, --base and --commit, found both; nothing was reviewed"
        )
    if arguments.title and not arguments.commit:
        raise UsageError("--title is of --commit; nothing was reviewed")
    if arguments.base:
        return {"type": "baseBranch", "branch": arguments.base}
    if arguments.commit:
        return {"type": "commit", "sha": arguments.commit, "title": arguments.title}
    if prompt is not None:
        return {"type": "custom", "instructions": prompt}
    return {"type": "uncommittedChanges"}
