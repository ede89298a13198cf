"""Reading old logs: version 1 is read forever, and events of later versions are kept.

The files under `golden/` are never changed. A new member, an event or a version gets a file of its own.
"""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events import history as k
from codexd.core.events import history as m
from codexd.core.events import tools as w
from codexd.core.events.events import Event, InvalidEvent, Unknown, decode_event, encode_event
from codexd.core.events.history import (
    HistoryCompactionUndone,
    HistoryInjected,
    HistoryReverted,
    HistoryRevertUndone,
)
from codexd.core.events.record import Recorded, decode_record, encode_members
from codexd.core.events.title import TitleEnded, TitleRequested
from codexd.core.events.warnings import ThreadWarned
from codexd.core.state.state import ThreadState, evolve, fold
from codexd.core.values.agents_md import InstructionFile
from codexd.core.values.environment import TurnEnvironment
from codexd.core.values.goals import Goal
from codexd.core.values.ids import (
    ApprovalId,
    CallId,
    ItemId,
    ModelCallId,
    ProcessId,
    ThreadId,
    TurnId,
)
from codexd.core.values.items import (
    ImageInput,
    LocalImageInput,
    MentionInput,
    PlanStep,
    SkillInput,
    TextInput,
    TurnError,
)
from codexd.core.values.settings import Settings, SettingsChange, Tuning
from codexd.core.values.tool_actions import (
    ApplyPatch,
    AskPermissions,
    BadCall,
    ExecCommand,
    McpToolCall,
    PatchedFile,
    Permissions,
    PersonCommand,
    RunCommand,
    SessionCall,
    ToolResult,
    WriteStdin,
)
from codexd.projections.clients.notifications import ClientProjection
from codexd.projections.clients.turns import TurnProjection
from codexd.projections.model.history import ModelHistory
from codexd.projections.summary import Summary
from codexd.projections.usage.totals import Usage
from golden_logs import check_whole, golden

LINES = golden("events-v1")
MARKS = golden("marks-v1")
COMPACTION = golden("compaction-v1")
CONTEXT = golden("context-v1")
REQUESTS = golden("requests-v1")
REVERTS = golden("reverts-v1")
PROCESSES = golden("processes-v1")
SESSIONS = golden("sessions-v1")
PERSON_COMMANDS = golden("person-commands-v1")
TASKS = golden("tasks-v1")
PATCHES = golden("patches-v1")
OUTPUTS = golden("outputs-v1")
PLANS = golden("plans-v1")
PERMISSIONS = golden("permissions-v1")
APPROVALS = golden("approvals-v1")
DENIALS = golden("denials-v1")
QUEUE = golden("queue-v1")
TAKEN_IN = golden("taken-in-v1")
FIRST_MS = 1795233906001  # 2026-11-21T04:05:06.001Z

C1, T1 = CallId("c1"), TurnId("t1")
MAKE = RunCommand("make", ("/bin/sh", "-c", "make"), "/work", 1000)
RAW = msgspec.Raw

EXPECTED: list[Event] = [
    e.ThreadStarted(
        Settings("/work", "m-1", "p", "on-request", "read-only", "high", "auto", "low"),
        "codexctl",
        "0.1.0",
        "Be brief.",
        "Speak German.",
        e.GitHead("0f3", "main", "https://example.org/r.git"),
        True,
        "paginated",
        "cli",
    ),
    e.ThreadForked(ThreadId("0194d2a0-0000-7000-8000-000000000001"), 1),
    e.ThreadRenamed("Parser"),
    e.ThreadRenamed(None),
    e.ThreadArchived(),
    e.ThreadUnarchived(),
    e.SettingsChanged(SettingsChange(model="m-2", approval_policy="untrusted")),
    e.LogRepaired("12 bytes behind record 7"),
    e.InputQueued(
        ItemId("u1"),
        T1,
        (
            TextInput("Grüße", (RAW(b'{"byteRange":{"start":0,"end":2}}'),)),
            ImageInput("data:image/png;base64,AA==", "low"),
            LocalImageInput("/tmp/a.png"),
            SkillInput("review", "/s/review"),
            MentionInput("a.py", "/work/a.py"),
        ),
        "c-1",
        SettingsChange(effort="low"),
        "2026-11-21",
        RAW(b'{"type":"object"}'),
    ),
    e.InputQueued(ItemId("u2"), TurnId("t2"), (TextInput("go"),)),
    e.InputWithdrawn(ItemId("u2")),
    e.TurnSteered(ItemId("s1"), (TextInput("stop"),), "c-2"),
    e.TurnStarted(
        T1, Settings("/work", "m-2", "p", "untrusted", "workspace-write"), (ItemId("u1"),), "review"
    ),
    e.TurnCompleted(),
    e.TurnInterrupted("restarted"),
    e.TurnFailed(
        TurnError("refused", {"httpConnectionFailed": {"httpStatusCode": 502}}, "bad gateway")
    ),
    e.TurnFailed(TurnError("too long", "contextWindowExceeded")),
    e.ContextAdded("environment", "user", "<environment_context>\n</environment_context>"),
    e.ModelCallStarted(
        ModelCallId("t1/1"),
        1,
        "m-2",
        "p",
        "compact",
        e.RequestPrint(2, ("aa", "bb"), "cc", "dd", "ee"),
    ),
    e.ItemCompleted(
        ItemId("fc_1"),
        "call",
        RAW(b'{"type":"function_call","id":"fc_1","call_id":"c1","name":"shell","arguments":"{}"}'),
        1794830400000,
        e.ToolCallRef(C1, "shell", True),
    ),
    e.ItemCut(ItemId("r1"), "reasoning", "restarted", "so", ("One",), ("raw",), 1794830400000),
    e.ModelCallEnded(
        812,
        "resp_1",
        "req_1",
        RAW(b'{"input_tokens":7,"output_tokens":3}'),
        {"x-codex-primary-used-percent": "3"},
        "max_output_tokens",
    ),
    e.ModelCallEnded(812),
    e.ModelCallFailed(
        TurnError("Reconnecting... 1/5", None, "cut"),
        "stream",
        True,
        200,
        {"x-codex-primary-used-percent": "100"},
    ),
    w.ApprovalRequested(
        ApprovalId("t1/c1"),
        C1,
        RunCommand("make", ("/bin/sh", "-c", "make"), "/work", 1000, True, "It needs the network."),
        "It needs the network.",
        "untrusted",
    ),
    w.ApprovalDecided(ApprovalId("t1/c1"), "acceptForSession", "by rule"),
    w.ToolStarted(C1, MAKE),
    w.ToolStarted(CallId("c2"), BadCall("no such tool")),
    w.ToolSpawned(C1, 42, "81234"),
    w.ToolEnded(
        C1, ToolResult("failed", "Exit code: 2", "make: *** no rule", 2, 31, 40000, "9f86d0")
    ),
]
MARKED: list[Event] = [
    w.ToolEnded(
        C1,
        ToolResult(
            "completed",
            "[image]",
            model_parts=RAW(b'[{"type":"input_image","image_url":"data:,x"}]'),
        ),
    ),
    m.HistoryCompacted(
        ItemId("k1"),
        "We were looking for a bug.",
        (RAW(b'{"type":"message","role":"user","content":[]}'),),
    ),
    m.ReviewEntered(ItemId("v1"), "the last commit"),
    m.ReviewExited(ItemId("v2"), "Nothing to complain of."),
    m.ThreadImported(
        "/home/ann/.codex/sessions/rollout-1.jsonl",
        "0194d2a0-0000-7000-8000-000000000001",
        "9f86d0",
        1234,
        7,
        "codex_cli_rs",
        "0.46.0",
        "0194d2a0-0000-7000-8000-000000000002",
        1,
        1794830400000,
    ),
    m.ThreadImported(
        "/home/ann/.codex/sessions/rollout-2.jsonl",
        "0194d2a0-0000-7000-8000-000000000003",
        "9f86d1",
        99,
        3,
        agent="thread_spawn",
        parent=ThreadId("0194d2a0-0000-7000-8000-000000000001"),
    ),
]
TOLD: list[Event] = [
    e.ContextAdded(
        "user_instructions",
        "user",
        "# AGENTS.md instructions for /work\n\n<INSTRUCTIONS>\nBe kind.\n</INSTRUCTIONS>",
        digest="5f0c",
        sources=(InstructionFile("/work/AGENTS.md", 8, "9f86d0", True),),
    ),
    e.ContextAdded(
        "environment",
        "user",
        "<environment_context>\n  <cwd>/work</cwd>\n</environment_context>",
        environment=TurnEnvironment(
            "/work", "untrusted", "read-only", "bash", "enabled", "2026-11-21", "Europe/Berlin"
        ),
    ),
    e.TurnStarted(
        T1,
        Settings("/work", "m-1", "p", "untrusted", "read-only", "high", "auto", "low"),
        (ItemId("u1"),),
        tuning=Tuning("high", "auto"),
        instructions="You are a coding agent.",
    ),
    ThreadWarned(
        "verbosity:m-1:low", "m-1 has no verbosity: verbosity 'low' was left out of its requests."
    ),
    TitleRequested("fix the parser", "m-1", "p"),
    TitleEnded(812, RAW(b'{"input_tokens":7}')),
    TitleEnded(error="no answer"),
    e.ModelCallStarted(
        ModelCallId("t1/1"), 1, "m-2", "p", request=e.RequestPrint(2, ("aa",), "cc", withheld=1)
    ),
]
TAKEN_BACK: list[Event] = [
    HistoryReverted(TurnId("t2"), 17, 2, 1, 812),
    HistoryReverted(T1, 0, 1, 0),
    HistoryRevertUndone(42, 1, 4711),
    HistoryCompactionUndone(9, 96000),
]
WAITING: list[Event] = [
    e.ThreadStarted(
        Settings("/work", "m-1", "p", "on-request", "read-only"),
        "codex-tui",
        "0.3.0",
        history_mode="paginated",
        source="vscode",
    ),
    HistoryInjected(
        (
            RAW(
                b'{"type":"message","role":"developer",'
                b'"content":[{"type":"input_text","text":"A side question follows."}]}'
            ),
        )
    ),
    e.InputQueued(
        ItemId("u2"),
        TurnId("t2"),
        (TextInput("later"),),
        "mine",
        client_metadata={"origin": "queue"},
    ),
    e.InputsReordered((ItemId("u3"), ItemId("u2"))),
    e.ReadStateSet(unread=False),
    e.ReadStateSet(unread=True),
]
SENT: list[Event] = [
    e.ModelCallStarted(
        ModelCallId("t1/1"),
        1,
        "m-1",
        "p",
        request=e.RequestPrint(0, ("aa", "bb"), "cc", "i1", "t1", daemon="0.2.0"),
    ),
]
SHORTENED: list[Event] = [
    k.CompactionStarted(
        ItemId("t1/compaction/3"),
        "auto",
        "model_downshift",
        "pre_turn",
        "Write a hand-over.",
        18000,
        18500,
        Settings("/work", "m-2", "p", "untrusted", "read-only"),
        Tuning("high"),
    ),
    k.CompactionFailed(ItemId("t1/compaction/3"), TurnError("no text", "other")),
    e.ModelCallStarted(ModelCallId("t1/2"), 3, "m-2", "p", "compact", left_out=4),
    m.HistoryCompacted(
        ItemId("t2/compaction/1"),
        "Half of it is done.",
        (RAW(b'{"type":"message","role":"user","content":[]}'),),
        "manual",
        2,
        (k.KeptMessage(12), k.KeptMessage(7, True)),
        (9,),
        18500,
        2100,
        5,
    ),
    e.ContextAdded("developer", "developer", "Speak German.", within=True),
    k.PinAdded(9, (RAW(b'{"type":"message","role":"assistant","content":[]}'),)),
    k.PinRemoved(9),
]
CAME_IN: list[Event] = [
    m.ThreadTakenIn(
        "package",
        Settings("/work", "m-1", "p", "untrusted", "read-only"),
        "/home/ann/t.codexd.tar",
        "Be brief.",
        "Speak German.",
        ("its turn was interrupted",),
    ),
]
LEFT_RUNNING: list[Event] = [
    w.ToolStarted(C1, RunCommand("make", ("/bin/sh", "-c", "make"), "/work", 1000), again="adopt"),
    w.ToolEnded(C1, ToolResult("completed", "It goes on."), ProcessId("p1")),
    w.ProcessEnded(ProcessId("p1"), ToolResult("failed", "Exit code: 2", exit_code=2)),
]
OF = SessionCall(C1, T1)
BASH = ExecCommand(
    command="bash", argv=("/bin/sh", "-c", "bash"), cwd="/work", timeout_ms=0, session="1000", tty=True,
    yield_ms=250, output_tokens=10_000, shell="/bin/zsh",
)  # fmt: skip
IN_SESSIONS: list[Event] = [
    w.ToolStarted(C1, BASH),
    w.ToolSpawned(C1, 4711, "123", FIRST_MS),
    w.ToolEnded(C1, ToolResult("completed", "Output:\n$ ", collected_bytes=2), ProcessId("1000")),
    w.ToolStarted(CallId("c2"), WriteStdin("1000", "ls\n", 250, 10_000, OF)),
    w.StdinWritten(ProcessId("1000"), OF, "exit\n"),
    w.StdinWritten(ProcessId("1000"), OF, hidden=True),
    w.ProcessEnded(
        ProcessId("1000"), ToolResult("completed", "", "$ exit\n", 0, 7), OF, BASH, FIRST_MS
    ),
]
KEPT: list[Event] = [w.OutputKept(C1, hashlib.sha256(b"x\n").hexdigest(), 70_000)]
PLANNED: list[Event] = [
    w.PlanChanged(
        C1,
        (
            PlanStep("Read the parser", "completed"),
            PlanStep("Mend it", "inProgress"),
            PlanStep("Run the tests", "pending"),
        ),
        "The fault is in the parser.",
    ),
    w.PlanChanged(CallId("c2"), ()),
]
DENIED: list[Event] = [
    w.ApprovalRequested(
        ApprovalId("t1/1"),
        C1,
        replace(MAKE, escalated=True),
        "It failed in its sandbox.",
        "on-request",
        "0f",
        ("make",),
        ToolResult(
            "failed",
            "Exit code: 1",
            "Read-only file system",
            1,
            7,
            21,
            denied="Read-only file system",
        ),
    ),
    w.ToolEnded(
        CallId("c2"), ToolResult("failed", "Exit code: 1", exit_code=1, denied="Permission denied")
    ),
]
APPROVED: list[Event] = [
    w.ApprovalRequested(
        ApprovalId("t1/1"),
        C1,
        RunCommand(
            "git push origin",
            ("/bin/sh", "-c", "git push origin"),
            "/work",
            1000,
            True,
            "May I?",
            prefix_rule=("git", "push"),
        ),
        "The model asks.",
        "untrusted",
        "0f",
        ("git", "push"),
    ),
    w.ApprovalDecided(ApprovalId("t1/1"), "accept", rule=("git", "push")),
    w.ApprovalDecided(ApprovalId("t1/2"), "decline", instead="Use pnpm."),
    w.GrantsRevoked(('["command","/work","make",false]',)),
]
PERMITTED: list[Event] = [
    w.ApprovalRequested(
        ApprovalId("t1/1"),
        C1,
        AskPermissions(Permissions(True, ("/cache",)), "/work", "May I?"),
        "The model asks.",
        "on-request",
        "0f",
    ),
    w.ApprovalDecided(
        ApprovalId("t1/1"), "acceptForSession", granted=Permissions(False, ("/cache",))
    ),
]
_BY_A_PERSON = PersonCommand(
    command="make", argv=("/bin/sh", "-c", "make"), cwd="/work", timeout_ms=3_600_000
)
_TOLD_OF_IT = "<user_shell_command>…</user_shell_command>"
BY_A_PERSON: list[Event] = [
    w.ToolStarted(CallId("w1"), _BY_A_PERSON),
    w.ToolSpawned(CallId("w1"), 4711, "123", FIRST_MS),
    w.ToolStarted(CallId("w1"), _BY_A_PERSON, again="adopt"),
    w.ProcessEnded(
        ProcessId("w1"),
        ToolResult("failed", _TOLD_OF_IT, "no rule\n", exit_code=2, duration_ms=7),
        SessionCall(CallId("w1"), T1),
        _BY_A_PERSON,
        FIRST_MS,
    ),
]

AS_A_TASK: list[Event] = [
    w.ToolStarted(C1, McpToolCall("ci", "build", "{}", mode="approve", parallel=True)),
    w.ToolTaskCreated(C1, "786512e2"),
]

EVERY = [
    *(*AS_A_TASK, *WAITING),
    *(e.GoalChanged(Goal("Port it.")), e.GoalTold("Go on."), e.GoalCleared()),
    *(*EXPECTED, *MARKED, *TOLD, *TAKEN_BACK, *SHORTENED, *SENT, *CAME_IN),
    *(e.TurnQueued(T1, "compact"), e.TurnWithdrawn(T1)),
    *(*LEFT_RUNNING, *IN_SESSIONS, *PLANNED, *KEPT, *APPROVED, *PERMITTED, *BY_A_PERSON),
]
UNKNOWN = Unknown("later.kind", 1, RAW(b'{"anything":[1,{"two":null}]}'))


def test_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in LINES] == [*EXPECTED, UNKNOWN]


def test_marks_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in MARKS] == MARKED


def test_compactions_and_pins_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in COMPACTION] == SHORTENED


def test_context_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in CONTEXT] == TOLD


def test_requests_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in REQUESTS] == SENT


def test_reverts_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in REVERTS] == TAKEN_BACK


def test_taking_in_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in TAKEN_IN] == CAME_IN


def test_a_process_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in PROCESSES] == LEFT_RUNNING


def test_sessions_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in SESSIONS] == IN_SESSIONS


def test_a_task_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in TASKS] == AS_A_TASK


def test_a_persons_command_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in PERSON_COMMANDS] == BY_A_PERSON


def test_a_kept_output_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in OUTPUTS] == KEPT


def test_a_plan_of_version_1_reads_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in PLANS] == PLANNED


def test_permissions_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in PERMISSIONS] == PERMITTED


def test_approvals_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in APPROVALS] == APPROVED


def test_denials_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in DENIALS] == DENIED


def test_what_waits_and_what_is_read_reads_in_version_1_as_it_was_meant() -> None:
    assert [decode_record(line).event for line in QUEUE] == WAITING


def test_a_patch_comes_back_with_its_files() -> None:
    patch = ApplyPatch(
        "*** Begin Patch\n*** Add File: n/a\n+x\n*** Update File: b\n*** Move to: c\n-1\n+2\n*** End Patch",
        "/work",
        (
            PatchedFile("/work/n/a", None, _PRINTS["x\n"], "x\n"),
            PatchedFile("/work/b", _PRINTS["1\n"], None, "1\n"),
            PatchedFile("/work/c", None, _PRINTS["2\n"], "@@ -1,1 +1,1 @@\n-1\n+2\n", "/work/b"),
        ),
        ("/work/n",),
    )
    asked = w.ApprovalRequested(
        ApprovalId("a1"), C1, patch, "This patch changes files.", "untrusted", "00ff"
    )
    read = [decode_record(line).event for line in PATCHES]
    assert read == [asked, w.ToolStarted(C1, patch)]


_PRINTS = {text: hashlib.sha256(text.encode()).hexdigest() for text in ("x\n", "1\n", "2\n")}


@pytest.mark.parametrize(
    "lines",
    [
        PATCHES,
        PROCESSES,
        LINES,
        MARKS,
        CONTEXT,
        REVERTS,
        COMPACTION,
        REQUESTS,
        TAKEN_IN,
        PLANS,
        OUTPUTS,
        APPROVALS,
        PERMISSIONS,
        SESSIONS,
        DENIALS,
        PERSON_COMMANDS,
        TASKS,
        QUEUE,
    ],
    ids=[
        "patches",
        "processes",
        "events",
        "marks",
        "context",
        "reverts",
        "compaction",
        "requests",
        "taken in",
        "plans",
        "outputs",
        "approvals",
        "permissions",
        "sessions",
        "denials",
        "commands of people",
        "tasks",
        "queue",
    ],
)
def test_the_golden_log_is_whole(lines: list[bytes]) -> None:
    check_whole(lines)


def test_there_is_one_of_every_kind() -> None:
    assert {event.type for event in EVERY} == set(e.EVENTS)


def test_the_envelope_is_read_too() -> None:
    first = decode_record(LINES[0])
    assert first == Recorded(1, FIRST_MS, EXPECTED[0], "codexctl:3", None, "k-1")
    assert decode_record(LINES[-1]) == Recorded(
        len(LINES), FIRST_MS + 30, UNKNOWN, None, "t1", None
    )


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.type)
def test_what_is_written_reads_back(event: Event) -> None:
    assert decode_event(event.type, event.v, encode_event(event)) == event


@pytest.mark.parametrize("line", LINES[:-1], ids=range(1, len(LINES)))
def test_version_1_would_be_written_the_same_today(line: bytes) -> None:
    """But for members that have their default, which are left out."""
    recorded = decode_record(line)
    assert not isinstance(recorded.event, Unknown)
    data = b'"data":%b,"crc"' % encode_event(recorded.event)
    # `text_elements`, and the members of an error, are sent to clients as they stand: they are written always.
    assert data in line


def test_members_of_a_later_version_are_passed_over() -> None:
    assert decode_event("turn.completed", 1, b'{"later":[1]}') == e.TurnCompleted()


@pytest.mark.parametrize(
    ("tag", "v"), [("later.kind", 1), ("later.kind", 7), ("turn.completed", 2)]
)
def test_an_event_of_a_later_version_is_kept_as_it_is(tag: str, v: int) -> None:
    assert decode_event(tag, v, b'{"a":1}') == Unknown(tag, v, RAW(b'{"a":1}'))


def test_a_record_of_a_later_version_is_kept_as_it_is() -> None:
    line = b'{"seq":4,"at":"2026-11-21T00:00:00.000000Z","type":"turn.completed","v":2,"data":%b}'
    for data in (b"{}", b'{"turnId":7}', b"[1]"):
        assert decode_record(line % data).event == Unknown("turn.completed", 2, RAW(data))


@pytest.mark.parametrize(
    ("tag", "v", "data"),
    [
        ("turn.started", 1, b"{}"),
        ("turn.started", 1, b"[]"),
        ("turn.completed", 1, b"{"),
        ("turn.completed", 0, b"{}"),
        ("model.item_completed", 1, b'{"itemId":"m","kind":"later","item":{}}'),
    ],
)
def test_data_that_does_not_fit_its_type_is_invalid(tag: str, v: int, data: bytes) -> None:
    with pytest.raises(InvalidEvent, match=tag):
        decode_event(tag, v, data)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"seq":1,"at":"2026-11-21T00:00:00.000000Z","type":"turn.started","data":{}}',
        b'{"seq":1,"at":"yesterday","type":"turn.completed","data":{}}',
    ],
)
def test_a_line_that_is_no_record_is_invalid(line: bytes) -> None:
    with pytest.raises(InvalidEvent, match="record"):
        decode_record(line)


def test_an_unknown_event_changes_no_fold() -> None:
    recorded = Recorded(9, FIRST_MS, UNKNOWN)
    assert evolve(ThreadState(name="n"), UNKNOWN) == ThreadState(name="n")
    assert fold([UNKNOWN]) == ThreadState()
    history, transcript, usage = ModelHistory(), TurnProjection(), Usage()
    transcript.apply(recorded)
    summary = Summary()
    summary.apply(recorded)
    assert history.after(UNKNOWN) is history
    assert transcript.turns == []
    assert usage.after(UNKNOWN) is usage
    assert ClientProjection(ThreadId("th"), usage).apply(recorded) == []
    assert summary == Summary(seq=9, updated_ms=FIRST_MS)


@pytest.mark.parametrize(
    ("by", "turn", "members"),
    [
        (None, None, b""),
        ("tui:1", None, b'"by":"tui:1"'),
        (None, "t1", b'"turn":"t1"'),
        ('a"b', "t1", b'"by":"a\\"b","turn":"t1"'),
    ],
)
def test_the_envelope_has_the_author_and_the_turn(
    by: str | None, turn: str | None, members: bytes
) -> None:
    assert encode_members(by, turn) == members


@pytest.mark.parametrize(
    ("at", "at_ms"),
    [
        ("1970-01-01T00:00:00.000000Z", 0),
        ("2000-02-29T23:59:59.999999Z", 951868799999),
        ("2024-12-31T12:00:00.500000Z", 1735646400500),
        ("2026-11-21T04:05:06.001001Z", FIRST_MS),
    ],
)
def test_times_are_read_to_the_millisecond(at: str, at_ms: int) -> None:
    line = f'{{"seq":1,"at":"{at}","type":"turn.completed","data":{{}}}}'
    assert decode_record(line.encode()).at_ms == at_ms
