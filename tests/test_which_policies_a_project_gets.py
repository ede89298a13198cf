"""The policies of a new thread, by the configuration and the trust in its project: as Codex has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.config.keys import Config, ProjectTable, WorkspaceWriteTable
from codexd.config.policies import Policies, access_of, here_of, policies_for
from codexd.core.values.settings import NO_PROFILE, ActiveProfile, SandboxAccess


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "p" / ".git").mkdir(parents=True)
    (tmp_path / "p" / "sub" / "deep").mkdir(parents=True)
    return tmp_path / "p"


def config(trusted: Path, level: str) -> Config:
    return Config(projects={str(trusted): ProjectTable(level)})  # type: ignore[arg-type]


def test_a_folder_that_nobody_trusts_is_read_only(project: Path) -> None:
    assert policies_for(Config(), str(project)) == Policies(
        "on-request", "read-only", SandboxAccess(), ActiveProfile(":read-only")
    )
    assert policies_for(config(project.parent, "trusted"), str(project)).sandbox == "read-only"


@pytest.mark.parametrize("folder", [".", "sub", "sub/deep"])
def test_a_trusted_project_is_writable_from_all_of_its_folders(project: Path, folder: str) -> None:
    found = policies_for(config(project, "trusted"), str(project / folder))
    assert found == Policies(
        "on-request", "workspace-write", SandboxAccess(), ActiveProfile(":workspace")
    )


def test_in_an_untrusted_project_a_person_is_asked(project: Path) -> None:
    found = policies_for(config(project, "untrusted"), str(project))
    assert found == Policies(
        "untrusted", "workspace-write", SandboxAccess(), ActiveProfile(":workspace")
    )


def test_what_is_configured_comes_first(project: Path) -> None:
    own = Config(
        approval_policy="never",
        sandbox_mode="danger-full-access",
        projects={str(project): ProjectTable("untrusted")},
    )
    assert policies_for(own, str(project)) == Policies(
        "never", "danger-full-access", SandboxAccess(), NO_PROFILE
    )


def test_the_table_of_the_mode_counts_in_that_mode_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    own = Config(
        sandbox_workspace_write=WorkspaceWriteTable(("~/cache", "/abs", "rel"), network_access=True)
    )
    assert access_of(own, "read-only", "/w") == SandboxAccess()
    found = access_of(own, "workspace-write", "/w")
    assert found == SandboxAccess(("/home/ann/cache", "/abs", "/w/rel"), network_access=True)


def test_what_comes_from_elsewhere_gets_no_more_than_is_configured() -> None:
    assert (here_of(Config()).approval_policy, here_of(Config()).sandbox) == (
        "untrusted",
        "read-only",
    )
