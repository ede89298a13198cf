"""However a line is written, what a shell reads of it is still there: no sign of its syntax, no line, no program."""

from __future__ import annotations

import pytest

from codexd.redaction.redactor import Redactor
from made_up_secrets import CASES, PEM

REDACTOR = Redactor()
SYNTAX = ";|&$()<>`'\"\\\n\r\t {}"
EVIL = "./evil.sh"
ALONE_EVERY = 8
KEY_LINES = PEM.splitlines()


def syntax_of(text: str) -> str:
    """What a shell reads of it; blanks are in stand-ins as well."""
    return "".join(sign for sign in text if sign in SYNTAX and sign != " ")


@pytest.mark.parametrize(("kind", "text"), [case for case in CASES if case[0] != "private-key"])
def test_no_sign_of_a_shells_goes_with_a_secret(kind: str, text: str) -> None:
    cases = 0
    for sign in SYNTAX:
        lines = [
            f"{text[:at]}{sign}{EVIL}{sign}{text[at:]} {EVIL}\n{EVIL} {text}\n"
            for at in range(len(text) + 1)
        ]
        # All in one text, which takes a third of the time, and some as a text of their own.
        for some in ("\n".join(lines), *lines[::ALONE_EVERY]):
            clean = REDACTOR.text(some)
            assert syntax_of(clean) == syntax_of(some)
            assert clean.count("evil") == some.count("evil") or sign in " \t{}"
        cases += len(lines)
    print(f"{kind}: {cases} lines")


@pytest.mark.parametrize(
    "line",
    [
        "https://ci:x;id|tee /tmp/out#@host/x.git",
        "https://ci:x$(id)@host https://ci:`id`@host https://ci:a&&id@host",
        "curl -H 'Authorization: Bearer abc;id;' x",
        "SECRET_ACCESS_KEY= " + "./evil/" * 8,
        "aws_secret_access_key:\n" + "evil/" * 10,
        "authorization: bearer\n./evil.sh-that-is-long",
        "PASSWORD= ./evil1.sh TOKEN=\n./evil2.sh",
        "password:\n./evil12.sh",
        "machine x login y password\n./evil1.sh",
    ],
)
def test_a_program_after_a_secrets_name_is_visible(line: str) -> None:
    clean = REDACTOR.text(line)
    assert syntax_of(clean) == syntax_of(line)
    assert clean.count("evil") == line.count("evil")
    assert clean.count("id") == line.count("id")


@pytest.mark.parametrize(
    "line",
    [
        "Proc-Type: ;id|tee x",
        "X: $(./evil.sh)",
        "./evil.sh",
        "/usr/local/bin/evilProgramThatIsLong",
        "scripts/evil/programOfThem",
        "evil --with options",
        "evil;evil;evil;evil",
    ],
)
def test_a_line_between_the_marks_of_a_key_that_is_none_of_its_lines_stays(line: str) -> None:
    for at in range(1, len(KEY_LINES)):
        text = "\n".join([*KEY_LINES[:at], line, *KEY_LINES[at:]])
        assert line in REDACTOR.text(text)
        assert line in REDACTOR.text(text.replace("\n", "\\n"))
    assert line in REDACTOR.text("\n".join([KEY_LINES[0], line, KEY_LINES[-1]]))


def test_the_marks_of_a_key_and_its_headers_stay_and_its_lines_go() -> None:
    key = "\n".join([KEY_LINES[0], "Proc-Type: 4,ENCRYPTED", "", *KEY_LINES[1:]])
    clean = REDACTOR.text(key).splitlines()
    assert clean[:3] == [KEY_LINES[0], "Proc-Type: 4,ENCRYPTED", ""]
    assert clean[3].startswith("«secret private-key sha256:")
    assert clean[4:] == [KEY_LINES[-1]]
