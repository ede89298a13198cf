"""Which patches need approval, and what "allow it for the session" allows."""

from __future__ import annotations

import posixpath

import msgspec

from codexd.core.policy.environment_rules import profile_refusal
from codexd.core.policy.looked_up import LookedUp
from codexd.core.policy.roots import may_write
from codexd.core.values.enforced import enforced_policy, enforced_sandbox
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ApplyPatch

CHANGES_FILES = "This patch changes files."
CHANGES_OWN = (
    "This patch changes files of codexd or Codex, which may grant rights to later commands."
)
PLANS = (
    "not applied: this is plan mode, in which no file is changed. Write what you would change into the plan; the user "
    "leaves plan mode to have it carried out."
)
LEAVES_ROOTS = "This patch changes files outside of the writable folders."


def patch_line(action: ApplyPatch) -> str:
    """The paths that a patch changes, one a line, as a person finds them."""
    return "\n".join([file.path for file in action.files])


def patch_reason(settings: Settings, action: ApplyPatch, looked_up: LookedUp) -> str | None:
    """Why a person must allow a patch; None if it may be applied."""
    if _grants_rights(action, looked_up.own_folders):
        return CHANGES_OWN
    if enforced_policy(settings) == "untrusted":
        return CHANGES_FILES
    return None if _stays(settings, action) else LEAVES_ROOTS


def patch_refusal(settings: Settings, action: ApplyPatch, looked_up: LookedUp) -> str | None:
    """The answer to a patch in plan mode, to one that leaves the sandbox where nobody may be asked, or that a profile
    may forbid; None if there is no such answer.
    """
    if settings.plans:
        return PLANS
    forbidden = profile_refusal(settings, action, looked_up)
    if forbidden is not None or enforced_policy(settings) != "never":
        return forbidden
    is_confined = enforced_sandbox(settings) != "danger-full-access"
    own = is_confined and _grants_rights(action, looked_up.own_folders)
    if _stays(settings, action) and not own:
        return None
    return (
        f"not applied: the sandbox is {settings.sandbox}, the patch changes files outside of its writable folders, "
        "and the approval policy `never` asks nobody. No file is changed."
    )


def _stays(settings: Settings, action: ApplyPatch) -> bool:
    """Whether the sandbox lets the patch write all of its files."""
    mode = enforced_sandbox(settings)
    if mode != "workspace-write":
        return mode == "danger-full-access"
    return all(may_write(settings, path) for path in _paths(action))


def _grants_rights(action: ApplyPatch, own_folders: tuple[str, ...]) -> bool:
    """Whether a patch changes what the daemon believes: its configuration, rules and logs."""
    # File systems that ignore the case of names have .Config for .config.
    own = tuple(f"{folder.rstrip('/')}/".casefold() for folder in own_folders)
    return any(posixpath.normpath(path).casefold().startswith(own) for path in _paths(action))


def _paths(action: ApplyPatch) -> list[str]:
    paths = [*action.elsewhere]
    for file in action.files:
        paths += [file.path] if file.moved_from is None else [file.path, file.moved_from]
    return paths


def patch_key(action: ApplyPatch) -> str:
    """The session key: further patches of the same files."""
    return msgspec.json.encode(["patch", *sorted(file.path for file in action.files)]).decode()
