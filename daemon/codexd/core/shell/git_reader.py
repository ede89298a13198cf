"""The git commands that only read, by their arguments; the repository is checked elsewhere.

Three checks decide whether git may run: this table; `command_rules.py`, which lets it run only in the thread's own
folder and only if nothing in that repository's configuration would start a program; and the environment of
the command, which switches off programs that a configuration may start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codexd.core.shell.options import (
    Options,
    Words,
    before_the_end,
    exactly,
    operands,
    options,
    words_of,
)

# Before the command: no paging, no locks, and nothing that leads to another configuration but `-C`.
_GLOBAL_FLAGS = words_of(
    "--no-pager -P --no-optional-locks --literal-pathspecs --no-replace-objects --no-lazy-fetch"
)

_DIFF_LONG = (
    "abbrev cached cc check color color-moved color-words cumulative diff-filter dirstat exit-code "
    "find-copies find-renames full-index function-context histogram ignore-all-space ignore-blank-lines "
    "ignore-cr-at-eol ignore-space-at-eol ignore-space-change ignore-submodules indent-heuristic "
    "inter-hunk-context merge-base minimal name-only name-status no-color no-ext-diff no-indent-heuristic "
    "no-patch no-prefix no-renames no-textconv numstat patch patch-with-raw patch-with-stat patience "
    "pickaxe-all pickaxe-regex quiet raw relative shortstat staged stat summary text unified word-diff "
    "word-diff-regex"
)  # not --submodule, which runs git in submodules, nor --ext-diff, --textconv, --no-index, --output
_LOG_LONG = (
    "abbrev-commit after all all-match ancestry-path author author-date-order basic-regexp before "
    "boundary branches cherry cherry-mark cherry-pick committer count date date-order decorate "
    "decorate-refs extended-regexp first-parent fixed-strings follow format full-history graph grep "
    "invert-grep left-right max-count max-parents merges min-parents name-rev no-abbrev-commit no-decorate "
    "no-merges no-notes no-walk oneline parents perl-regexp pretty regexp-ignore-case remotes reverse "
    "shortstat simplify-by-decoration simplify-merges since skip source sparse tags topo-order until "
    "walk-reflogs"
)  # not --show-signature, --remerge-diff (merge drivers), --alternate-refs, --stdin
_DIFF_SHORT, _DIFF_VALUED = "abDpqRrstuwz", "BCGMSUl"
_LOG = options(_DIFF_SHORT + "cEFgimP0123456789", _DIFF_VALUED + "Ln", f"{_DIFF_LONG} {_LOG_LONG}")

_ALL: Mapping[str, Options] = {
    "blame": options(
        "bceflnpstw", "CLM", "abbrev date line-porcelain porcelain root show-email since"
    ),
    "cat-file": options("tspe"),  # not --textconv and --filters
    "count-objects": options("vH", "", "verbose human-readable"),
    "describe": options(
        "", "", "abbrev all always contains exact-match first-parent long match tags"
    ),
    "diff": options(_DIFF_SHORT, _DIFF_VALUED, _DIFF_LONG),
    "grep": options(  # not -O, which opens a pager
        "acEFGhHIilLnopPqvwzW0123456789",
        "ABCef",
        "all-match and break cached column context count extended-regexp files-with-matches "
        "files-without-match fixed-strings full-name heading ignore-case invert-match line-number "
        "max-depth name-only not or perl-regexp quiet show-function untracked word-regexp color no-color",
    ),
    "log": _LOG,
    "ls-files": options(
        "cdikmostuvz",
        "x",
        "abbrev cached deleted directory eol exclude exclude-standard full-name ignored killed "
        "modified no-empty-directory others stage unmerged",
    ),
    "ls-tree": options("drtlz", "", "abbrev full-name full-tree long name-only name-status"),
    "merge-base": options("a", "", "all fork-point independent is-ancestor octopus"),
    "name-rev": options("", "", "all always name-only no-undefined tags"),
    "rev-list": _LOG,
    "rev-parse": options(
        "q",
        "",
        "abbrev-ref absolute-git-dir git-common-dir git-dir git-path is-bare-repository is-inside-git-dir "
        "is-inside-work-tree is-shallow-repository quiet short show-cdup show-prefix show-toplevel symbolic "
        "symbolic-full-name verify",
    ),
    "shortlog": options("nsec", "", "numbered summary email committer since until all"),
    "show": _LOG,
    "show-ref": options("dqs", "", "abbrev dereference head heads quiet tags verify"),
    "status": options(
        "sbz",
        "u",
        "ahead-behind branch ignored ignore-submodules long no-renames porcelain short show-stash "
        "untracked-files",
    ),
}

# Only lists of branches: a name alone would make a branch.
_BRANCH = options(
    "arv",
    "",
    "all contains list merged no-color no-column no-contains no-merged color points-at remotes "
    "show-current verbose",
)
_BRANCH_LISTS = words_of("--list --contains --no-contains --merged --no-merged --points-at")
_TAG = options("l", "n", "list")
_TAG_LISTS = words_of("-l --list")
_CONFIG = options(
    "lz", "", "get get-all list local global system worktree name-only null show-origin show-scope"
)
_CONFIG_READS = words_of("-l --list --get --get-all")

# A format that verifies signatures: gpg is a program that the configuration names. Flags for blanks may be
# between `%` and `G`.
_RUNS_GPG = re.compile(r"%[+ -]*(?:G|\(signature)")
_FORMATS = words_of("oneline short medium full fuller reference email mboxrd raw")


def git_reads(words: Words) -> bool:
    """Whether git with these arguments only reads."""
    folders, rest = _after_flags(words)
    if folders is None or not rest:
        return False
    if any(_RUNS_GPG.search(word.text) or _aliased_format(word.text) for word in words):
        return False
    command, arguments = rest[0].text, rest[1:]
    if command in _PARTICULAR:
        return _PARTICULAR[command](arguments)
    known = _ALL.get(command)
    return known is not None and known.all_known(arguments)


def folders_of_git(words: Words) -> tuple[str, ...]:
    """The folders that `-C` leads to."""
    folders, _ = _after_flags(words)
    return folders or ()


def _after_flags(words: Words) -> tuple[tuple[str, ...] | None, Words]:
    """The folders of `-C`, and the words after git's own options; None for an unknown option."""
    folders: list[str] = []
    at = 0
    while at < len(words) and words[at].text.startswith("-"):
        if words[at].text == "--version":
            return (), (words[at],)
        if words[at].text == "-C" and at + 1 < len(words) and words[at + 1].pattern_at is None:
            folders.append(words[at + 1].text)
            at += 1
        elif words[at].text not in _GLOBAL_FLAGS:
            return None, ()
        at += 1
    return tuple(folders), words[at:]


def _aliased_format(text: str) -> bool:
    """Whether a format is a name that the configuration may define."""
    for option in ("--format=", "--pretty="):
        name = text.removeprefix(option)
        if name != text:
            spelled_out = not name or name.startswith(("format:", "tformat:")) or "%" in name
            return not spelled_out and name not in _FORMATS
    return False


def _has(words: Words, wanted: frozenset[str]) -> bool:
    """Whether one of these options is before `--`."""
    return any(word.text.partition("=")[0] in wanted for word in before_the_end(words))


def _branch(words: Words) -> bool:
    return _BRANCH.all_known(words) and (_has(words, _BRANCH_LISTS) or not operands(words))


def _tag(words: Words) -> bool:
    return _TAG.all_known(words) and (_has(words, _TAG_LISTS) or not operands(words))


def _config(words: Words) -> bool:
    return _CONFIG.all_known(words) and _has(words, _CONFIG_READS)


def _remote(words: Words) -> bool:
    texts = [word.text for word in words]
    names = options().all_known(words[1:])
    return texts in ([], ["-v"], ["--verbose"]) or (texts[:1] == ["get-url"] and names)


def _reflog(words: Words) -> bool:
    """No operand: `expire` and `delete` are words too."""
    shown = words[1:] if words[:1] and words[0].text == "show" else words
    return _LOG.all_known(shown) and (shown is not words or not operands(words))


def _symbolic_ref(words: Words) -> bool:
    """At most one name: a second name would be the new value of the first."""
    known = options("q", "", "short quiet")
    plain = all(word.pattern_at is None for word in words)  # a pattern may become two names
    return plain and known.all_known(words) and len(operands(words)) == 1


_PARTICULAR = {
    "--version": exactly(""),
    "branch": _branch,
    "config": _config,
    "reflog": _reflog,
    "remote": _remote,
    "stash": exactly("list"),
    "symbolic-ref": _symbolic_ref,
    "tag": _tag,
    "version": exactly(""),
    "worktree": exactly("list", "list --porcelain"),
}
