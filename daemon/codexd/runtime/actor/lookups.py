"""From a command to its events: what the decision needs is looked up first, off the loop, and it is made once. I/O.

Law: reads that may touch a disk run in a worker thread, for no longer than a person waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from codexd.core.commands import Command
from codexd.core.decide.decide import decide
from codexd.core.decide.lookups import (
    ForSettings,
    Here,
    Lookups,
    Questions,
    Titles,
    anywhere,
    questions,
)
from codexd.core.events.events import Event
from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.core.rules.prefix_rules import NO_RULES, PrefixRules
from codexd.core.state.state import ThreadState
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.environment import Machine
from codexd.core.values.ids import TurnId
from codexd.core.values.limits import Limits
from codexd.core.values.settings import Enforcement, Notice, Settings, Tuned
from codexd.machine.patience import PATIENCE_SECONDS, NoAnswer, patiently

log = logging.getLogger(__name__)


class LookupSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where lookups come from, handed in by the composition root; the defaults know nothing."""

    limits: Callable[[Settings], Limits] = lambda _: Limits()
    tuning: Callable[[Settings], Tuned] = lambda _: Tuned()
    # What a person is told when a turn with these settings begins, if it is to be told now.
    warnings: Callable[[Settings], tuple[Notice, ...]] = lambda _: ()
    instructions: Callable[[Settings], str | None] = lambda _: None
    review_model: Callable[[], str | None] = lambda: None
    here: Callable[[], Here] = Here
    titles: Callable[[], Titles | None] = lambda: None
    rules: Callable[[], PrefixRules] = lambda: NO_RULES  # the person's, for commands
    own_folders: tuple[str, ...] = ()  # as `Lookups` has them
    enforcement: Callable[[], Enforcement | None] = lambda: None
    # The question for a summary, or the file that has it.
    compact_prompt: Callable[[], str | Path] = lambda: COMPACTION_PROMPT
    # What follows reads files: it is called in a thread, and may take its time.
    read_prompt: Callable[[Path], str] = lambda _: COMPACTION_PROMPT
    machine: Callable[[], Machine] = Machine
    user_instructions: Callable[[str], UserInstructions | None] = lambda _: None  # by folder
    git_may_run: Callable[[str], str | None] | None = None  # None: not checked


async def decided(
    state: ThreadState,
    command: Command,
    source: LookupSource,
    new_id: Callable[[], str] = lambda: "",
) -> list[Event]:
    """Decide a command in this state. Raises: Rejected."""
    return decide(state, command, await look_up(questions(state, command), source, new_id))


async def look_up(
    asked: Questions, source: LookupSource, new_id: Callable[[], str] = lambda: ""
) -> Lookups:
    """The requested lookups only; `new_id` is asked for the id of a turn that may begin by itself."""
    known = {
        anywhere(settings): ForSettings(
            source.limits(settings),
            _tuned(settings, source, begins=settings in asked.beginning),
            source.instructions(settings),
        )
        for settings in asked.settings
    }
    machine, instructions = Machine(), dict[str, UserInstructions]()
    for folder in asked.folders:
        machine, found = await _read_folder(folder, source, with_instructions=asked.instructions)
        if found is not None:
            instructions[folder] = found
    return Lookups(
        by_settings=known,
        machine=machine,
        user_instructions=instructions,
        git_may_run={
            folder: await _look_at(folder, source.git_may_run)
            for folder in asked.repositories
            if source.git_may_run is not None
        },
        rules=source.rules() if asked.rules else NO_RULES,
        own_folders=source.own_folders,
        review_model=source.review_model() if known else None,
        here=source.here() if asked.here else Here(),
        titles=source.titles() if known else None,
        enforcement=source.enforcement() if known else None,
        new_turn=TurnId(new_id()) if asked.new_turn else None,
        compact_prompt=await _prompt(source) if asked.compaction else COMPACTION_PROMPT,
    )


def _tuned(settings: Settings, source: LookupSource, *, begins: bool) -> Tuned:
    tuned, more = source.tuning(settings), source.warnings(settings) if begins else ()
    return replace(tuned, complaints=(*tuned.complaints, *more))


async def _read_folder(
    folder: str, source: LookupSource, *, with_instructions: bool
) -> tuple[Machine, UserInstructions | None]:
    def read() -> tuple[Machine, UserInstructions | None]:
        return source.machine(), source.user_instructions(folder) if with_instructions else None

    try:
        return await patiently(folder, read)
    except NoAnswer:
        problem = f"the instructions in {folder} could not be read within {PATIENCE_SECONDS:g} s"
    log.warning("%s", problem)
    notice = Notice(
        f"instructions:slow:{folder}",
        f"{problem[0].upper()}{problem[1:]}; the model keeps the instructions that it has.",
    )
    try:
        machine = await patiently("the machine's own files", source.machine)
    except NoAnswer:
        machine = Machine()
    return machine, UserInstructions(folder, complaints=(notice,), unknown=True)


async def _look_at(folder: str, git_may_run: Callable[[str], str | None]) -> str | None:
    try:
        return await patiently(folder, partial(git_may_run, folder))
    except NoAnswer:
        return f"could not be read within {PATIENCE_SECONDS:g} s"


async def _prompt(source: LookupSource) -> str:
    prompt = source.compact_prompt()
    if isinstance(prompt, str):
        return prompt
    try:
        return await patiently(str(prompt.parent), partial(source.read_prompt, prompt))
    except NoAnswer as problem:
        log.warning("`experimental_compact_prompt_file`: %s; the daemon's own is asked", problem)
        return COMPACTION_PROMPT
