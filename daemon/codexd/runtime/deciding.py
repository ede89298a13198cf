"""From a command to its events, with what `decide` must know of files read first. I/O, off the loop.

A decision that needs what is written in a folder says so and is made anew when that was read: it changes
nothing until its events are in the log, so it can be made as often as one likes.
"""

from __future__ import annotations

import logging

import trio
from msgspec.structs import replace

from codexd.core.commands import Command
from codexd.core.decide import decide
from codexd.core.events import Event
from codexd.core.state import ThreadState
from codexd.core.surroundings import NotRead
from codexd.core.user_instructions import UserInstructions
from codexd.core.warned import Complaint
from codexd.runtime.world import World

log = logging.getLogger(__name__)

# A local disk needs a millisecond. A network's that needs more than this may hang for ever, and a person waits.
READ_SECONDS_MAX = 2.0


async def decided(state: ThreadState, command: Command, world: World) -> list[Event]:
    """What happens when this is asked of a thread in this state. Raises: Rejected."""
    found: dict[str, UserInstructions] = {}

    def look(cwd: str) -> UserInstructions:
        if cwd not in found:
            raise NotRead(cwd)
        return found[cwd]

    around = world.around
    if world.read_instructions is not None:
        around = replace(around, user_instructions=look)
    while True:
        try:
            return decide(state, command, around)
        except NotRead as wanted:
            found[wanted.cwd] = await _read(wanted.cwd, world)


async def _read(cwd: str, world: World) -> UserInstructions:
    assert world.read_instructions is not None
    with trio.move_on_after(READ_SECONDS_MAX):
        return await trio.to_thread.run_sync(
            world.read_instructions, cwd, abandon_on_cancel=True, limiter=world.readers
        )
    problem = f"the instructions in {cwd} could not be read within {READ_SECONDS_MAX:g} s"
    log.warning("%s", problem)
    told = Complaint(
        f"instructions:slow:{cwd}",
        f"{problem[0].upper()}{problem[1:]}; the model goes on with those that it was told before.",
    )
    return UserInstructions(cwd, complaints=(told,), unknown=True)
