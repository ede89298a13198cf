"""The files of rules for commands: their syntax, their errors with lines, when they are read again, and who writes them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.config.rule_files import FILES_MAX, RuleFiles, RulesNotWritten
from codexd.config.rules_text import RULES_BYTES_MAX, InvalidRules, read_rules, rule_line
from codexd.core.rules.prefix_rules import PrefixRule, PrefixRules

# The example of Codex's own documentation, and its other functions.
DOCUMENTED = """
# A comment
prefix_rule(
    pattern = ["cmd", ["alt1", "alt2"]], # ordered tokens; list entries denote alternatives
    decision = "prompt",                 # allow | prompt | forbidden; defaults to allow
    justification = "explain why this rule exists",
    match = [["cmd", "alt1"], "cmd alt2"],           # examples that must match this rule
    not_match = [["cmd", "oops"], "cmd alt3"],       # examples that must not match this rule
)
host_executable(name = "git", paths = ["/opt/homebrew/bin/git", "~/bin/git"])
network_rule(host = "example.com", protocol = "https", decision = "allow")
prefix_rule(["git", "pu" "sh"], "allow", reviewer = "auto_review", justification = None)
"""


def test_the_documented_syntax_of_codex_is_read() -> None:
    found = read_rules(DOCUMENTED, "f", "/h/a")
    assert found.rules == (
        PrefixRule(
            pattern=(("cmd",), ("alt1", "alt2")),
            decision="prompt",
            justification="explain why this rule exists",
            file="f",
            line=3,
        ),
        PrefixRule(pattern=(("git",), ("push",)), file="f", line=12),
    )
    assert found.executables == {"git": frozenset({"/opt/homebrew/bin/git", "/h/a/bin/git"})}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("\n\nrules = []", 3, "expected a call of prefix_rule, host_executable or network_rule"),
        ("for x in []:\n    prefix_rule(['a'])", 1, "expected a call"),
        ("import os", 1, "expected a call"),
        ("os.system('x')", 1, "expected a call"),
        ("print('x')", 1, "found print"),
        ("\nprefix_rule(pattern=['a' + 'b'])", 2, "`pattern`: expected literal texts and lists"),
        ("prefix_rule(\n  pattern=[\n f'x'])", 2, "`pattern`: expected literal"),
        ("prefix_rule(pattern=open('x'))", 1, "expected literal"),
        ("prefix_rule(pattern=WORDS)", 1, "expected literal"),
        ("prefix_rule()", 1, "`pattern` is missing"),
        ("prefix_rule(pattern=[])", 1, "expected a list of words, one at least"),
        ("prefix_rule(pattern='git')", 1, "expected a list of words"),
        ("prefix_rule(pattern=['git', []])", 1, "found []"),
        ("prefix_rule(pattern=['git', 1])", 1, "found 1"),
        ("prefix_rule(pattern=['git', ''])", 1, "found ''"),
        ("prefix_rule(pattern=['git', '\\0'])", 1, "expected a word"),
        ("prefix_rule(pattern=['a'], decision='deny')", 1, "expected allow, prompt or forbidden"),
        ("prefix_rule(pattern=['a'], justification=' ')", 1, "expected a text"),
        ("prefix_rule(pattern=['a'], when=1)", 1, "found when"),
        ("prefix_rule(pattern=['a'], **x)", 1, "found **"),
        ("prefix_rule(['a'], pattern=['a'])", 1, "once at most"),
        ("prefix_rule(*['a'])", 1, "expected literal"),
        ("prefix_rule(['a'], '', [], [], '', '', 7)", 1, "expected 6 arguments, found more"),
        ("prefix_rule(['a'], match=['b'])", 1, "an example that begins with `a`, found `b`"),
        ("\nprefix_rule(['a'], not_match=['a b'])", 2, "does not begin with `a`, found `a b`"),
        ("prefix_rule(['a'], match=[\"a '\"])", 1, "is no command"),
        ("prefix_rule(['a'], match=[7])", 1, "found 7"),
        ("prefix_rule(['a'], match='a')", 1, "expected a list of commands"),
        ("host_executable(name='git', paths=['bin/git'])", 1, "absolute paths that end in /git"),
        ("host_executable(name='git', paths=['/bin/hg'])", 1, "absolute paths that end in /git"),
        ("host_executable(name='/git', paths=[])", 1, "the name of a program"),
        (
            "network_rule('a.com', 'https', 'maybe')",
            1,
            "`decision`: expected allow, prompt or deny",
        ),
        ("network_rule('*.a.com', 'https', 'allow')", 1, "`host`: expected"),
        ("network_rule('https://a.com', 'https', 'allow')", 1, "`host`: expected"),
        ("network_rule(7, 'https', 'allow')", 1, "`host`: expected"),
        ("network_rule(host='a')", 1, "`protocol` is missing"),
        ("prefix_rule(pattern=['a'", 1, "cannot be read"),
        ("\n\nprefix_rule(['a']) prefix_rule(['b'])", 3, "cannot be read"),
        ("(" * 5000, 1, "cannot be read"),
        ("-" * 50000 + "1", 0, "cannot be read"),
        ("a\0b", 0, "cannot be read"),
    ],
)
def test_nothing_but_literal_calls_is_read_and_the_error_has_its_line(
    text: str, line: int, said: str
) -> None:
    with pytest.raises(InvalidRules) as refused:
        read_rules(text, "f", "/h/a")
    assert said in str(refused.value)
    assert refused.value.line == line or line == 0


@given(
    st.lists(st.text(min_size=1).filter(lambda word: word.strip() and "\0" not in word), min_size=1)
)
def test_the_line_of_a_rule_is_read_as_its_words(words: list[str]) -> None:
    line = rule_line(tuple(words))
    assert "\n" not in line
    (found,) = read_rules(line, "f", "/").rules
    assert found == PrefixRule(pattern=tuple((word,) for word in words), file="f", line=1)


class House:
    """A home of codexd's and one of Codex, both private."""

    def __init__(self, root: Path) -> None:
        self.own, self.codex = root / "own", root / "codex"
        for home in (self.own, self.codex):
            (home / "rules").mkdir(parents=True, mode=0o700)
        self.files = RuleFiles([self.own, self.codex], root)

    def prefixes(self) -> list[str]:
        return [rule.prefix for rule in self.files.current().rules]

    def write(self, text: str, name: str = "default.rules", *, home: Path | None = None) -> Path:
        path = (home or self.own) / "rules" / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_files_of_both_homes_apply_codexds_own_first_and_by_name(house: House) -> None:
    house.write('prefix_rule(["c"])', home=house.codex)
    house.write('prefix_rule(["b"])', "b.rules")
    house.write('prefix_rule(["a"])', "a.rules")
    house.write("nonsense", "notes.txt")
    assert house.prefixes() == ["a", "b", "c"]
    assert house.files.current() is house.files.current()  # nothing changed


def test_a_home_without_rules_has_none(tmp_path: Path) -> None:
    assert RuleFiles([tmp_path / "none", tmp_path / "no"], tmp_path).current() == PrefixRules()


def test_a_file_is_read_again_when_it_has_changed_and_forgotten_when_it_is_gone(
    house: House,
) -> None:
    path = house.write('prefix_rule(["a"])')
    assert house.prefixes() == ["a"]
    house.write('prefix_rule(["a"])\nprefix_rule(["b"])')
    assert house.prefixes() == ["a", "b"]
    house.write('prefix_rule(["c"])', "x.rules")
    assert house.prefixes() == ["a", "b", "c"]
    path.unlink()
    assert house.prefixes() == ["c"]


def test_a_bad_file_keeps_the_rules_that_it_had_and_is_reported_with_its_line(house: House) -> None:
    path = house.write('prefix_rule(["a"])')
    house.write('prefix_rule(["b"])', "e.rules")
    assert house.prefixes() == ["a", "b"]
    house.write('prefix_rule(["a"])\nprefix_rule(["z")')
    assert house.prefixes() == ["a", "b"]
    (problem,) = house.files.current().problems
    assert (problem.file, problem.line) == (str(path), 2)
    assert problem.message.endswith("its rules from before stay in force")
    house.write('prefix_rule(["z"])')
    assert (house.prefixes(), house.files.current().problems) == (["z", "b"], ())


def test_a_file_that_was_bad_from_the_start_has_no_rules(house: House) -> None:
    house.write("x")
    assert house.prefixes() == []
    (problem,) = house.files.current().problems
    assert problem.message.endswith("none of its rules is in force")


def test_a_file_of_others_or_a_huge_one_or_none_at_all_is_not_believed(house: House) -> None:
    house.write('prefix_rule(["a"])', "a.rules").chmod(0o666)
    house.write("#" * (RULES_BYTES_MAX + 1), "b.rules")
    (house.own / "rules" / "c.rules").mkdir()
    (house.own / "rules" / "d.rules").write_bytes(b"#\n# \xff")
    os.mkfifo(house.own / "rules" / "e.rules")
    (house.own / "rules" / "f.rules").symlink_to("nowhere")
    assert house.prefixes() == []
    problems = {Path(p.file).name: (p.line, p.message) for p in house.files.current().problems}
    assert set(problems) == {f"{letter}.rules" for letter in "abcdef"}
    assert "no other user may write" in problems["a.rules"][1]
    assert f"{RULES_BYTES_MAX} bytes at most" in problems["b.rules"][1]
    assert problems["d.rules"][0] == 2


def test_only_so_many_files_are_read(house: House) -> None:
    for n in range(FILES_MAX + 1):
        house.write(f'prefix_rule(["p{n:03}"])', f"{n:03}.rules")
    assert len(house.prefixes()) == FILES_MAX
    (problem,) = house.files.current().problems
    assert f"found {FILES_MAX + 1}" in problem.message


def test_a_rule_is_added_as_codex_writes_it_once_and_in_a_private_file(tmp_path: Path) -> None:
    files = RuleFiles([tmp_path / "own", tmp_path / "codex"], tmp_path)
    assert files.add(("git", "push"))
    assert files.add(("echo", 'a "b"'))
    assert not files.add(("git", "push"))
    assert files.own_file.read_text() == (
        'prefix_rule(pattern=["git", "push"], decision="allow")\n'
        'prefix_rule(pattern=["echo", "a \\"b\\""], decision="allow")\n'
    )
    assert stat.S_IMODE(files.own_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.own_file.parent.stat().st_mode) == 0o700
    assert os.listdir(files.own_file.parent) == ["default.rules"]
    assert [rule.prefix for rule in files.current().rules] == ["git push", 'echo a "b"']


def test_what_a_person_wrote_stays_and_a_link_stays_a_link(house: House, tmp_path: Path) -> None:
    dotfile = tmp_path / "dotfiles.rules"
    dotfile.write_bytes(b"# mine \xff\nprefix_rule(['a'])")
    house.files.own_file.symlink_to(dotfile)
    house.files.add(("b",))
    assert dotfile.read_bytes() == (
        b"# mine \xff\nprefix_rule(['a'])\n" + b'prefix_rule(pattern=["b"], decision="allow")\n'
    )
    assert house.files.own_file.is_symlink()


def test_several_approvals_at_once_lose_no_rule(house: House) -> None:
    threads = [Thread(target=house.files.add, args=((f"p{n}",),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(house.prefixes()) == [f"p{n}" for n in range(8)]


def test_a_rule_that_cannot_be_written_changes_nothing(house: House) -> None:
    path = house.write("#" * (RULES_BYTES_MAX - 5))
    with pytest.raises(RulesNotWritten, match="would be larger"):
        house.files.add(("git", "push"))
    path.unlink()
    path.mkdir()
    with pytest.raises(RulesNotWritten, match="found a folder"):
        house.files.add(("git", "push"))
    path.rmdir()
    path.write_text("", encoding="utf-8")
    path.chmod(0o666)
    with pytest.raises(RulesNotWritten, match="no other user may write"):
        house.files.add(("git", "push"))
    assert path.read_text() == ""
