"""Checks the variables that a client passes for the commands of a turn; no error repeats a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from codexd.protocol.wire.rpc import invalid_params

# The session of a shell has some dozens.
PASSED_VARIABLES_MAX: Final = 256
# All names and values. A kernel takes 128 KiB for one variable; a long PATH has some kilobytes.
PASSED_BYTES_MAX: Final = 64 * 1024


def checked_passed(passed: Mapping[str, str | None] | None) -> Mapping[str, str | None] | None:
    """The variables as they were passed. Raises: RpcError, if they cannot be an environment's."""
    if passed is None:
        return None
    if len(passed) > PASSED_VARIABLES_MAX:
        raise invalid_params(
            f"updateEnvironment: expected at most {PASSED_VARIABLES_MAX} variables, found {len(passed)}; nothing was started"
        )
    size = sum(len(name.encode()) + len((value or "").encode()) for name, value in passed.items())
    if size > PASSED_BYTES_MAX:
        raise invalid_params(
            f"updateEnvironment: expected at most {PASSED_BYTES_MAX} bytes, found {size}; nothing was started"
        )
    for name, value in passed.items():
        if not name or "=" in name or "\0" in name + (value or ""):
            raise invalid_params(
                f"updateEnvironment: expected names without = and values without NUL, found {name!r}; nothing was started"
            )
    return passed
