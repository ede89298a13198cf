"""What a thread's log says of its sessions, for the tools that collect their output."""

from __future__ import annotations

from typing import Final

from codexd.core.decide.transition import session_call
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ProcessEnded, ToolEnded, ToolStarted
from codexd.core.values.ids import CallId, ProcessId, TurnId
from codexd.core.values.tool_actions import ToolResult, WriteStdin
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.turn_search import BACK_RECORDS
from codexd.tools.output import KeptOutput
from codexd.tools.registry import EndedSession
from codexd_eventstore.reading import records_back

# How far back the end of a session is looked for: some hundred turns.
LOOKED_BACK_RECORDS_MAX: Final = 10_000
_PART_BYTES: Final = 512 * 1024
_TELLING: Final = frozenset({ToolStarted.type, ToolEnded.type, ProcessEnded.type})


class ThreadSessions:
    """The sessions of a thread, for one of its calls. It implements `SessionLog`."""

    def __init__(self, thread: ThreadActor, call_id: CallId) -> None:
        self._thread, self._call_id = thread, call_id

    def runs(self, session: str) -> bool:
        return any(process.process == session for process in self._thread.state.processes)

    def collected(self, session: str) -> int | None:
        state = self._thread.state
        for call in state.turn.open_calls if state.turn is not None else ():
            action = call.action
            is_new_other = call.call_id != self._call_id and call.again is None
            if is_new_other and isinstance(action, WriteStdin) and action.session == session:
                return None
        for process in state.processes:
            if process.process == session:
                return process.collected_bytes
        return None

    def turn_of(self, session: str) -> TurnId | None:
        began = session_call(self._thread.state, ProcessId(session))
        return None if began is None else began.turn_id

    async def ended(self, session: str) -> EndedSession | None:
        thread, answered, looked_at = self._thread, set[CallId](), 0
        store = thread.world.store
        async for record in records_back(store, thread.thread_id, limit=BACK_RECORDS):
            looked_at += 1
            if looked_at > LOOKED_BACK_RECORDS_MAX:
                return None
            if record.type not in _TELLING:
                continue
            match decode_record(record.line).event:
                case ToolEnded(call_id, result) if result.status == "completed":
                    answered.add(call_id)
                case ToolStarted(call_id, WriteStdin() as write) if write.session == session:
                    if call_id in answered:
                        return None  # It has told the end.
                case ProcessEnded(process, result) if process == session:
                    return await self._rest(result)
                case _:
                    pass
        return None

    async def _rest(self, result: ToolResult) -> EndedSession | None:
        """What no answer has told of a session that has ended."""
        begin, rest = result.collected_bytes, KeptOutput()
        if begin is None:
            return None
        if result.blob is None:
            rest.add(result.output.encode(errors="replace")[begin:])
        else:
            store = self._thread.world.store
            while part := await store.read_blob(result.blob, start=begin, end=begin + _PART_BYTES):
                rest.add(part)
                begin += len(part)
        return EndedSession(result.exit_code, result.model_text or None, rest)
