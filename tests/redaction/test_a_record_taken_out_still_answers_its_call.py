"""A record that is taken out whole keeps what other records refer to: the model's calls keep their answers."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from builders import asked_about, ended, line, made
from codexd.core.events.events import Event, ItemCompleted, ToolCallRef, decode_event, encode_event
from codexd.core.events.tools import ApprovalRequested
from codexd.core.values.ids import CallId
from codexd.projections.model.history import ModelHistory
from codexd.redaction.scrubbing import Scrub

CALL = replace(made("own"), call=ToolCallRef(CallId("own"), "shell", answers="c1"))
ASKED = asked_about("own", line("echo words"))


def taken_out(event: Event) -> Event:
    """The event as it stands in a log from which its record was taken out."""
    data = Scrub(seqs=[1]).data(1, encode_event(event), {})
    assert data is not None
    read = decode_event(event.type, event.v, data)
    assert isinstance(read, type(event))
    return read


def test_after_scrubbing_a_call_and_its_answer_have_one_id_for_the_model() -> None:
    call = replace(CALL, item=msgspec.Raw(bytes(CALL.item).replace(b'"own"', b'"c1"')))
    history = ModelHistory().after_all((taken_out(call), taken_out(ended("own"))))
    read = [msgspec.json.decode(item) for item in history.items]
    assert [item["call_id"] for item in read] == ["c1", "c1"]
    assert "done" not in read[1]["output"]


def test_a_question_keeps_the_hash_of_its_action() -> None:
    read = taken_out(ASKED)
    assert isinstance(read, ApprovalRequested)
    assert (read.approval_id, read.action_hash) == (ASKED.approval_id, ASKED.action_hash)
    assert "words" not in str(read.action)


def test_a_call_keeps_its_own_id() -> None:
    read = taken_out(CALL)
    assert isinstance(read, ItemCompleted)
    assert read.call == CALL.call
