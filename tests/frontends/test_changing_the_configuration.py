"""`codexctl config`: what is in force and why, and changes of config.toml, as a person sees them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codexd_frontends.ctl import main
from daemon_house import Daemon, Home

from .codexctl import codexctl
from .fake_daemon import FakeDaemon

Captured = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_a_person_asks_why_and_changes_it(home: Home) -> None:
    codex = Path(home.env["HOME"], ".codex")
    codex.mkdir(mode=0o700)
    theirs = codex / "config.toml"
    theirs.write_text('# theirs\nmodel = "gpt-5"\n[tui]\ntheme = "dark"\n')
    file = home.path / "config.toml"
    home.start()
    assert codexctl(home, "config", "get").out == "model = gpt-5\ntui.theme = dark\n"
    assert codexctl(home, "config", "get", "model").out == "gpt-5\n"
    unset = codexctl(home, "config", "get", "review_model")
    assert (unset.code, unset.err) == (1, "review_model is not set\n")
    explained = codexctl(home, "config", "explain", "model").out
    assert explained.splitlines() == [
        'model = "gpt-5"',
        f'* {theirs}:2: "gpt-5"  (the highest layer that sets it)',
        "  expected: a string",
    ]
    unknown = codexctl(home, "config", "explain", "modle")
    assert (unknown.code, "did you mean model?" in unknown.err) == (2, True)
    written = codexctl(home, "config", "set", "model_reasoning_effort", "high")
    assert written.out == f"wrote model_reasoning_effort to {file}\n"
    assert f"it began as a copy of {theirs}" in written.err
    assert file.read_text() == (
        '# theirs\nmodel = "gpt-5"\nmodel_reasoning_effort = "high"\n\n[tui]\ntheme = "dark"\n'
    )
    assert "# theirs" in theirs.read_text()
    assert "model_reasoning_effort" not in theirs.read_text()
    warned = codexctl(home, "config", "set", "modle", "x")
    assert "did you mean `model`?" in warned.err
    wrong = codexctl(home, "config", "set", "model_context_window", "0")
    assert (wrong.code, "expected a number of tokens" in wrong.err) == (2, True)
    removed = codexctl(home, "config", "unset", "modle", "--json").json
    assert (removed["status"], removed["filePath"]) == ("ok", str(file))
    assert (
        codexctl(home, "config", "get", "model_reasoning_effort", "--json").json["value"] == "high"
    )
    edited_in_an_editor(home, file)


def edited_in_an_editor(home: Home, file: Path) -> None:
    changed = codexctl(home, "config", "edit", EDITOR="sed -i s/gpt-5/gpt-6/")
    assert (changed.code, changed.out) == (0, f"wrote {file}\n")
    before = file.read_text()
    assert 'model = "gpt-6"' in before
    broken = codexctl(home, "config", "edit", EDITOR="sed -i s/gpt-6/gpt-6'\"'/")
    assert (broken.code, "not TOML" in broken.err) == (2, True)
    for editor, code in (("true", 0), ("false", 1), ("no-such-editor", 1)):
        ended = codexctl(home, "config", "edit", EDITOR=editor)
        assert ended.code == code
        assert "nothing was changed" in ended.out + ended.err
    assert file.read_text() == before
    assert not [name for name in os.listdir(home.path) if "new" in name]


@pytest.mark.slow
def test_what_a_project_and_a_flag_decide_is_said_with_its_place(home: Home) -> None:
    (home.work / ".git").mkdir()
    (home.work / ".codex").mkdir()
    (home.work / ".codex/config.toml").write_text('review_model = "project"\nmodel = "project"\n')
    home.configure(f'model = "own"\n[projects."{home.work}"]\ntrust_level = "trusted"\n')
    home.start("-c", "model=flag")
    lines = codexctl(home, "config", "explain", "model").out.splitlines()
    assert lines[:4] == [
        'model = "flag"',
        '* -c: "flag"  (the highest layer that sets it)',
        f'  {home.work}/.codex/config.toml:2: "project"  (overridden by -c)',
        f'  {home.path}/config.toml:1: "own"  (overridden by -c)',
    ]
    assert codexctl(home, "config", "get", "review_model").out == "project\n"
    elsewhere = codexctl(home, "config", "get", "review_model", "-C", "/")
    assert elsewhere.code == 1
    told = codexctl(home, "config", "explain", "review_model", "--json").json
    assert [(layer["value"], layer["decides"]) for layer in told["layers"]] == [("project", True)]
    hidden = codexctl(home, "config", "set", "model", "new")
    assert 'it has no effect. Overridden by session flags, where it is "flag"' in hidden.err


def test_an_answer_of_a_daemon_drives_no_terminal(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        layer = {"place": "/a\x1b[2J:1", "value": "\x1b[2J", "decides": True, "reason": "\x1b[2J"}
        fake.answer(
            "config/explain",
            {
                "key": "m\x1b[2J",
                "value": "\x1b[2J",
                "layers": [layer],
                "expected": "\x1b[2J",
                "usedBy": "codexd",
            },
        )
        assert main(["--socket", fake.path, "config", "explain", "m"]) == 0
        assert main(["--socket", fake.path, "config", "get", "m"]) == 0
        assert "\x1b" not in capfd.readouterr().out


def test_a_conflict_of_an_edit_is_reported(daemon: Daemon) -> None:
    home = daemon.home
    script = home.root / "editor"
    script.write_text(
        f'#!/bin/sh\necho "# other" >> {home.path}/config.toml\necho "# mine" >> "$1"\n'
    )
    script.chmod(0o700)
    home.configure("# first\n")
    lost = codexctl(home, "config", "edit", EDITOR=str(script))
    assert (lost.code, "changed meanwhile" in lost.err) == (2, True)
    assert home.path.joinpath("config.toml").read_text() == "# first\n# other\n"
