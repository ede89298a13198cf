"""Which patches need approval, and what "allow it for the session" allows."""

from __future__ import annotations

import msgspec

from codexd.core.policy.looked_up import LookedUp
from codexd.core.values.enforced import enforced_policy
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ApplyPatch

CHANGES_FILES = "This patch changes files."


def patch_line(action: ApplyPatch) -> str:
    """The paths that a patch changes, one a line, as a person finds them."""
    return "\n".join([file.path for file in action.files])


def patch_reason(settings: Settings, action: ApplyPatch, _: LookedUp) -> str | None:
    """Why a person must allow a patch; None if it may be applied."""
    return CHANGES_FILES if enforced_policy(settings) == "untrusted" else None


def patch_key(action: ApplyPatch) -> str:
    """The session key: further patches of the same files."""
    return msgspec.json.encode(["patch", *sorted(file.path for file in action.files)]).decode()
