"""Permission profiles of config.toml: the sandbox that each stands for, as Codex 0.171 answered for the same tables."""

from __future__ import annotations

import pytest

from codexd.config.file import parse_config
from codexd.config.keys import Config
from codexd.config.permission_profiles import UnusableProfile, is_usable, permissions_of
from codexd.config.policies import here_of, policies_for
from codexd.core.values.enforced import enforced_policy, enforced_sandbox, is_refused, unenforced
from codexd.core.values.settings import (
    NO_PROFILE,
    ActiveProfile,
    Enforcement,
    SandboxAccess,
    Settings,
)

TABLES = """
[permissions.a]
extends = ":workspace"
description = "Work"
[permissions.a.filesystem]
"/var/x" = "write"
"~/y" = "read"
":tmpdir" = "read"
glob_scan_max_depth = 3
[permissions.b]
extends = "a"
[permissions.b.network]
enabled = true
mode = "limited"
[permissions.c]
extends = ":danger-full-access"
[permissions.d]
extends = "zz"
[permissions.e]
extends = "f"
[permissions.f]
extends = "e"
[permissions.all.filesystem]
":root" = "write"
[permissions.all.network]
enabled = true
[permissions.roots.workspace_roots]
"/var/z" = true
"/var/off" = false
[permissions.roots.filesystem]
":root" = "read"
[permissions.roots.filesystem.":project_roots"]
"." = "write"
"sub/" = "write"
[permissions.g]
extends = "roots"
[permissions.g.network]
enabled = true
[permissions.ro]
extends = ":read-only"
"""
EVERY_MODE = Enforcement(("read-only", "workspace-write", "danger-full-access"), unsandboxed=False)


def config(text: str, of: str = TABLES) -> Config:
    read = parse_config(f"{text}\n{of}".encode(), "/c.toml")
    assert not read.warnings
    return read.config


def write(
    *roots: str, network: bool = False, tmpdir: bool = False, slash_tmp: bool = False
) -> SandboxAccess:
    return SandboxAccess(roots, network, not tmpdir, not slash_tmp)


@pytest.mark.parametrize(
    ("name", "mode", "access", "extends"),
    [
        (":read-only", "read-only", SandboxAccess(), None),
        (":workspace", "workspace-write", SandboxAccess(), None),
        (":danger-full-access", "danger-full-access", SandboxAccess(), None),
        ("a", "workspace-write", write("/var/x", slash_tmp=True), ":workspace"),
        ("b", "workspace-write", write("/var/x", network=True, slash_tmp=True), "a"),
        ("all", "danger-full-access", SandboxAccess(), None),
        ("roots", "workspace-write", write("/var/z"), None),
        ("ro", "read-only", SandboxAccess(), ":read-only"),
    ],
)
def test_a_profile_stands_for_a_mode_and_its_access(
    name: str, mode: str, access: SandboxAccess, extends: str | None
) -> None:
    found = permissions_of(name, config(""), "/w")
    assert (found.sandbox, found.access) == (mode, access)
    assert found.profile == ActiveProfile(name, extends)


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("zz", "expected a permission profile, one of :read-only, .*, ro; found `zz`"),
        (":nope", "found `:nope`"),
        ("d", "found `zz`, which `d` extends"),
        ("c", "the permission profile `c` cannot extend `:danger-full-access`"),
        ("e", "the permission profile `e` extends itself"),
    ],
)
def test_a_profile_that_is_none_says_why(name: str, because: str) -> None:
    assert not is_usable(name, config(""))
    with pytest.raises(UnusableProfile, match=because):
        permissions_of(name, config(""), "/w")


@pytest.mark.parametrize(
    ("filesystem", "why"),
    [
        ('":minimal" = "read"', "limits what commands may read"),
        ('":root" = "read"\n"/etc/keys" = "deny"', "denies paths"),
        ('":root" = "read"\n":workspace_roots" = {"." = "write", "**/*.env" = "none"}', "denies paths"),
        ('":root" = "read"\n"/var/x" = "write"', "lets commands write, but not in their own folder"),
        ('":root" = "read"\n":workspace_roots" = {"." = "write", docs = "read"}', "has a rule of its own for docs"),
        ('":root" = "read"\n":workspace_roots" = {docs = "write"}', "has a rule of its own for docs"),
        ('":root" = "read"\n":workspace_roots" = "write"\n"/w/a" = "read"', "but not in /w/a"),
        ('":root" = "read"\n":workspace_roots" = "write"\n"/v" = "write"\n"/v/a" = "read"', "but not in /v/a"),
        ('":root" = "read"\n":workspace_roots" = "write"\n"/v/*" = "write"', "has patterns of paths"),
    ],
)  # fmt: skip
def test_what_the_sandbox_cannot_enforce_is_said_and_its_commands_are_refused(
    filesystem: str, why: str
) -> None:
    own = config('default_permissions = "p"', f"[permissions.p.filesystem]\n{filesystem}\n")
    found = policies_for(own, "/w")
    assert found.profile.unenforced is not None
    assert why in found.profile.unenforced
    settings = Settings(
        "/w", "m", "p", "on-request", found.sandbox, access=found.access, profile=found.profile,
        enforcement=EVERY_MODE,
    )  # fmt: skip
    assert is_refused(settings)
    assert found.profile.unenforced in unenforced(settings)[0].message
    assert here_of(own).profile == found.profile
    # A person may have decided to be asked instead.
    asked = Settings(
        "/w", "m", "p", "on-request", found.sandbox, profile=found.profile,
        enforcement=Enforcement(EVERY_MODE.modes, unsandboxed=True),
    )  # fmt: skip
    assert not is_refused(asked)
    assert (enforced_policy(asked), enforced_sandbox(asked)) == ("untrusted", "danger-full-access")


def test_domains_of_a_profile_count_where_there_is_a_proxy() -> None:
    table = '[permissions.p]\nextends = ":workspace"\n[permissions.p.network]\nenabled = true\ndomains = {"a.b" = "allow"}\n'
    assert permissions_of("p", config("", table), "/w").profile.unenforced is None
    with_proxy = config("features.network_proxy = true", table)
    found = permissions_of("p", with_proxy, "/w")
    assert found.profile.unenforced == "has a list of domains of its own"


def test_the_configured_profile_goes_before_the_mode_and_a_named_one_before_both() -> None:
    own = config('default_permissions = "a"\nsandbox_mode = "read-only"')
    assert policies_for(own, "/w").profile == ActiveProfile("a", ":workspace")
    named = policies_for(own, "/w", ":danger-full-access")
    assert (named.sandbox, named.profile.id) == ("danger-full-access", ":danger-full-access")
    table = config("[sandbox_workspace_write]\nnetwork_access = true", "")
    assert policies_for(table, "/w", ":workspace").access == SandboxAccess()
    with pytest.raises(UnusableProfile):
        policies_for(config('default_permissions = "zz"'), "/w")


def test_a_thread_from_elsewhere_gets_no_folder_and_no_network_of_a_profile() -> None:
    here = here_of(config('default_permissions = "g"'))
    assert here.access == write()
    assert (here.sandbox, here.profile) == ("workspace-write", NO_PROFILE)
    # A rule for a path may be about the thread's folder, which is not known yet.
    assert here_of(config('default_permissions = "b"')).profile.unenforced is not None
    assert here_of(config('default_permissions = "ro"')).profile.id == "ro"
    assert here_of(config('default_permissions = "zz"')).sandbox == "read-only"
