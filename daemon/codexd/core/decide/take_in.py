"""Rules for taking in records that were not written here: they stay as history, and grant nothing.

Records before `thread.taken_in` are not trusted: everything open in them is closed, approvals for the session are
dropped, and the approval policy is that of this machine.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core.commands import OpenItem
from codexd.core.decide.beside_turns import withdraw_all
from codexd.core.decide.lookups import Here, Lookups
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.state.state import ThreadState
from codexd.core.values.settings import Enforcement, Settings
from codexd.core.values.taken_from import TakenFrom

_FROM = {
    "package": "It was imported from a package",
    "rollout": "It was imported from a rollout of Codex",
    "log": "Records in its log were not written by this daemon",
}


def take_in(
    transition: Transition,
    items: tuple[OpenItem, ...],
    source: TakenFrom | None,
    lookups: Lookups,
) -> None:
    """Close everything that is open, and continue with the policies of this machine."""
    state = transition.state
    if state.settings is None:
        return  # The log has only records without effect.
    source = source or _found(state)
    dropped = _dropped(state)
    if state.turn is not None:
        transition.interrupt(items, "forked" if state.fork_open else "restarted")
    withdraw_all(transition)
    own = state.foreign if state.foreign is not None and state.foreign.settings else None
    here = lookups.here
    settings = own.settings if own is not None else None
    if settings is None:
        settings = replace(
            state.settings,
            approval_policy=here.approval_policy,
            sandbox=here.sandbox,
            access=here.access,
            profile=here.profile,
            enforcement=Enforcement(),
        )
    event = e.ThreadTakenIn(
        source.origin,
        settings,
        source.path,
        own.instructions if own is not None else None,
        own.developer_instructions if own is not None else here.developer_instructions,
        dropped,
    )
    transition.add(event)
    transition.add(e.ThreadWarned("taken_in", _sentence(event, state.settings)))


def brings(state: ThreadState, here: Here) -> bool:
    """Whether imported records must be taken in now, and not when the thread is opened.

    Foreign records are always taken in at opening. Records that this daemon wrote, and that come back
    in a package, are not foreign, so opening the thread would not take them in.
    """
    if state.settings is None:
        return False
    if (
        state.turn is not None
        or state.queue
        or state.waiting
        or state.title
        or state.allowed_for_session
    ):
        return True
    there = state.settings
    policies = (there.approval_policy, there.sandbox, there.access)
    is_other = policies != (here.approval_policy, here.sandbox, here.access)
    is_other = is_other or _brings_instructions(state, here)
    return state.foreign is None and is_other


def _brings_instructions(state: ThreadState, here: Here) -> bool:
    return state.instructions is not None or state.developer_instructions not in (
        None,
        here.developer_instructions,
    )


def _found(state: ThreadState) -> TakenFrom:
    """The origin of foreign records that were found in a log."""
    return TakenFrom("log") if state.rollout is None else TakenFrom("rollout", state.rollout)


def _dropped(state: ThreadState) -> tuple[str, ...]:
    """The settings and approvals that are dropped, for people."""
    inputs = len(state.queue) + len(state.waiting)
    return tuple(
        words
        for words, is_there in (
            ("its turn was interrupted", state.turn is not None),
            (f"{inputs} waiting input{'s' * (inputs > 1)} withdrawn", inputs),
            ("what was allowed for the session is forgotten", state.allowed_for_session),
            ("its instructions are not used", state.instructions is not None),
            ("its developer instructions are not used", state.developer_instructions is not None),
        )
        if is_there
    )


def _sentence(event: e.ThreadTakenIn, there: Settings) -> str:
    place = "" if event.source is None else f" ({event.source})"
    holds = f"{event.settings.approval_policy}, {event.settings.sandbox}"
    policies = f"approvals and sandbox are {holds}"
    if (there.approval_policy, there.sandbox) != (
        event.settings.approval_policy,
        event.settings.sandbox,
    ):
        policies += f", and not {there.approval_policy}, {there.sandbox} as there"
    parts = "; ".join((*event.dropped, policies))
    return f"{_FROM.get(event.origin, event.origin)}{place}: {parts}."
