"""Files and folders of other users: not believed on the way to a project, refused where codexd itself lives."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from codexd.config.file import InvalidConfig, read_config
from codexd.config.live import LiveConfig
from codexd.context_files.agents_md import Rules, read_user_instructions
from codexd.machine.owners import NotOurs, make_own_folder, open_own, refuse_unless_ours
from codexd.server.reads.git import git_head
from trio_test import trio_test

STRANGER = 12345
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to somebody else")
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where a thread works, below a folder that others may write to as well."""
    (tmp_path / "shared/project").mkdir(parents=True)
    return tmp_path / "shared/project"


def repository(folder: Path) -> Path:
    """What git would make in a folder."""
    (folder / ".git/refs/heads").mkdir(parents=True)
    (folder / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".git/refs/heads/main").write_text(f"{SHA}\n")
    (folder / ".git/config").write_text('[remote "origin"]\n\turl = https://a:b@example.org/x\n')
    return folder / ".git"


@AS_ROOT
def test_instructions_of_another_user_are_passed_over_and_said(work: Path) -> None:
    repository(work.parent)
    (work / "AGENTS.md").write_text("mine")
    trap = work.parent / "AGENTS.md"
    trap.write_text("theirs")
    os.chown(trap, STRANGER, STRANGER)
    found = read_user_instructions(str(work), Rules())
    assert [source.path for source in found.sources] == [str(work / "AGENTS.md")]
    assert [complaint.message for complaint in found.complaints] == [
        f"{trap} belongs to uid {STRANGER}, expected uid 0 or root: it was passed over."
    ]


@AS_ROOT
def test_another_users_link_to_an_own_file_is_ignored(work: Path) -> None:
    (work.parent / "notes").write_text("private")
    (work / "AGENTS.md").symlink_to(work.parent / "notes")
    os.chown(work / "AGENTS.md", STRANGER, STRANGER, follow_symlinks=False)
    found = read_user_instructions(str(work), Rules())
    assert (found.text, len(found.complaints)) == ("", 1)


@AS_ROOT
@trio_test
async def test_a_repository_of_another_user_marks_no_root_and_is_not_reported(work: Path) -> None:
    git = repository(work.parent)
    assert await git_head(str(work)) is not None
    (work.parent / "AGENTS.md").write_text("mine, above")
    os.chown(git, STRANGER, STRANGER)
    found = read_user_instructions(str(work), Rules())
    assert found.text == ""
    assert [complaint.message for complaint in found.complaints] == [
        f"{git} belongs to uid {STRANGER}, expected uid 0 or root: it was passed over."
    ]
    assert await git_head(str(work)) is None


@AS_ROOT
def test_a_config_of_another_user_is_refused_until_the_owner_changes(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('model = "m"')
    live = LiveConfig(file)
    assert live.read().config.model == "m"
    os.chown(file, STRANGER, STRANGER)
    with pytest.raises(InvalidConfig, match=f"found uid {STRANGER}; nothing of the file was used"):
        live.read()
    os.chown(file, 0, 0)
    assert live.read().config.model == "m"
    os.chown(tmp_path, STRANGER, STRANGER)
    with pytest.raises(InvalidConfig):
        read_config(file)


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o646, 0o777])
def test_a_config_that_all_may_write_is_refused_until_they_may_not(
    tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('model = "m"')
    file.chmod(mode)
    live = LiveConfig(file)
    with pytest.raises(InvalidConfig, match=f"found mode {mode:04o}: check .* `chmod go-w"):
        live.read()
    file.chmod(0o644)
    assert live.read().config.model == "m"
    tmp_path.chmod(0o777)
    with pytest.raises(InvalidConfig, match=f"no other user may write to {tmp_path}"):
        read_config(file)
    tmp_path.chmod(0o755)
    assert live.read().config.model == "m"


def test_a_shared_folder_with_a_sticky_bit_is_trusted(
    tmp_path: Path,
) -> None:
    (tmp_path / "shared").mkdir()
    make_own_folder(tmp_path / "shared/ours")
    (tmp_path / "shared").chmod(0o1777)
    refuse_unless_ours(tmp_path / "shared/ours")
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(NotOurs, match=f"write to {tmp_path}/shared, found mode 0777"):
        refuse_unless_ours(tmp_path / "shared/ours")


@AS_ROOT
def test_a_group_may_write_where_it_has_no_other_member(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    refuse_unless_ours(tmp_path)  # the group `root` is root's own
    os.chown(tmp_path, 0, STRANGER)
    with pytest.raises(NotOurs, match="0770"):
        refuse_unless_ours(tmp_path)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folders_are_private_with_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_own_folder(tmp_path / ".local/state/codexd")
    finally:
        os.umask(before)
    for folder in (".local", ".local/state", ".local/state/codexd"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_a_file_of_ours_is_no_link_and_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "pipe", "."):
        with pytest.raises(OSError, match=str(tmp_path)):
            open_own(tmp_path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    assert (tmp_path / "victim").read_text() == "safe"
    assert not (tmp_path / "nowhere").exists()


# What a `.git` says, and what of that is told. Each leads out of the repository, or is nothing that git would write.
LEADING_AWAY = {
    "up": "ref: ../secret",
    "far up": "ref: refs/../../../secret",
    "absolute": "ref: {root}/secret",
    "not below refs": "ref: secret",
    "through a link": "ref: refs/linked/secret",
    "a link": "ref: refs/heads/linked",
    "a name with a line break": "ref: refs/heads/a\nb",
    "a name with an escape": "ref: refs/heads/\x1b[31m",
    "a name with a hidden mark": "ref: refs/heads/a\u202eb",
    "no object": "the secret itself",
}


@pytest.mark.parametrize("case", LEADING_AWAY)
@trio_test
async def test_a_head_that_leads_out_of_its_repository_is_not_followed(
    work: Path, case: str
) -> None:
    git = repository(work)
    secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2"
    for path in (work / "secret", git / "secret"):
        path.write_text(secret)
    (git / "refs/linked").symlink_to(work)
    (git / "refs/heads/linked").symlink_to(work / "secret")
    (git / "HEAD").write_text(LEADING_AWAY[case].format(root=work))
    found = await git_head(str(work))
    assert found is not None
    assert found.sha is None
    assert found.branch in (None, "linked", "refs/linked/secret")
    assert found.origin_url == "https://example.org/x"


@trio_test
async def test_a_git_file_is_followed_only_where_git_itself_would_have_led(tmp_path: Path) -> None:
    private = repository(tmp_path / "private")
    trap = tmp_path / "trap"
    trap.mkdir()
    for named in (str(private), "../private/.git", "/", "\0"):
        (trap / ".git").write_text(f"gitdir: {named}\n")
        assert await git_head(str(trap)) is None
    (trap / ".git").unlink()
    own = repository(trap)
    for named in (str(private), "../../private/.git"):
        (own / "commondir").write_text(f"{named}\n")
        assert await git_head(str(trap)) is None


@pytest.mark.slow
@trio_test
async def test_worktrees_and_submodules_that_git_made_are_reported(tmp_path: Path) -> None:
    def git(*words: str, cwd: Path) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        command = ("git", *identity, "-c", "protocol.file.allow=always", *words)
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, env=env)
        return done.stdout.decode().strip()

    main = tmp_path / "main"
    main.mkdir()
    git("init", "-q", "-b", "main", cwd=main)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=main)
    git("worktree", "add", "-q", "-b", "side", "../side", cwd=main)
    git("commit", "-q", "--allow-empty", "-m", "second", cwd=tmp_path / "side")
    git("submodule", "add", "-q", str(tmp_path / "side"), "part", cwd=main)
    for folder, branch in ((main, "main"), (tmp_path / "side", "side"), (main / "part", "side")):
        found = await git_head(str(folder))
        assert found is not None
        assert (found.sha, found.branch) == (git("rev-parse", "HEAD", cwd=folder), branch)
    git("pack-refs", "--all", cwd=main)
    found = await git_head(str(main))
    assert found is not None
    assert found.sha == git("rev-parse", "HEAD", cwd=main)
