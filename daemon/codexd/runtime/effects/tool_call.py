"""One tool call that may run: its output goes to a draft, its end to the thread as a report."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

import trio
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.decide.hosts import found_answer, open_question
from codexd.core.decide.transition import SECOND_RUN, second_run_at
from codexd.core.policy.action_kinds import kind_of
from codexd.core.policy.approval import not_as_asked
from codexd.core.state.due import RunTool
from codexd.core.state.processes import OpenProcess
from codexd.core.state.turn import OpenCall
from codexd.core.values.enforced import sandbox_of
from codexd.core.values.ids import CallId, ProcessId
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ReachHost, ToolAction, ToolResult
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.streaming_output import NOT_TEXT, OUTPUT_INLINE_BYTES_MAX, ends_of
from codexd.runtime.effects.session_log import ThreadSessions
from codexd.tools.registry import CallContext
from codexd_eventstore.store import Refused, StoreError

# How long an output is copied after an interrupt: the largest takes a second or two.
KEEP_SECONDS_MAX = 20.0

# A command that ends sooner needs no pid in the log: until then its mark finds it (`exec/leftovers.py`). A session
# is one only once its pid is there, and people may type into it at once.
SPAWNED_SECONDS = 0.05

log = logging.getLogger(__name__)


class ToolRunning:
    """One tool call that may run. It is the tool's output sink, too."""

    def __init__(self, call_id: CallId, thread: ThreadActor) -> None:
        self._call_id, self._thread = call_id, thread
        self._pid: tuple[int, str] | None = None
        self._spawned = trio.Event()
        self._afterwards: Callable[[], Awaitable[None]] | None = None

    def started(self, pid: int, start_time: str) -> None:
        """The process runs. If it goes on for a moment, its pid goes to the log, and to where the next daemon would look for it."""
        self._pid = (pid, start_time)
        self._spawned.set()

    def output(self, chunk: bytes) -> None:
        self._thread.streaming.add_output(self._call_id, chunk)

    async def answer(self, process: ProcessId, result: ToolResult) -> None:
        """The call has its answer, and its process continues; an interrupt may have answered it before."""
        if self._process is None:
            await self._thread.stall.until_written(self._catch_up)
            await self._report(self._ended(result, process))

    def afterwards(self, then: Callable[[], Awaitable[None]]) -> None:
        """What is to be done when the end is in the log."""
        self._afterwards = then

    @property
    def _process(self) -> OpenProcess | None:
        """The process that the call has left running."""
        processes = self._thread.state.processes
        return next((open_ for open_ in processes if open_.call.call_id == self._call_id), None)

    async def ask_host(self, action: ReachHost) -> str | None:
        """Ask whether a process of the call may reach a host: None if so, else why not, as the rest of a sentence."""
        thread, call_id = self._thread, self._call_id
        try:
            await thread.report(c.ReportHostAsked(call_id=call_id, action=action))
        except c.Rejected as refusal:
            return refusal.message
        await thread.until(lambda state: open_question(state, call_id, action) is None)
        found = found_answer(thread.state, call_id, action)
        if found:
            return None
        return (
            "nobody has answered before its turn ended" if found is None else "a person refused it"
        )

    async def run(self) -> None:
        """Run it to its end and report its result."""
        is_recorded = False
        try:
            await self._run()
            is_recorded = True
        finally:
            await self._keep_aborted()
            # After the report: a daemon that stops must not lose the result. It leaves what runs to be adopted. The
            # file may be that of the daemon before.
            if self._pid is not None and (is_recorded or self._is_given_up()):
                self._thread.world.processes.remove(self._pid[0])

    def _is_given_up(self) -> bool:
        """Whether nobody waits for its end any more; a daemon that stops leaves that to the next one."""
        return self._thread.gave_up(RunTool(self._call_id))

    async def _keep_aborted(self) -> None:
        """Keep what a call had printed that an interrupt has ended: its event has only the ends."""
        aborted = self._thread.streaming.aborted
        output = aborted.get(self._call_id)
        if output is None:
            return
        try:
            with trio.move_on_after(KEEP_SECONDS_MAX, shield=True):
                ref = await output.keep()
                kept = ToolResult("aborted", "", output_bytes=output.printed_bytes, blob=ref.sha256)
                await self._thread.report(c.ReportToolEnded(call_id=self._call_id, result=kept))
        except (StoreError, c.Rejected) as error:
            log.warning("thread %s: an output was not kept: %s", self._thread.thread_id, error)
        finally:
            del aborted[self._call_id]
            output.drop()

    async def _run(self) -> None:
        thread = self._thread
        call, settings = self._find()
        if call is None or call.action is None or settings is None:
            return  # It was interrupted before it began; the cancellation comes at the next checkpoint.
        process = None if (left := self._process) is None or left.is_of_person else left.process
        again = call.again if process is None else "adopt"
        refusal = None if again == "adopt" else not_as_asked(call.action, call.asked_hash)
        if refusal is not None:
            await self._report(self._ended(ToolResult("failed", refusal, refusal)))
            return
        lasts = self._open_output(call.action)
        if call.attempt > 1 and again != "adopt":
            self.output(SECOND_RUN.encode())
        context = self._context(call, settings, again, process)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._report_pid, 0 if lasts else SPAWNED_SECONDS)
                result = await thread.world.registry.perform(call.name, call.action, context, self)
                nursery.cancel_scope.cancel()
        except Exception:
            # An effect is one of the places where any exception becomes a record.
            log.exception("thread %s: a tool crashed", thread.thread_id)
            text = "the tool failed inside the daemon; nothing is known of its result"
            result = ToolResult("failed", text, text)
        await self._end(result)
        if self._afterwards is not None:
            await self._afterwards()

    def _context(
        self,
        call: OpenCall,
        settings: Settings,
        again: Literal["repeat", "adopt"] | None,
        process: ProcessId | None,
    ) -> CallContext:
        thread = self._thread
        return CallContext(
            settings.cwd,
            thread.thread_id,
            self._call_id,
            call.guarded,
            sandbox_of(settings),
            again,
            process,
            "" if thread.state.turn is None else thread.state.turn.turn_id,
            self.ask_host,
            lambda: not self._is_given_up(),
            ThreadSessions(thread, self._call_id),
            call.attempt,
            task=call.task,
            keep_task=self._keep_task,
        )

    async def _keep_task(self, task: str) -> None:
        await self._thread.report(c.ReportTask(call_id=self._call_id, task=task))

    def _find(self) -> tuple[OpenCall | None, Settings | None]:
        """The call and the settings that it runs with; or the call of a process that the previous daemon left."""
        state = self._thread.state
        for call in state.turn.open_calls if state.turn is not None else ():
            if call.call_id == self._call_id and state.turn is not None:
                return call, state.turn.settings
        for process in state.processes:
            if process.call.call_id == self._call_id:
                return process.call, state.settings
        return None, None

    async def _end(self, result: ToolResult) -> None:
        """Report the end of a call, or of the process that it left running."""
        # What is shown comes before the end.
        await self._thread.stall.until_written(self._finish)
        if result.status == "aborted" and not result.output:
            # It could not be adopted: what the daemon before had kept of its output is all there is.
            streaming = self._thread.streaming.outputs.get(self._call_id)
            result = replace(result, output=ends_of(streaming.text()) if streaming else "")
        kept = await self._kept(self._with_first(result))
        await self._report(self._ended(kept))

    def _with_first(self, result: ToolResult) -> ToolResult:
        """The result with all that the call has printed, in its sandbox and outside of it."""
        call, _ = self._find()
        streaming = self._thread.streaming.outputs.get(self._call_id)
        if call is None or result.status == "aborted":
            return result
        if call.first is not None:
            output = f"{call.first.output}{SECOND_RUN}{result.output}"
            size_bytes = second_run_at(call) + result.output_bytes
            return replace(result, output=output, output_bytes=size_bytes)
        if result.denied is not None and streaming is not None:
            # As it is in its file, without secrets: a second attempt goes on behind it.
            return replace(result, output_bytes=streaming.printed_bytes)
        return result

    def _ended(
        self, result: ToolResult, leaves: ProcessId | None = None
    ) -> c.ReportToolEnded | c.ReportProcessEnded:
        if self._process is not None:
            return c.ReportProcessEnded(process=self._process.process, result=result)
        return c.ReportToolEnded(call_id=self._call_id, result=result, process=leaves)

    async def _report(self, report: c.ReportToolEnded | c.ReportProcessEnded) -> None:
        """Record its result; a result that is too large for a record is replaced by the reason."""
        try:
            await self._thread.report(report)
        except Refused as refused:
            log.warning("thread %s: a result was not recorded: %s", self._thread.thread_id, refused)
            result = report.result
            text = f"the tool ended, but its result is too large to be kept: {refused}"
            failed = ToolResult("failed", text, text, result.exit_code, result.duration_ms)
            await self._thread.report(replace(report, result=failed))

    async def _report_pid(self, seconds: float) -> None:
        """Report it if the command runs for so long."""
        await self._spawned.wait()
        assert self._pid is not None
        pid, start_time = self._pid
        at_ms = self._thread.now_us // 1000
        await trio.sleep(seconds)
        self._thread.world.processes.add(pid, start_time)
        await self._thread.report(
            c.ReportSpawned(call_id=self._call_id, pid=pid, start_time=start_time, at_ms=at_ms)
        )

    def _open_output(self, action: ToolAction) -> bool:
        """Returns whether its process goes on where its turn is interrupted."""
        lasts = kind_of(action).session(action) is not None
        # Of a process that is adopted it is there, and of an attempt before this one.
        if self._call_id not in self._thread.streaming.outputs:
            self._thread.streaming.open_output(self._call_id, lasts=lasts)
        return lasts

    async def _catch_up(self) -> None:
        self._thread.streaming.catch_up_output(self._call_id)

    async def _finish(self) -> None:
        self._thread.streaming.finish_output(self._call_id)

    async def _kept(self, result: ToolResult) -> ToolResult:
        """The result as its event carries it: an output that is large or no text as a blob, with its ends inline."""
        if result.output_bytes <= OUTPUT_INLINE_BYTES_MAX and NOT_TEXT not in result.output:
            return result
        streaming = self._thread.streaming.outputs.get(self._call_id)
        if streaming is None:
            return result
        goes_on = result.denied is not None  # A second attempt may come.
        ref = await self._thread.stall.until_written(partial(streaming.keep, goes_on=goes_on))
        # Redact before it is cut: half of a secret would not be recognised.
        clean = await trio.to_thread.run_sync(
            self._thread.world.redact, result.output, abandon_on_cancel=True
        )
        ends = ends_of(clean)
        return replace(result, output=ends, blob=ref.sha256)
