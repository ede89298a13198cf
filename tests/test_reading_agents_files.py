"""AGENTS.md: which files count, in which order, and the warnings for unusable files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from codexd.config.keys import Config
from codexd.context_files.agents_md import (
    Rules,
    instruction_homes,
    project_folders,
    read_user_instructions,
    rules_of,
)
from codexd.core.values.agents_md import InstructionFile, UserInstructions
from codexd.machine.paths import find_paths

RULES = Rules()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "a" / "b").mkdir(parents=True)
    (root / ".git").mkdir()
    return root


def read(cwd: Path, rules: Rules = RULES) -> UserInstructions:
    return read_user_instructions(str(cwd), rules)


def folders(cwd: Path, markers: tuple[str, ...]) -> list[Path]:
    return project_folders(cwd, markers, lambda path, owner: None)


def names(found: UserInstructions, root: Path) -> list[str]:
    return [os.path.relpath(source.path, root) for source in found.sources]


def test_one_file_is_sent_unchanged(project: Path) -> None:
    (project / "AGENTS.md").write_text("Be kind.\n")
    assert read(project / "a") == UserInstructions(
        str(project),
        "Be kind.",
        (
            InstructionFile(
                str(project / "AGENTS.md"), 9, hashlib.sha256(b"Be kind.\n").hexdigest()
            ),
        ),
    )


def test_from_the_root_down_to_where_the_work_is(project: Path) -> None:
    for folder, words in ((project.parent, "no"), (project, "1"), (project / "a/b", "2")):
        (folder / "AGENTS.md").write_text(words)
    (project / "a/b/c").mkdir()
    (project / "a/b/c/AGENTS.md").write_text("no")
    found = read(project / "a/b")
    assert names(found, project) == ["AGENTS.md", "a/b/AGENTS.md"]
    outer, inner = (project / name for name in ("AGENTS.md", "a/b/AGENTS.md"))
    assert found.text == f"<!-- {outer} -->\n1\n\n<!-- {inner} -->\n2"


def test_where_it_is_from_is_said_unless_it_lies_in_the_folder_that_is_named(project: Path) -> None:
    file = project / "a/AGENTS.md"
    file.write_text("Be kind.")
    found = read(project / "a")
    assert (found.directory, found.text) == (str(project), f"<!-- {file} -->\nBe kind.")


def test_without_a_marked_root_only_the_folder_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "AGENTS.md").write_text("no")
    (tmp_path / "a/AGENTS.md").write_text("yes")
    assert read(tmp_path / "a").text == "yes"


def test_the_nearest_root_counts_and_a_worktrees_git_file_marks_a_root(project: Path) -> None:
    (project / "a/.git").write_text("gitdir: elsewhere")
    assert folders(project / "a/b", (".git",)) == [project / "a", project / "a/b"]


def test_other_markers_may_be_named_or_none(project: Path) -> None:
    (project / "a/pyproject.toml").touch()
    cwd = project / "a/b"
    assert folders(cwd, ("pyproject.toml",)) == [project / "a", cwd]
    assert folders(cwd, ()) == [cwd]


def test_the_home_folders_instructions_are_first(project: Path, tmp_path: Path) -> None:
    homes = (tmp_path / "empty", tmp_path / "mine", tmp_path / "theirs")
    for home in homes:
        home.mkdir()
    for file in (homes[1] / "AGENTS.md", homes[2] / "AGENTS.md", project / "AGENTS.md"):
        file.write_text(str(file))
    found = read(project, replace(RULES, homes=homes))
    assert names(found, tmp_path) == ["mine/AGENTS.md", "project/AGENTS.md"]


def test_an_override_goes_before_the_file_and_fallbacks_after_it(project: Path) -> None:
    rules = replace(RULES, fallbacks=("CLAUDE.md", "GUIDE.md"))
    for name in ("GUIDE.md", "CLAUDE.md", "AGENTS.md", "AGENTS.override.md"):
        (project / name).write_text(name)
        assert read(project, rules).text == name


def test_fallbacks_are_tried_in_each_folder(project: Path) -> None:
    (project / "CLAUDE.md").write_text("1")
    (project / "a/AGENTS.md").write_text("2")
    found = read(project / "a", replace(RULES, fallbacks=("CLAUDE.md",)))
    assert names(found, project) == ["CLAUDE.md", "a/AGENTS.md"]


def test_a_file_with_nothing_in_it_is_none(project: Path) -> None:
    (project / "AGENTS.override.md").write_text(" \n")
    (project / "AGENTS.md").write_text("yes")
    assert read(project).text == "yes"


def test_a_name_that_is_a_path_is_passed_over_with_a_complaint(project: Path) -> None:
    (project.parent / "x.md").write_text("no")
    found = read(project, replace(RULES, fallbacks=("../x.md",)))
    assert found.text == ""
    assert [complaint.about for complaint in found.complaints] == ["instructions:expected:../x.md"]


# How much.


def test_nothing_is_read_where_no_byte_is_allowed(project: Path) -> None:
    (project / "AGENTS.md").write_text("no")
    assert read(project, replace(RULES, bytes_max=0)) == UserInstructions(str(project))


@pytest.mark.parametrize(("allowed", "kept"), [(4, b"ab\xc3\xbc"), (3, b"ab"), (2, b"ab")])
def test_a_long_file_is_cut_between_characters_and_that_is_said(
    project: Path, allowed: int, kept: bytes
) -> None:
    file = project / "AGENTS.md"
    file.write_text("abüxyz")
    found = read(project, replace(RULES, bytes_max=allowed))
    assert found.text.startswith(f"{kept.decode()}\n\n[The rest of {file} was left out: ")
    assert found.sources == (
        InstructionFile(str(file), len(kept), hashlib.sha256(kept).hexdigest(), True),
    )
    assert f"has 7 bytes, of which the model is given {len(kept)}" in found.complaints[0].message


def test_the_bound_is_for_all_files_together(project: Path) -> None:
    for name, words in (
        ("AGENTS.md", "12345678"),
        ("a/AGENTS.md", "12345"),
        ("a/b/AGENTS.md", "1"),
    ):
        (project / name).write_text(words)
    found = read(project / "a/b", replace(RULES, bytes_max=10))
    assert [(source.bytes, source.truncated) for source in found.sources] == [(8, False), (2, True)]
    assert [
        complaint.message.split(" has ")[1].split(",")[0] for complaint in found.complaints
    ] == [
        "5 bytes",
        "1 bytes",
    ]


def test_a_file_that_just_fits_is_whole(project: Path) -> None:
    (project / "AGENTS.md").write_text("12345678")
    found = read(project, replace(RULES, bytes_max=8))
    assert (found.text, found.complaints) == ("12345678", ())


# What cannot be used.


def test_links_are_followed_and_no_file_is_sent_twice(project: Path) -> None:
    (project / "real.md").write_text("once")
    (project / "AGENTS.md").symlink_to("real.md")
    (project / "a/AGENTS.md").symlink_to(project / "AGENTS.md")
    found = read(project / "a")
    assert (found.text, names(found, project)) == ("once", ["AGENTS.md"])


def test_a_link_to_nothing_is_complained_of(project: Path) -> None:
    (project / "AGENTS.md").symlink_to("gone.md")
    (complaint,) = read(project).complaints
    assert "AGENTS.md cannot be read" in complaint.message


def test_a_folder_or_a_pipe_of_that_name_is_complained_of_and_not_waited_for(project: Path) -> None:
    (project / "AGENTS.override.md").mkdir()
    os.mkfifo(project / "AGENTS.md")
    found = read(project, replace(RULES, fallbacks=("CLAUDE.md",)))
    assert [complaint.message.split("/")[-1].split()[0] for complaint in found.complaints] == [
        "AGENTS.override.md",
        "AGENTS.md",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_complained_of(project: Path) -> None:
    (project / "AGENTS.md").write_text("no")
    (project / "AGENTS.md").chmod(0)
    (complaint,) = read(project).complaints
    assert "Permission denied" in complaint.message


def test_a_loop_of_links_is_complained_of(project: Path) -> None:
    (project / "AGENTS.md").symlink_to("AGENTS.md")
    assert len(read(project).complaints) == 1


def test_invalid_utf_8_is_replaced_with_a_warning(project: Path) -> None:
    (project / "AGENTS.md").write_bytes(b"caf\xe9\n")
    found = read(project)
    assert found.text == "caf�"
    assert found.sources[0].sha256 == hashlib.sha256(b"caf\xe9\n").hexdigest()
    assert "is not UTF-8" in found.complaints[0].message


def test_a_mark_of_byte_order_is_no_part_of_the_text(project: Path) -> None:
    (project / "AGENTS.md").write_bytes(b"\xef\xbb\xbfBe kind.")
    assert read(project).text == "Be kind."


def test_a_folder_that_is_gone_has_no_instructions(project: Path) -> None:
    assert read(project / "gone") == UserInstructions(str(project))


# Where the rules are from.


def test_the_rules_are_those_of_the_config(tmp_path: Path) -> None:
    config = Config(
        project_root_markers=(".hg",),
        project_doc_fallback_filenames=("CLAUDE.md",),
        project_doc_max_bytes=7,
    )
    assert rules_of(config, [tmp_path]) == Rules((tmp_path,), (".hg",), ("CLAUDE.md",), 7)
    assert rules_of(Config(), ()) == RULES


def test_own_instructions_are_beside_the_config_or_where_codex_has_them() -> None:
    env = {"HOME": "/home/ann", "CODEXD_HOME": "/x"}
    paths = find_paths(env)
    assert instruction_homes(paths, env) == (Path("/x"), Path("/home/ann/.codex"))
    env["CODEX_HOME"] = "/theirs"
    assert instruction_homes(paths, env)[1] == Path("/theirs")
