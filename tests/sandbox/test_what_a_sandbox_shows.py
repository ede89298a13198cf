"""Which folders are writable, protected and hidden, as mounts in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.core.values.settings import SandboxAccess, SandboxMode
from codexd.sandbox.roots import View, view_of

NO_TEMPORARY = SandboxAccess(exclude_slash_tmp=True, exclude_tmpdir_env_var=True)


def view(
    folder: Path,
    *own: Path,
    mode: SandboxMode = "workspace-write",
    access: SandboxAccess = NO_TEMPORARY,
    temporary: str | None = None,
    codex: tuple[Path, ...] = (),
) -> View:
    own_folders, homes = [str(path) for path in own], [str(home) for home in codex]
    return view_of(Sandbox(mode, str(folder), access), own_folders, temporary, homes)


def kinds(shown: View, base: Path) -> dict[str, str]:
    return {
        mount.path.removeprefix(f"{base}/"): mount.kind
        for mount in shown.mounts
        if mount.path.startswith(str(base))
    }


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "w" / ".git").mkdir(parents=True)
    return tmp_path.resolve()


def test_nothing_is_writable_in_read_only(base: Path) -> None:
    assert view(base / "w", mode="read-only").mounts == ()


def test_what_is_missing_of_the_protected_names_gets_a_placeholder(base: Path) -> None:
    shown = view(base / "w")
    assert kinds(shown, base) == {
        "w": "write",
        "w/.agents": "read",
        "w/.codex": "read",
        "w/.git": "read",
    }
    assert sorted(shown.placeholders) == [str(base / "w/.agents"), str(base / "w/.codex")]


def test_the_repository_that_a_file_leads_to_is_protected(base: Path) -> None:
    (base / "w" / ".git").rmdir()
    (base / "w" / "main" / "worktrees" / "one").mkdir(parents=True)
    (base / "w" / ".git").write_text("gitdir: main/worktrees/one\n")
    (base / "w" / "main" / "worktrees" / "one" / "commondir").write_text("../..\n")
    found = kinds(view(base / "w"), base)
    assert (found["w/.git"], found["w/main/worktrees/one"]) == ("read", "read")
    assert found["w/main"] == "read"
    assert found["w/main/worktrees"] == "write"  # a mount, so that it can't be renamed


@pytest.mark.parametrize("content", [b"", b"gitdir: /nowhere", b"\xff\xfe", b"x" * 99_999])
def test_a_file_that_leads_nowhere_is_protected_itself(base: Path, content: bytes) -> None:
    (base / "w" / ".git").rmdir()
    (base / "w" / ".git").write_bytes(content)
    assert kinds(view(base / "w"), base)["w/.git"] == "read"


def test_a_link_that_is_named_as_a_protected_folder_is_refused(base: Path) -> None:
    (base / "w" / ".codex").symlink_to(base)
    with pytest.raises(CannotConfine, match=r"/w/\.codex is a symbolic link"):
        view(base / "w")


def test_folders_above_what_is_hidden_or_writable_cannot_be_renamed(base: Path) -> None:
    (base / "w" / "a" / "b" / "home").mkdir(parents=True)
    (base / "w" / "c" / "root").mkdir(parents=True)
    access = SandboxAccess((str(base / "w/c/root"),), True, True, True)
    found = kinds(view(base / "w", base / "w/a/b/home", access=access), base)
    assert found["w/a/b/home"] == "hide"
    assert {found["w/a"], found["w/a/b"], found["w/c"], found["w/c/root"]} == {"write"}
    assert list(found).index("w/a/b") < list(found).index("w/a/b/home")


def test_what_lies_in_a_hidden_folder_is_hidden_with_it_unless_a_workspace_is_between(
    base: Path,
) -> None:
    home = base / "w" / "codexd"
    (home / "state" / "keeper").mkdir(parents=True)
    (home / "project" / "state").mkdir(parents=True)
    own = (home, home / "state", home / "state" / "keeper", home / "project" / "state")
    found = kinds(view(base / "w", *own), base)
    assert {path for path, kind in found.items() if kind == "hide"} == {"w/codexd"}
    access = SandboxAccess((str(home / "project"),), True, True, True)
    found = kinds(view(base / "w", *own, access=access), base)
    assert found["w/codexd/project"] == "write"
    assert {path for path, kind in found.items() if kind == "hide"} == {
        "w/codexd",
        "w/codexd/project/state",
    }


def test_codexds_own_folder_is_no_workspace(base: Path) -> None:
    with pytest.raises(CannotConfine, match="codexd's own"):
        view(base / "w", base / "w")
    assert kinds(view(base / "w", base), base)["w"] == "write"  # within it, as a person asked


def test_codexs_home_is_hidden_whatever_its_name_is_but_for_what_a_model_reads(base: Path) -> None:
    home = base / "w" / "codex-of-mine"
    assert kinds(view(base / "w", codex=(home,)), base)["w/codex-of-mine"] == "read"
    assert str(home) in view(base / "w", codex=(home,)).placeholders
    (home / "skills").mkdir(parents=True)
    (home / "auth.json").write_text("whole")
    found = kinds(view(base / "w", codex=(home, base / "none" / "home")), base)
    assert found["w/codex-of-mine"] == "hide"
    assert found["w/codex-of-mine/skills"] == "read"
    assert "none/home" not in found
    assert kinds(view(base / "w", mode="read-only", codex=(home,)), base) == {
        "w/codex-of-mine": "hide",
        "w/codex-of-mine/skills": "read",
    }
    with pytest.raises(CannotConfine, match="or Codex's"):
        view(home, codex=(home,))


def test_the_temporary_folders_are_writable_unless_they_are_excluded(base: Path) -> None:
    (base / "t").mkdir()
    writable = {
        mount.path
        for mount in view(base / "w", access=SandboxAccess(), temporary=str(base / "t")).mounts
        if mount.kind == "write"
    }
    assert {str(base / "t"), "/tmp"} <= writable
    assert view(base / "w", temporary="relative").mounts == view(base / "w").mounts


def test_roots_are_real_folders_and_none_of_the_kernels(base: Path) -> None:
    (base / "link").symlink_to(base / "w")
    (base / "file").write_text("")
    access = SandboxAccess(
        (
            str(base / "link"),
            str(base / "file"),
            str(base / "gone"),
            "/proc",
            "/dev",
            "/sys/kernel",
        ),
        exclude_slash_tmp=True,
    )
    shown = view(base / "link", access=access)
    assert [mount.path for mount in shown.mounts if mount.kind == "write"] == [str(base / "w")]


def test_the_root_folder_may_be_a_root() -> None:
    shown = view(Path("/"))
    assert shown.everything_writable
    assert "/sys" in [mount.path for mount in shown.mounts if mount.kind == "read"]
    assert shown.placeholders == ()  # no folder is made at the root of the system
