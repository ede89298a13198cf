"""What a command runs in: its folder, its sandbox, and its variables. All are looked at in one thread. I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from codexd.core.values.enforced import Sandbox
from codexd.exec.ports import NoFolder
from codexd.exec.programs import check_folder
from codexd.machine.patience import NoAnswer, patiently_both
from codexd.network.commands import WayOut

# The argv that runs an argv held to a sandbox.
Confine = Callable[[tuple[str, ...], Sandbox], tuple[str, ...]]


def unconfined(argv: tuple[str, ...], _: Sandbox) -> tuple[str, ...]:
    """No restriction: a command may do all that the daemon's user may."""
    return argv


class CommandEnvironment(Protocol):
    """Where commands get their environment from."""

    @property
    def look(self) -> tuple[str, Callable[[], object]]:
        """What it depends on: the place of a read that may hang, and the read."""

    def known(self, turn_id: str) -> Mapping[str, str]:
        """As `variables`, as far as they are known without that read."""

    async def variables(self, turn_id: str, looked: object = None) -> Mapping[str, str]:
        """All of it, for the commands of a turn; `looked` is what `look` has just read, if it was called."""


async def surrounded(
    argv: tuple[str, ...],
    cwd: str,
    turn_id: str,
    sandbox: Sandbox,
    way: WayOut,
    environment: CommandEnvironment,
    confine: Confine,
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """The argv in its sandbox, and the variables that it gets, whose temporary folder it may write.

    Raises: NoFolder, CannotConfine.
    """
    variables = environment.known(turn_id)
    while True:
        temporary = variables.get("TMPDIR", "")
        inside = replace(sandbox, temporary=temporary)

        def look(inside: Sandbox = inside) -> tuple[str, ...]:
            # The folders may be on a file system that does not answer.
            confined = way.around(argv, lambda inner: confine(inner, inside))
            check_folder(cwd)
            return confined

        try:
            confined, looked = await patiently_both(cwd, look, *environment.look)
        except NoAnswer as error:
            raise NoFolder("does not answer") from error
        variables = await environment.variables(turn_id, looked)
        if variables.get("TMPDIR", "") == temporary:
            return confined, variables
