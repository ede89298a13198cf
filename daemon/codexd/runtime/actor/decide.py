"""From a command to its events, with what `decide` must know of files read first. I/O, off the loop.

A decision that needs what is written in a folder says so and is made anew when that was read: it changes
nothing until its events are in the log, so it can be made as often as one likes.
"""

from __future__ import annotations

import logging
from functools import partial

from msgspec.structs import replace

from codexd.core.commands import Command
from codexd.core.decide.decide import decide
from codexd.core.decide.lookups import NotRead, RepositoryNotRead
from codexd.core.events.events import Event
from codexd.core.state.state import ThreadState
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.notice import Notice
from codexd.machine.patience import PATIENCE_SECONDS, NoAnswer, patiently
from codexd.runtime.actor.ports import World

log = logging.getLogger(__name__)


async def decided(state: ThreadState, command: Command, world: World) -> list[Event]:
    """What happens when this is asked of a thread in this state. Raises: Rejected."""
    found: dict[str, UserInstructions] = {}
    repositories: dict[str, str | None] = {}

    def look(cwd: str) -> UserInstructions:
        if cwd not in found:
            raise NotRead(cwd)
        return found[cwd]

    def look_at_repository(cwd: str) -> str | None:
        if cwd not in repositories:
            raise RepositoryNotRead(cwd)
        return repositories[cwd]

    around = world.around
    if world.read_instructions is not None:
        around = replace(around, user_instructions=look)
    if world.git_may_run is not None:
        around = replace(around, git_may_run=look_at_repository)
    while True:
        try:
            return decide(state, command, around)
        except NotRead as wanted:
            found[wanted.cwd] = await _read(wanted.cwd, world)
        except RepositoryNotRead as wanted:
            repositories[wanted.cwd] = await _looked_at(wanted.cwd, world)


async def _looked_at(cwd: str, world: World) -> str | None:
    assert world.git_may_run is not None
    try:
        return await patiently(cwd, partial(world.git_may_run, cwd))
    except NoAnswer:
        return f"could not be read within {PATIENCE_SECONDS:g} s"


async def _read(cwd: str, world: World) -> UserInstructions:
    assert world.read_instructions is not None
    try:
        return await patiently(cwd, partial(world.read_instructions, cwd))
    except NoAnswer:
        problem = f"the instructions in {cwd} could not be read within {PATIENCE_SECONDS:g} s"
    log.warning("%s", problem)
    told = Notice(
        f"instructions:slow:{cwd}",
        f"{problem[0].upper()}{problem[1:]}; the model goes on with those that it was told before.",
    )
    return UserInstructions(cwd, complaints=(told,), unknown=True)
