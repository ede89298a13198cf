"""Which shell lines are known to only read, so that the policy "untrusted" does not ask about them.

A line is harmless if `shell_line.py` understands all of it, each of
its programs is in the table of `read_only_programs.py` with arguments that only read, and it opens no device and no
process in /proc.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from codexd.core.shell.git_reader import folders_of_git
from codexd.core.shell.options import words_of
from codexd.core.shell.read_only_programs import READERS, folders_of_cd
from codexd.core.shell.shell_line import NotUnderstood, SimpleCommand, Word, simple_commands

# Opening a device may rewind a tape, reset a board or take typed input, and reading it may never end; in
# bash `< /dev/tcp/HOST/PORT` opens a connection. These two are known to be harmless.
_DEVICES_READ = frozenset({"/dev/null", "/dev/stdin"})
# In /proc other processes have their environment with its secrets, their memory, files and devices.
_PROC_READ = words_of(
    "/proc/cgroups /proc/cpuinfo /proc/filesystems /proc/loadavg /proc/meminfo /proc/mounts /proc/net/dev "
    "/proc/partitions /proc/self/cgroup /proc/self/limits /proc/self/mountinfo /proc/self/mounts /proc/self/status "
    "/proc/stat /proc/swaps /proc/sys/kernel/ostype /proc/uptime /proc/version /proc/vmstat"
)
# Relative, but absolute where the working directory is `/`.
_BELOW_ROOT = re.compile(r"(?:\./*)*(?:dev|proc)(?:/.*)?", re.DOTALL)
# All slashes and dots before it, from the first on: no run of them is scanned twice.
_DEVICE = re.compile(r"(?<![/.])(?P<run>[/.]++)(?<=/)(?:dev|proc)(?:/|$)")
# Programs that read only a file's metadata, or its name. In a line with xargs a program reads what they print.
_OPEN_NOTHING = words_of("[ [[ basename df dirname echo ls printf readlink realpath stat test")
# Programs that read all files below a folder: below the root are devices and processes too.
_READ_BELOW = words_of("diff egrep fgrep grep rg")
_EXEC = words_of("-exec -execdir")
_ROOT = re.compile(r"/[/.]*+")


class Reading(msgspec.Struct, frozen=True):
    """The programs of a harmless line, and its folders."""

    programs: frozenset[str]
    # The arguments of `cd` and `git -C`; "~" for a `cd` without an argument.
    folders: frozenset[str]
    is_below_root: bool = False  # whether it opens devices or processes if it runs in `/`


def is_read_only(command: str) -> bool:
    """Whether every part of a shell line is known to only read, and git, if any, runs in the line's folder."""
    reading = reading_of(command)
    return reading is not None and ("git" not in reading.programs or reading.folders <= {"."})


def reading_of(command: str) -> Reading | None:
    """The reading of a harmless line; None for a line that is not known to be harmless."""
    try:
        return reading_of_parts(simple_commands(command))
    except NotUnderstood:
        return None


def reading_of_parts(parts: Sequence[SimpleCommand]) -> Reading | None:
    """The reading of simple commands; None if one of them is not known to only read."""
    if not all(_reads(part) for part in parts):
        return None
    if any(part.words[0].text == "xargs" for part in parts) and any(
        _opens_device(word) for part in parts for word in part.words
    ):
        return None
    folders = [folder for part in parts for folder in _folders(part)]
    opened = (word for part in parts for word in (*_opened(part), *part.inputs))
    return Reading(
        frozenset(part.words[0].text for part in parts),
        frozenset(folders),
        any(_is_below_root(word) for word in opened),
    )


def is_special_folder(folder: str) -> bool:
    """Whether the files of a folder are devices, or what /proc has of processes."""
    return _opens_device(Word(f"{folder}/"))


def _opened(part: SimpleCommand) -> tuple[Word, ...]:
    return () if part.words[0].text in _OPEN_NOTHING else part.words[1:]


def _is_below_root(word: Word) -> bool:
    at = word.pattern_at
    if at is not None and "/" in word.text[at:] and "/" not in word.text[:at]:
        return True  # `d*/tty` too
    return _BELOW_ROOT.fullmatch(word.text) is not None


def _reads(part: SimpleCommand) -> bool:
    program, arguments = part.words[0].text, part.words[1:]
    reads = READERS.get(program)
    if (
        reads is None
        or not reads(arguments)
        or any(_opens_device(input_) for input_ in part.inputs)
    ):
        return False
    texts = {word.text for word in arguments}
    below_root = program in _READ_BELOW or (program == "find" and not texts.isdisjoint(_EXEC))
    if below_root and any(_ROOT.fullmatch(text) for text in texts):
        return False
    return not any(_opens_device(word) for word in _opened(part))


def _opens_device(word: Word) -> bool:
    text = word.text
    if text in _DEVICES_READ or text in _PROC_READ:
        return False
    if (
        word.pattern_at is not None
        and text.startswith("/")
        and "/" not in text[1 : word.pattern_at]
    ):
        return True  # `/d*/tty` too
    return any(
        ".." in found["run"] or (found["run"].startswith("/") and _begins_path(text, found.start()))
        for found in _DEVICE.finditer(text)
    )


def _begins_path(text: str, at: int) -> bool:
    """Whether an absolute path may begin here: also after an option's letter, and after a sign in a word."""
    return at == 0 or text[at - 1] in "=:," or (at == 2 and text.startswith("-"))


def _folders(part: SimpleCommand) -> tuple[str, ...]:
    match part.words[0].text:
        case "cd":
            return folders_of_cd(part.words[1:]) or ("~",)
        case "git":
            return folders_of_git(part.words[1:])
    return ()
