"""The programs that are known to only read, and the options with which they do.

A program either stands under `_ALL_OPTIONS_READ`, or its options are listed: one that is not listed may
write, send or run something. In a listed one every word that begins with `-` must be a known option,
wherever it stands, so nothing can hide as the value of another, nor after `--`. And no word may begin
with a file pattern, since a file's name may begin with `-`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec


class Word(msgspec.Struct, frozen=True):
    """A word of a shell line, without its quotes."""

    text: str
    pattern_at: int | None = None  # where in the text its first unquoted `*`, `?` or `[` stands


Words = tuple[Word, ...]
Reader = Callable[[Words], bool]  # whether a program with these arguments only reads


class Options(msgspec.Struct, frozen=True):
    """The options with which a program only reads."""

    short: str = ""  # letters that stand alone or together: -n, -nr
    valued: str = ""  # letters whose value may follow at once: -k2, -t,
    long: frozenset[str] = frozenset()  # without the dashes; a value may follow after `=`

    def all_known(self, words: Words) -> bool:
        """Whether no word is or may become an option that is not listed here."""
        return all(self._knows(word) for word in words)

    def _knows(self, word: Word) -> bool:
        if word.pattern_at == 0:
            return False
        if not word.text.startswith("-") or word.text in ("-", "--"):
            return True
        if word.text.startswith("--"):
            return word.text[2:].partition("=")[0] in self.long
        for letter in word.text[1:]:
            if letter in self.valued:
                return True
            if letter not in self.short:
                return False
        return True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _options(short: str = "", valued: str = "", long: str = "") -> Options:
    return Options(short, valued, _words(long))


_ALL_OPTIONS_READ = _words(
    "basename cat comm cut df dirname du echo egrep false fgrep grep head id ls nl pwd readlink "
    "realpath seq stat tac tail tr true uname wc which whoami"
)

_FILE = _options("bhikLNr0", "", "brief mime mime-type mime-encoding dereference no-dereference")

_RG = _options(
    "0.acFhHiIlLnNopPqsSuUvwx",
    "ABCdeEfgjmMrtT",
    "after-context before-context color column context count files files-with-matches "
    "files-without-match fixed-strings follow glob heading hidden iglob ignore-case invert-match json "
    "line-number max-columns max-count max-depth multiline no-config no-filename no-heading no-ignore "
    "no-line-number no-messages null only-matching pcre2 pretty quiet regexp replace smart-case sort stats "
    "text type type-list type-not vimgrep with-filename word-regexp",
)

_SORT = _options(
    "bcCdfghiMmnRrsuVz",
    "kt",
    "check dictionary-order field-separator general-numeric-sort human-numeric-sort ignore-case "
    "ignore-leading-blanks key merge month-sort numeric-sort reverse stable unique version-sort "
    "zero-terminated",
)

_UNIQ = _options("cdDiuz", "", "count repeated unique ignore-case zero-terminated")

_FIND = _words(
    "-H -L -P -a -amin -and -anewer -atime -cmin -cnewer -ctime -daystart -depth -empty -false -follow "
    "-group -iname -inum -ipath -iregex -links -ls -maxdepth -mindepth -mmin -mount -mtime -name -newer "
    "-newermt -nogroup -not -nouser -o -or -path -perm -print -print0 -printf -prune -readable "
    "-regex -regextype -samefile -size -true -type -user -wholename -writable -executable "
    "-xdev"
)
_SIGNED_NUMBER = re.compile(r"-[0-9]+[a-zA-Z]?", re.ASCII)

_SED_PRINTS = re.compile(r"(?:(?:[0-9]+|\$)(?:,(?:[0-9]+|\$))?p;?)+", re.ASCII)

_DATE_READS = re.compile(r"-u|-R|--utc|--rfc-email|-I[a-z]*|--date=.*|\+.*", re.ASCII | re.DOTALL)

# Those that look at one file or one text. -v is not among them: shells evaluate what its word holds.
_TESTS = frozenset(f"-{letter}" for letter in "bcdefghkLnOGNprsSuwxz")

_DIFF_LONG = (
    "abbrev cached cc check color color-words cumulative diff-filter dirstat exit-code find-copies "
    "find-renames full-index function-context histogram ignore-all-space ignore-blank-lines "
    "ignore-space-at-eol ignore-space-change inter-hunk-context merge-base minimal name-only name-status "
    "no-color no-ext-diff no-patch no-prefix no-renames no-textconv numstat patch patch-with-stat "
    "patience pickaxe-all pickaxe-regex quiet raw relative shortstat staged stat submodule summary text "
    "unified word-diff word-diff-regex"
)
_LOG_LONG = (
    "abbrev-commit after all all-match ancestry-path author author-date-order basic-regexp before "
    "boundary branches cherry cherry-mark cherry-pick committer date date-order decorate extended-regexp "
    "first-parent fixed-strings follow format graph grep invert-grep left-right max-count merges "
    "name-rev no-decorate no-merges no-notes no-walk oneline perl-regexp pretty regexp-ignore-case "
    "remotes reverse simplify-by-decoration since skip source tags topo-order until walk-reflogs"
)
_DIFF_SHORT, _DIFF_VALUED = "abDpqRrstuwz", "BCGMSUl"

_GIT: Mapping[str, Options] = {
    "blame": _options(
        "bceflnpstw", "CLM", "abbrev date line-porcelain porcelain root show-email since"
    ),
    "diff": _options(_DIFF_SHORT, _DIFF_VALUED, _DIFF_LONG),
    "log": _options(
        _DIFF_SHORT + "cEFgimP0123456789", _DIFF_VALUED + "Ln", f"{_DIFF_LONG} {_LOG_LONG}"
    ),
    "ls-files": _options(
        "cdikmostuvz",
        "x",
        "abbrev cached deleted directory eol exclude exclude-standard full-name ignored killed "
        "modified no-empty-directory others stage unmerged",
    ),
    "rev-parse": _options(
        "q",
        "",
        "abbrev-ref absolute-git-dir git-common-dir git-dir is-bare-repository is-inside-git-dir "
        "is-inside-work-tree quiet short show-cdup show-prefix show-toplevel symbolic "
        "symbolic-full-name verify",
    ),
    "show": _options(
        _DIFF_SHORT + "cEFgimP0123456789", _DIFF_VALUED + "Ln", f"{_DIFF_LONG} {_LOG_LONG}"
    ),
    "status": _options(
        "sbz", "u", "ahead-behind branch ignored long porcelain short show-stash untracked-files"
    ),
}
# Of branches only lists: a name alone would make one.
_BRANCH = _options("arv", "", "all remotes verbose show-current list no-color color")
_GIT_RUNS_GPG = (
    "%G"  # a format that has signatures verified, by a program that the configuration names
)


def _every_option_reads(_: Words) -> bool:
    return True


def _uniq(words: Words) -> bool:
    """A second file name is where it writes to, and a pattern may become two."""
    files = [word for word in words if not word.text.startswith("-") or word.text == "-"]
    patterns = any(word.pattern_at is not None for word in words)
    return _UNIQ.all_known(words) and len(files) <= 1 and not patterns


def _find(words: Words) -> bool:
    return all(
        word.pattern_at != 0
        and (
            not word.text.startswith("-")
            or word.text in _FIND
            or _SIGNED_NUMBER.fullmatch(word.text) is not None
        )
        for word in words
    )


def _sed(words: Words) -> bool:
    """Only `sed -n 10,20p FILES`: its language can write and, with GNU, run things."""
    return (
        len(words) >= 2
        and words[0].text == "-n"
        and _SED_PRINTS.fullmatch(words[1].text) is not None
        and not any(word.text.startswith("-") or word.pattern_at == 0 for word in words[2:])
    )


def _date(words: Words) -> bool:
    """Without a bare word, which would set the clock."""
    return all(_DATE_READS.fullmatch(word.text) for word in words)


def _test(words: Words) -> bool:
    return len(words) == 2 and words[0].text in _TESTS and words[1].pattern_at is None


def _git(words: Words) -> bool:
    if not words or any(_GIT_RUNS_GPG in word.text for word in words):
        return False
    command, arguments = words[0].text, words[1:]
    if command == "branch":
        listing = any(word.text == "--list" for word in arguments)
        names = [word for word in arguments if not word.text.startswith("-")]
        return _BRANCH.all_known(arguments) and (listing or not names)
    options = _GIT.get(command)
    return options is not None and options.all_known(arguments)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(_ALL_OPTIONS_READ, _every_option_reads),
    "date": _date,
    "file": _FILE.all_known,
    "find": _find,
    "git": _git,
    "rg": _RG.all_known,
    "sed": _sed,
    "sort": _SORT.all_known,
    "test": _test,
    "uniq": _uniq,
}
