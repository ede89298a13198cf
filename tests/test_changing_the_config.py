"""config.toml is changed by programs: comments and order stay, no edit is lost, and no broken file is written."""

from __future__ import annotations

import os
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.config.editing.changed_text import changed_text
from codexd.config.editing.edits import NotWritten, edit_of, edited
from codexd.config.editing.writer import ConfigWriter, Written
from codexd.config.layers.stack import Sources
from codexd.config.layers.toml_text import toml_table
from codexd.config.live import LiveConfig


def changed(text: str, key: str, value: Any) -> str:
    before = toml_table(text.removeprefix("\ufeff"))
    return changed_text(text, before, edited(before, [edit_of(key, value, "replace")]))


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        ("", "model", "m", 'model = "m"\n'),
        (
            "# mine\nmodel = 'a'  # why\nx = 1\n",
            "model",
            "m",
            '# mine\nmodel = "m"  # why\nx = 1\n',
        ),
        ("[tui]\ntheme = 'a'\n", "model", "m", "model = \"m\"\n\n[tui]\ntheme = 'a'\n"),
        ("a = 1\nb = 2\n# of c\nc = 3\n", "b", None, "a = 1\n# of c\nc = 3\n"),
        (
            "[tui]\ntheme = 'a' # x\n\n# of mcp\n[mcp_servers.s]\ncommand = 'c'\n",
            "tui.animations",
            False,
            "[tui]\ntheme = 'a' # x\nanimations = false\n\n# of mcp\n[mcp_servers.s]\ncommand = 'c'\n",
        ),
        (
            "[projects.'/a']\ntrust_level = 'trusted'\n\n# of mcp\n[mcp_servers.s]\ncommand = 'c'\n",
            'projects."/w.x".trust_level',
            "trusted",
            (
                "[projects.'/a']\ntrust_level = 'trusted'\n\n[projects.\"/w.x\"]\ntrust_level = \"trusted\"\n\n"
                "# of mcp\n[mcp_servers.s]\ncommand = 'c'\n"
            ),
        ),
        ("tui = { theme = 'a' } # x\n", "tui.theme", "b", 'tui = { theme = "b" } # x\n'),
        ("tui.theme = 'a'\n", "tui.animations", True, "tui.theme = 'a'\ntui.animations = true\n"),
        ("\ufeffa = 1\r\n[t]\r\nb = 2\r\n", "t.c", 3, "\ufeffa = 1\r\n[t]\r\nb = 2\r\nc = 3\r\n"),
        ("a = [\n 1, # one\n 2,\n]\nb = 1\n", "b", 2, "a = [\n 1, # one\n 2,\n]\nb = 2\n"),
        ("a = 1", "b", 2, "a = 1\nb = 2\n"),
        ("tui = 1\nb = 2\n", "tui.theme", "x", 'b = 2\n\n[tui]\ntheme = "x"\n'),
        ("a = 1\n", "b.c", None, "a = 1\n"),
        (  # TOML 1.1
            "[t]\ne = {\n  u = 1, # one\n  v = 2,\n}\n",
            'projects."/w".trust_level',
            "trusted",
            '[t]\ne = {\n  u = 1, # one\n  v = 2,\n}\n\n[projects."/w"]\ntrust_level = "trusted"\n',
        ),
    ],
)
def test_all_but_the_value_stays_as_it_was(text: str, key: str, value: Any, expected: str) -> None:
    assert changed(text, key, value) == expected


TEXTS = (
    "a=1\n[t]\nx=1 # c\n\n# above u\n[u.v]\ny=2\n",
    "t.x=1\nt.y=2\n[u]\nz={a=1,b={c=2}}\n",
    "# only\n",
    "[[h]]\nx=1\n[h.q]\nz=2\n[[h]]\nx=3\n",
    "[u]\nx=1\n[t]\n[u.v]\ny=1\n",
)
KEYS = ("a", "t.x", "t.n", "u.v.y", "u.z.a", "u.z.b.d", "h", 'p."/a.b".q', "new", "u", "t", "u.v")
VALUES: tuple[Any, ...] = (None, 1, "s", True, [1, 2], {"k": {"j": 2}}, {}, [{"a": 1}], 1.5)


@settings(deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES))))
def test_a_change_gives_exactly_its_values_or_is_refused(
    text: str, edits: list[tuple[str, Any]]
) -> None:
    for key, value in edits:
        after = edited(tomllib.loads(text), [edit_of(key, value, "upsert")])
        try:
            text = changed_text(text, tomllib.loads(text), after)
        except NotWritten:
            continue
        assert tomllib.loads(text) == after


def test_a_table_is_replaced_or_merged() -> None:
    table = {"tui": {"a": 1, "b": {"c": 1}}}
    value = {"b": {"d": 2}}
    assert edited(table, [edit_of("tui", value, "replace")]) == {"tui": value}
    assert edited(table, [edit_of("tui", value, "upsert")]) == {
        "tui": {"a": 1, "b": {"c": 1, "d": 2}}
    }


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("", 1, "keyPath must not be empty"),
        ("profile", "p", "`profile` is a legacy config profile"),
        ("profiles.p.model", "m", "`profiles` is a legacy config profile"),
        ("notify", ["a", None], "TOML has no null"),
    ],
)
def test_some_edits_mean_nothing(key: str, value: Any, said: str) -> None:
    with pytest.raises(NotWritten, match=said) as refused:
        edit_of(key, value, "replace")
    assert refused.value.code == "configValidationError"


class House:
    """A writer and its file."""

    def __init__(self, root: Path, flags: dict[str, Any] | None = None) -> None:
        self.file, self.codex = root / "h/config.toml", root / "codex"
        self.sources = Sources(self.codex, root / "etc.toml", flags=flags or {})
        self.config = LiveConfig(self.file, self.sources)
        self.writer = ConfigWriter(self.config)

    def write(self, *edits: tuple[str, Any], expected: str | None = None) -> Written:
        return self.writer.write([edit_of(key, value, "replace") for key, value in edits], expected)

    def refused(self, *edits: tuple[str, Any], expected: str | None = None) -> NotWritten:
        before = self.file.read_bytes() if self.file.exists() else None
        with pytest.raises(NotWritten) as refused:
            self.write(*edits, expected=expected)
        assert before == (self.file.read_bytes() if self.file.exists() else None)
        return refused.value


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_file_is_made_private_and_nothing_else_is_left(house: House) -> None:
    written = house.write(("model", "m"), ("tui.theme", "x"))
    assert house.file.read_text() == 'model = "m"\n\n[tui]\ntheme = "x"\n'
    assert house.file.stat().st_mode & 0o777 == 0o600
    assert house.file.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(house.file.parent) == ["config.toml"]
    assert written.version == house.config.read().version
    assert house.config.last_good().model == "m"


def test_all_edits_are_written_or_none(house: House) -> None:
    house.write(("model", "m"))
    refused = house.refused(("model", "n"), ("model_verbosity", "loud"))
    assert refused.code == "configValidationError"
    assert 'expected "low", "medium" or "high", found \'loud\'' in str(refused)
    # A file that both programs share is to load in both.
    assert "expected a table" in str(house.refused(("tui", 3)))
    assert "expected true or false" in str(house.refused(("tui", {"animations": 3})))


def test_a_key_that_nobody_knows_is_written_and_named(house: House) -> None:
    written = house.write(("bogus.key", 3), ("modle", "x"))
    assert written.warnings == (
        "`bogus` is no key that codexd or Codex knows",
        "`modle` is no key that codexd or Codex knows; did you mean `model`?",
    )
    assert house.file.exists()


def test_an_edit_of_another_version_is_refused(house: House) -> None:
    first = house.write(("model", "a"))
    second = house.write(("model", "b"), expected=first.version)
    assert house.refused(("model", "c"), expected=first.version).code == "configVersionConflict"
    # A comment is no other version.
    house.file.write_text("# new\n" + house.file.read_text())
    house.write(("model", "c"), expected=second.version)
    assert house.file.read_text() == '# new\nmodel = "c"\n'


def test_a_wrong_file_can_be_mended_by_an_edit(house: House) -> None:
    house.file.parent.mkdir(mode=0o700)
    house.file.write_text("model = 5\n# mine\n")
    house.write(("model", "m"))
    assert house.file.read_text() == 'model = "m"\n# mine\n'
    house.file.write_text("model = \n")
    assert "config.toml:1" in str(house.refused(("model", "m")))


def test_what_a_higher_layer_hides_is_written_and_said(tmp_path: Path) -> None:
    house = House(tmp_path, {"model": "flag"})
    written = house.write(("model_verbosity", "low"), ("model", "m"))
    assert written.overridden is not None
    assert (written.overridden.value, written.overridden.layer.file) == ("flag", "")
    assert house.write(("model", "flag")).overridden is None


def test_the_first_edit_takes_over_what_was_read_from_codex(house: House) -> None:
    house.codex.mkdir(mode=0o700)
    theirs = house.codex / "config.toml"
    text = '# theirs\nmodel = "m"\nmodel_instructions_file = "mine.md"\n'
    theirs.write_text(text)
    written = house.write(("model_verbosity", "low"))
    assert written.copied_from == str(theirs)
    assert theirs.read_text() == text
    assert house.file.read_text() == (
        f'# theirs\nmodel = "m"\nmodel_instructions_file = "{house.codex}/mine.md"\n'
        'model_verbosity = "low"\n'
    )
    assert house.write(("model", "n")).copied_from is None


def test_a_link_is_kept_and_its_file_changed(house: House, tmp_path: Path) -> None:
    house.file.parent.mkdir(mode=0o700)
    target = tmp_path / "dotfiles" / "codexd.toml"
    target.parent.mkdir(mode=0o700)
    target.write_text("# mine\n")
    target.chmod(0o644)
    house.file.symlink_to(target)
    house.write(("model", "m"))
    assert house.file.is_symlink()
    assert target.read_text() == '# mine\nmodel = "m"\n'
    assert target.stat().st_mode & 0o777 == 0o644
    assert os.listdir(target.parent) == ["codexd.toml"]


def test_no_edit_of_many_writers_is_lost(house: House) -> None:
    # Each has a lock of its own on the folder, as other processes have.
    others = [ConfigWriter(LiveConfig(house.file, house.sources)) for _ in range(8)]

    def write(number: int, writer: ConfigWriter) -> None:
        for turn in range(4):
            path = f'projects."/p{number}/{turn}".trust_level'
            writer.write([edit_of(path, "trusted", "replace")])

    threads = [threading.Thread(target=write, args=each) for each in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(house.config.last_good().projects) == 8 * 4


def test_what_an_editor_saves_meanwhile_is_edited_in_its_turn(house: House) -> None:
    house.write(("model", "m"))
    saved = iter(['model = "x"\n# saved\n'])

    def edit(content: bytes, _: str) -> bytes:
        for text in saved:  # The first time, another program writes while this one thinks.
            house.file.write_text(text)
        return content + b"# edited\n"

    house.writer.change(edit)
    assert house.file.read_text() == 'model = "x"\n# saved\n# edited\n'


def test_a_whole_text_is_written_if_it_can_be_used(house: House) -> None:
    house.write(("model", "m"))
    text, file = house.writer.content()
    assert (text, file) == ('model = "m"\n', str(house.file))
    with pytest.raises(NotWritten, match=r"config\.toml:2: `model_verbosity`"):
        house.writer.replace('model = "n"\nmodel_verbosity = 1\n', text)
    with pytest.raises(NotWritten, match="changed meanwhile") as refused:
        house.writer.replace('model = "n"\n', "other")
    assert refused.value.code == "configVersionConflict"
    written = house.writer.replace('modle = "n"\n', text)
    assert "unknown key `modle`" in written.warnings[0]
    assert house.file.read_text() == 'modle = "n"\n'
    # Also in place of a text that is no TOML, or names a profile that is not there.
    for broken in ("x = [\n", "profile = 'none'\n"):
        house.file.write_text(broken)
        house.writer.replace('model = "m"\n', broken)
        assert house.file.read_text() == 'model = "m"\n'


def test_only_the_file_of_the_person_is_written(house: House, tmp_path: Path) -> None:
    house.writer.refuse_another(None)
    house.writer.refuse_another(str(house.file))
    with pytest.raises(NotWritten) as refused:
        house.writer.refuse_another(str(tmp_path / "other.toml"))
    assert refused.value.code == "configLayerReadonly"
    house.file.parent.mkdir(mode=0o700)
    house.file.write_text("")
    house.file.chmod(0o666)
    assert "expected that no other user may write" in str(house.refused(("model", "m")))
