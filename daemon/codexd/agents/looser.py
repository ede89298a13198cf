"""Whether a thread may do more than the one that wants to tell it what to do. Pure."""

from __future__ import annotations

import posixpath
from typing import Final

from codexd.core.policy.roots import may_write
from codexd.core.values.enforced import enforced_policy, enforced_sandbox
from codexd.core.values.settings import Settings

_SANDBOXES: Final = ("read-only", "workspace-write", "danger-full-access")
_POLICIES: Final = ("untrusted", "on-request", "never")


def is_looser(other: Settings, sender: Settings) -> bool:
    """Whether a thread may do something that its sender may not: then the sender must not tell it what to do."""
    wanted, own = enforced_sandbox(other), enforced_sandbox(sender)
    if _SANDBOXES.index(wanted) > _SANDBOXES.index(own):
        return True
    if _POLICIES.index(enforced_policy(other)) > _POLICIES.index(enforced_policy(sender)):
        return True
    if own == "danger-full-access":
        return False
    if other.access.network_access and not sender.access.network_access:
        return True
    if other.profile.id != sender.profile.id:
        return True  # A profile has rules of its own for what is read.
    if wanted != "workspace-write":
        return False
    folders = (other.cwd, *other.access.writable_roots)
    reaches = any(not may_write(sender, posixpath.join(folder, "x")) for folder in folders)
    return reaches or not _keeps_out(sender) <= _keeps_out(other)


def _keeps_out(settings: Settings) -> set[str]:
    access = settings.access
    kept = {"tmpdir": access.exclude_tmpdir_env_var, "slash_tmp": access.exclude_slash_tmp}
    return {name for name, is_kept in kept.items() if is_kept}
