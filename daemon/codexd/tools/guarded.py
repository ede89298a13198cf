"""The environment of a command that runs without approval because it only reads: it starts no program of the folder.

A repository's own configuration may name programs that git starts even for a read. The environment takes
precedence over a repository's configuration, for git's own children too. `codexd/machine/repository.py` knows
which keys are overridden here; with a key that cannot be overridden, git needs approval.

Sources: git(1) "Environment Variables", git-config(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# As `git -c` hands them to its children: the names that every git since 1.7.3 reads, while GIT_CONFIG_COUNT is
# not known to those before 2.31.
_OVERRIDES: Final[Mapping[str, str]] = {
    "core.alternateRefsCommand": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "diff.autoRefreshIndex": "false",  # an index that is written has a hook
    "diff.submodule": "short",  # the others run git in the submodule
    "gc.auto": "0",
    "gpg.openpgp.program": "false",
    "gpg.program": "false",
    "gpg.ssh.defaultKeyCommand": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "log.diffMerges": "separate",  # `remerge` runs merge drivers
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "status.submoduleSummary": "false",
    "submodule.recurse": "false",
}
_SET: Final[Mapping[str, str]] = {
    "GIT_CONFIG_PARAMETERS": " ".join(f"'{key}={value}'" for key, value in _OVERRIDES.items()),
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone fetches what it lacks; here it does not
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
# Variables that lead git to another repository than the checked one, or name a program.
_PATH_OF_LAST_RESORT: Final = "/usr/bin:/bin"
_UNSET: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_EXTERNAL_DIFF",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_WORK_TREE",
    }
)


def guarded(variables: Mapping[str, str]) -> dict[str, str]:
    """An environment for programs that only read: they start nothing else.

    Programs are looked for in folders with a whole path alone, since `.` is the folder that is read.
    """
    kept = {name: value for name, value in variables.items() if name not in _UNSET}
    whole = [folder for folder in kept.get("PATH", "").split(":") if folder.startswith("/")]
    # An empty one is the working directory, and so is a part of what some shells take where there is none.
    return {**kept, **_SET, "PATH": ":".join(whole) or _PATH_OF_LAST_RESORT}
