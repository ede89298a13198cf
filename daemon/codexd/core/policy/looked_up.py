"""What the policy depends on beside the settings; it is looked up before a decision."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from codexd.core.rules.prefix_rules import NO_RULES, PrefixRules

# By folder: why git could start a program that its repository names, as the rest of "its repository …"; None if it
# cannot.
GitMayRun = Mapping[str, str | None]
NOBODY_LOOKED: Final[GitMayRun] = MappingProxyType({})
NOT_LOOKED_AT: Final = "was not looked at"


class LookedUp(msgspec.Struct, frozen=True):
    """The lookups that a policy needs."""

    git_may_run: GitMayRun = NOBODY_LOOKED
    rules: PrefixRules = NO_RULES
    # codexd's own folders, and Codex's: what stands there grants rights. Absolute, without links.
    own_folders: tuple[str, ...] = ()


NOTHING_LOOKED_UP: Final = LookedUp()
