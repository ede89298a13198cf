"""The programs that are known to only read, and the arguments with which they only read.

Each was checked in the manuals of GNU, BSD, macOS and busybox for options that write, send, run another
program or page. A program is in `ANY_ARGUMENTS_READ` only if no option of any version does that. For the
others the safe options are listed; any other option may write, send or run something.

Left out on purpose: `env`, `printenv` and `set` show secrets; `less`, `more` and `man` run what $LESSOPEN or
$PAGER name; `arch` and `time` run a program; and `python --version` or `cargo --version`
may be the shim of a version manager, which runs what a file of the folder names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codexd.core.shell.git_reader import git_reads
from codexd.core.shell.options import Reader, Words, exactly, operands, options, words_of

# Harmless with any arguments, also with file names as options: only these may follow `xargs` and `-exec`.
ANY_ARGUMENTS_READ = words_of(
    "b2sum basename cat cksum cmp comm cut df dirname du echo egrep expand factor false fgrep fold "
    "grep groups head hexdump id join logname ls md5 md5sum nl nproc numfmt od paste pwd readlink realpath rev seq "
    "sha1sum sha224sum sha256sum sha384sum sha512sum stat sum sw_vers tac tr true tsort uname unexpand uptime "
    "users wc which who whoami"
)

_BASE64 = options("dD", "w", "decode wrap")  # macOS: -o names a file to write
_COLUMN = options("tnx", "cs", "table separator output-separator")
_DIFF = options(  # not -l and --paginate, which run pr
    "abBdeEfinNpPqrstTuwyZ0123456789",
    "UCxXIFLW",
    "brief recursive unified context ignore-case ignore-all-space ignore-space-change ignore-blank-lines "
    "ignore-trailing-space text new-file side-by-side width suppress-common-lines report-identical-files "
    "exclude label minimal color strip-trailing-cr show-c-function",
)
_FILE = options("bhikLNr0", "", "brief mime mime-type mime-encoding dereference no-dereference")
_FREE = options("bkmghwtl", "", "bytes kilo mega giga human wide total si")
_HOSTNAME = options("fsd", "", "fqdn long short domain")  # a bare word, -F and -b set it
_JQ = options(  # some programs that are called so know -i and --in-place
    "acCeMnrRsSj",
    "",
    "arg args argjson ascii-output compact-output color-output monochrome-output exit-status join-output "
    "jsonargs null-input raw-input raw-output rawfile slurp slurpfile sort-keys stream tab indent unbuffered",
)
# A module may be a file of the folder, whose functions show the environment.
_JQ_ENVIRONMENT = re.compile(r"\b(?:env|import|include)\b|\$ENV", re.ASCII)
_PGREP = options("afilnovx", "u", "full list-full list-name")
_PS = words_of("a ax aux auxf auxw auxww x -A -a -e -ef -f -p -w -ww")  # a bare e: environments
_PS_NUMBERS = re.compile(r"[0-9]+(?:,[0-9]+)*", re.ASCII)
_RG = options(  # not --pre, --hostname-bin and -z, which run programs
    "0.acFhHiIlLnNopPqsSuUvwx",
    "ABCdeEfgjmMrtT",
    "after-context before-context color column context count count-matches files files-with-matches "
    "files-without-match fixed-strings follow glob heading hidden iglob ignore-case invert-match json "
    "line-number max-columns max-count max-depth multiline no-config no-filename no-heading no-ignore "
    "no-line-number no-messages null only-matching pcre2 pretty quiet regexp replace smart-case sort sortr "
    "stats text trim type type-list type-not version vimgrep with-filename word-regexp",
)
_SORT = options(  # not -o, -T, -S and --compress-program
    "bcCdfghiMmnRrsuVz",
    "kt",
    "check dictionary-order field-separator general-numeric-sort human-numeric-sort ignore-case "
    "ignore-leading-blanks key merge month-sort numeric-sort reverse stable unique version-sort "
    "zero-terminated",
)
_TAIL = options("qrvz0123456789", "cn", "bytes lines quiet silent verbose")  # not -f: no end
_TREE = options(  # not -o, nor -R, which writes 00Tree.html; a letter after -L is one more option
    "adfilpugshDFnCJXtrvcUSQNqAxLPI",
    "",
    "all dirsfirst du filelimit gitignore inodes matchdirs ignore-case noreport prune si sort timefmt",
)
_UNIQ = options("cdDiuz", "", "count repeated unique ignore-case zero-terminated")

_FIND = words_of(
    "-H -L -P -a -amin -and -anewer -atime -cmin -cnewer -ctime -daystart -depth -empty -executable -false "
    "-follow -fstype -gid -group -ilname -iname -inum -ipath -iregex -iwholename -links -lname -ls -maxdepth "
    "-mindepth -mmin -mount -mtime -name -newer -newermt -nogroup -not -nouser -o -or -path -perm -print "
    "-print0 -printf -prune -quit -readable -regex -regextype -samefile -size -true -type -uid -used -user "
    "-wholename -writable -xdev -xtype"
)
_SIGNED_NUMBER = re.compile(r"-[0-9]+[a-zA-Z]?", re.ASCII)

# sed can write and, with GNU, run programs. Allowed: `p` and `=` after addresses, and one `s` with flags that do
# neither. No `[`, since implementations disagree whether a `/` in brackets ends the pattern; no `\c`, which takes
# one more character.
_ADDRESS = r"(?:[0-9]+|\$|/(?:[^/\\\[]|\\[^c])*/)"
_SED_PRINTS = re.compile(rf"(?:{_ADDRESS}(?:,{_ADDRESS})?[p=];?)+", re.ASCII)
_SED_REPLACES = re.compile(r"s/(?:[^/\\\[]|\\[^c])*/(?:[^/\\\[]|\\[^c])*/[gpI0-9]*", re.ASCII)

# awk can write, and run programs. Allowed: printing fields of the lines with a text or in a range.
_AWK_TESTS = r"(?:NR|NF|\$[0-9]+)[ ]*(?:==|!=|>=|<=|<|>)[ ]*[0-9]+"
_AWK_PATTERN = rf"(?:/[^/\\\[]*/|{_AWK_TESTS}(?:[ ]*(?:&&|\|\|)[ ]*{_AWK_TESTS})*)"
_AWK_FIELD = r"(?:\$(?:[0-9]+|NF)|NR|NF)"
_AWK_PRINT = rf"\{{[ ]*print(?:[ ]+{_AWK_FIELD}(?:[ ]*,[ ]*{_AWK_FIELD})*)?[ ]*(?:;[ ]*)?\}}"
_AWK_PRINTS = re.compile(
    rf"[ ]*(?:{_AWK_PATTERN}|{_AWK_PRINT}|{_AWK_PATTERN}[ ]*{_AWK_PRINT})[ ]*", re.ASCII
)

_DATE_READS = re.compile(r"-u|-R|--utc|--rfc-email|-I[a-z]*|--date=.*|\+.*", re.ASCII | re.DOTALL)

# Those that look at one file or one text. -v is not among them: shells evaluate what its word holds.
_TESTS = frozenset(f"-{letter}" for letter in "bcdefghkLnOGNprsSuwxz")
_COMPARES_TEXTS = frozenset({"=", "==", "!=", "-nt", "-ot", "-ef"})
_COMPARES_NUMBERS = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_NUMBER = re.compile(r"-?[0-9]+", re.ASCII)

# zsh and ksh evaluate the operand of a numeric conversion, and some conversions set a variable.
_PRINTF_FORMAT = re.compile(r"(?!-)(?:[^%]|%%|%-?[0-9]*(?:\.[0-9]+)?[sbc])*", re.DOTALL)

_XARGS_SHORT, _XARGS_VALUED = "0rtx", "nLPdsIE"
_XARGS_NAMES = frozenset({"{}", "%"})  # what means an input, where it means an input
_LONG_XARGS = words_of("--null --no-run-if-empty --verbose --exit")


def _every_argument_reads(_: Words) -> bool:
    return True


def _uniq(words: Words) -> bool:
    """At most one file name: it writes to a second one, and a pattern may become two."""
    patterns = any(word.pattern_at is not None for word in words)
    return _UNIQ.all_known(words) and len(operands(words)) <= 1 and not patterns


def _find(words: Words) -> bool:
    """Its expression has no `--`: a word that begins with `-` is a part of it everywhere."""
    at = 0
    while at < len(words):
        word = words[at]
        if word.pattern_at == 0:
            return False
        if word.text == "-exec":
            end = _exec_end(words, at + 1)
            if end is None:
                return False
            at = end
        elif word.text.startswith("-") and not _in_find(word.text):
            return False
        at += 1
    return True


def _in_find(text: str) -> bool:
    return text in _FIND or _SIGNED_NUMBER.fullmatch(text) is not None


def _exec_end(words: Words, at: int) -> int | None:
    """The end of a program that find runs for each file, if it only reads with any arguments."""
    if at >= len(words) or words[at].text not in ANY_ARGUMENTS_READ:
        return None
    for end in range(at + 1, len(words)):
        if words[end].pattern_at is not None:
            return None
        text = words[end].text
        if text == ";" or (text == "+" and words[end - 1].text == "{}"):
            return end
    return None


def _xargs(words: Words) -> bool:
    """The words of its input may be options, so it may run only programs that only read with any arguments."""
    at = 0
    while at < len(words) and words[at].text.startswith("-"):
        text = words[at].text
        letters = text[1:].lstrip(_XARGS_SHORT)
        if text not in _LONG_XARGS and letters:
            if letters[0] not in _XARGS_VALUED:
                return False
            at += letters[1:] == ""  # the value is the next word
            value = letters[1:] or (words[at].text if at < len(words) else "")
            if letters[0] == "I" and value not in _XARGS_NAMES:
                return False
        at += 1
    if any(word.pattern_at is not None for word in words[: at + 1]):
        return False
    if at >= len(words):
        return at == len(words)  # it runs echo; or the value of an option is missing
    return words[at].text in ANY_ARGUMENTS_READ


def _sed(words: Words) -> bool:
    """`sed -n 10,20p FILES`, `sed -n '/a/,/b/p'` and `sed s/a/b/`."""
    at = 0
    while at < len(words) and words[at].text in ("-n", "-E", "-r", "-nE", "-nr", "-En"):
        at += 1
    if at == len(words) or any(w.text.startswith("-") or w.pattern_at == 0 for w in words[at:]):
        return False
    if words[at].pattern_at is not None:
        return False
    script, silent = words[at].text, any("n" in word.text for word in words[:at])
    return bool(_SED_REPLACES.fullmatch(script) or (silent and _SED_PRINTS.fullmatch(script)))


def _awk(words: Words) -> bool:
    """`awk '{print $1}'`, `awk -F: 'NR > 5'`; a word such as `FS=:` among its files only sets a variable."""
    at = 0
    if words and words[0].text.startswith("-F") and words[0].pattern_at is None:
        at = 1 if words[0].text != "-F" else 2
    if at >= len(words) or words[at].pattern_at is not None:
        return False
    files = words[at + 1 :]
    # gawk opens a connection for a file `/inet/tcp/0/HOST/PORT`.
    plain = not any(w.text.startswith(("-", "/inet")) or w.pattern_at == 0 for w in files)
    return plain and _AWK_PRINTS.fullmatch(words[at].text) is not None


def _date(words: Words) -> bool:
    """Without a bare word, which would set the clock."""
    return all(word.pattern_at != 0 and _DATE_READS.fullmatch(word.text) for word in words)


def _test(words: Words) -> bool:
    """One test or one comparison: shells differ in `-a` and `-o`."""
    texts = [word.text for word in words]
    if any(word.pattern_at is not None for word in words):
        return False
    if texts[:1] == ["!"]:
        texts = texts[1:]
    if len(texts) == 1:
        return True
    if len(texts) == 2:
        return texts[0] in _TESTS or (texts[0] == "-t" and texts[1] in ("0", "1", "2"))
    if len(texts) != 3:
        return False
    if texts[1] in _COMPARES_NUMBERS:  # shells evaluate operands that are not numbers
        return all(_NUMBER.fullmatch(number) for number in (texts[0], texts[2]))
    return texts[1] in _COMPARES_TEXTS and not texts[0].startswith(("-", "(", "!"))


def _bracket(words: Words) -> bool:
    return bool(words) and words[-1].text == "]" and _test(words[:-1])


def _double_bracket(words: Words) -> bool:
    """In bash and zsh words of the language: `-eq` evaluates, and `==` matches a pattern."""
    texts = [word.text for word in words[:-1]]
    return bool(words) and words[-1].text == "]]" and len(texts) in (2, 3) and _test(words[:-1])


def _cd(words: Words) -> bool:
    """Into one folder, which `read_only_commands.py` reports."""
    return len(folders_of_cd(words)) <= 1 and all(
        word.pattern_at is None
        and (not word.text.startswith("-") or word.text in ("-P", "-L", "--"))
        for word in words
    )


def folders_of_cd(words: Words) -> tuple[str, ...]:
    """The folder of `cd`; none for the home folder."""
    return tuple(word.text for word in operands(words))


def _command(words: Words) -> bool:
    """Only `command -v NAME`: without an option it runs the name."""
    return len(words) >= 2 and words[0].text in ("-v", "-V") and _no_options(words[1:])


def _no_options(words: Words) -> bool:
    return all(word.pattern_at is None and not word.text.startswith("-") for word in words)


def _type(words: Words) -> bool:
    flags = ("-a", "-t", "-p", "-P", "-f")
    return all(word.pattern_at is None for word in words) and all(
        word.text in flags or not word.text.startswith("-") for word in words
    )


def _hostname(words: Words) -> bool:
    return _HOSTNAME.all_known(words) and not operands(words)


def _printf(words: Words) -> bool:
    """The format may not be a file pattern, which the names of files would replace."""
    if not words or words[0].pattern_at is not None:
        return False
    return _PRINTF_FORMAT.fullmatch(words[0].text) is not None


def _ps(words: Words) -> bool:
    return all(w.text in _PS or _PS_NUMBERS.fullmatch(w.text) is not None for w in words)


def _jq(words: Words) -> bool:
    return _JQ.all_known(words) and not any(_JQ_ENVIRONMENT.search(word.text) for word in words)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(ANY_ARGUMENTS_READ, _every_argument_reads),
    ":": _every_argument_reads,
    "[": _bracket,
    "[[": _double_bracket,
    "awk": _awk,
    "base64": _BASE64.all_known,
    "cd": _cd,
    "column": _COLUMN.all_known,
    "command": _command,
    "date": _date,
    "diff": _DIFF.all_known,
    "file": _FILE.all_known,
    "find": _find,
    "free": _FREE.all_known,
    "git": git_reads,
    "hostname": _hostname,
    "jq": _jq,
    "pgrep": _PGREP.all_known,
    "printf": _printf,
    "ps": _ps,
    "rg": _RG.all_known,
    "sed": _sed,
    "sort": _SORT.all_known,
    "tail": _TAIL.all_known,
    "test": _test,
    "tree": _TREE.all_known,
    "tty": exactly(""),
    "type": _type,
    "uniq": _uniq,
    "xargs": _xargs,
}
