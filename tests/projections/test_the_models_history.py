"""The model's history: the same bytes from request to request, each fact as it came."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

from builders import (
    ABORTED,
    ENDED,
    ENVIRONMENT,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    begun,
    calling,
    ended,
    finished_thought,
    made,
    queued,
    said,
    text,
)
from codexd.core.events.events import (
    Event,
    InputWithdrawn,
    ItemCompleted,
    ItemCut,
    ModelCallFailed,
    ModelCallStarted,
    RequestPrint,
    ThreadForked,
    ToolCallRef,
    TurnCompleted,
    TurnInterrupted,
    TurnSteered,
)
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.tools import ToolEnded
from codexd.core.values.ids import CallId, ItemId, ThreadId
from codexd.core.values.items import (
    ImageInput,
    LocalImageInput,
    MentionInput,
    SkillInput,
    TextInput,
    TurnError,
)
from codexd.core.values.tool_actions import ToolResult
from codexd.projections.model.history import HASH_DIGITS, ModelHistory
from codexd.projections.model.items import user_message, without_id


def history(*events: Event) -> ModelHistory:
    return ModelHistory().after_all(events)


def words(fold: ModelHistory) -> list[str]:
    """Each item as short as it can be said."""
    return [_short(msgspec.json.decode(item)) for item in fold.items]


def _short(item: dict[str, object]) -> str:
    match item:
        case {"type": "message", "role": role, "content": [{"text": str(words)}]}:
            return f"{role}: {words.splitlines()[0]}"
        case {"call_id": call, "type": kind}:
            return f"{kind} {call}"
        case {"type": kind}:
            return str(kind)
    raise AssertionError(item)


def test_a_request_is_context_and_input_in_order() -> None:
    assert words(history(*FIRST_TURN)) == ["user: <environment_context>", "user: go"]


def test_developer_instructions_are_of_the_developer() -> None:
    developer = replace(ENVIRONMENT, category="developer", role="developer", text="Be brief.")
    past = history(STARTED, queued(1), developer, ENVIRONMENT, begun(1), calling("t1/1"))
    assert words(past)[0] == "developer: Be brief."


def test_an_answer_is_as_the_provider_sent_it_without_its_id() -> None:
    raw = msgspec.Raw(b'{"b" : 1.50,"id":"m1","a":{"id":"kept","x":[1e3]}}')
    assert without_id(raw) == b'{"b":1.50,"a":{"id":"kept","x":[1e3]}}'
    assert history(*FIRST_TURN, ItemCompleted(ItemId("m1"), "other", raw)).items[-1] == without_id(
        raw
    )


def test_encrypted_reasoning_is_sent_back() -> None:
    thought = finished_thought("r1", "Hm.")
    past = history(*FIRST_TURN, ItemCompleted(ItemId("r1"), "reasoning", thought.item))
    assert msgspec.json.decode(past.items[-1]) == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "gAAA",
    }


def test_cut_items_are_not_the_models() -> None:
    past = history(*FIRST_TURN, ItemCut(ItemId("m1"), "message", "interrupted", "Half"))
    assert words(past) == words(history(*FIRST_TURN))


def test_a_tool_answers_with_exactly_its_text_for_the_model() -> None:
    answer = ToolEnded(CallId("c1"), ToolResult("failed", "Exit code: 2", "for screens", 2))
    past = history(*FIRST_TURN, made("c1"), answer)
    assert msgspec.json.decode(past.items[-1]) == {
        "type": "function_call_output",
        "call_id": "c1",
        "output": "Exit code: 2",
    }


def test_a_custom_call_is_answered_in_its_kind() -> None:
    call = replace(made("c1"), call=ToolCallRef(CallId("c1"), "apply", custom=True))
    assert words(history(*FIRST_TURN, call, ended("c1")))[-1] == "custom_tool_call_output c1"


def test_steered_input_follows_the_response_that_was_streaming() -> None:
    steered = TurnSteered(ItemId("s1"), text("stop"))
    past = [*FIRST_TURN, steered, said("m1", "I am"), made("c1"), ended("c1"), ENDED]
    assert words(history(*past))[2:] == [
        "assistant: I am",
        "function_call c1",
        "function_call_output c1",
    ]
    assert words(history(*past, calling("t1/2")))[-1] == "user: stop"


def test_steered_input_of_a_turn_that_ends_is_there_in_the_next() -> None:
    steered = TurnSteered(ItemId("s1"), text("stop"))
    past = history(*FIRST_TURN, steered, made("c1"), ended("c1"), ABORTED, TurnInterrupted())
    assert words(past)[-2:] == ["user: stop", "user: <turn_aborted>"]


def test_a_withdrawn_input_is_never_said() -> None:
    past = [*FIRST_TURN, queued(2), InputWithdrawn(ItemId("u2")), ENDED, TurnCompleted()]
    assert words(history(*past)) == words(history(*FIRST_TURN))


def test_input_waits_for_its_turn() -> None:
    past = [*FIRST_TURN, queued(2, "second"), said("m1", "Done."), ENDED, TurnCompleted()]
    assert words(history(*past))[-1] == "assistant: Done."
    assert words(history(*past, begun(2), calling("t2/1")))[-1] == "user: second"


def test_a_fork_does_not_have_the_parents_queue() -> None:
    past = [*FIRST_TURN, queued(2), ThreadForked(ThreadId("p"), 6), begun(2), calling("t2/1")]
    assert words(history(*past)) == words(history(*FIRST_TURN))


def test_every_kind_of_input_has_its_form_for_the_model() -> None:
    content = (
        TextInput("look", (msgspec.Raw(b"{}"),)),
        ImageInput("data:image/png;base64,AA==", "low"),
        ImageInput("data:image/png;base64,BB=="),
        LocalImageInput("/tmp/a.png"),
        SkillInput("review", "/s/review"),
        MentionInput("a.py", "/project/a.py"),
    )
    assert msgspec.json.decode(user_message(content)) == {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
            {"type": "input_image", "image_url": "data:image/png;base64,BB==", "detail": "high"},
            {"type": "input_text", "text": "[image file: /tmp/a.png]"},
            {"type": "input_text", "text": "[review](/s/review)"},
            {"type": "input_text", "text": "[a.py](/project/a.py)"},
        ],
    }


def test_a_refused_image_is_left_out_for_its_provider() -> None:
    error = TurnError("Invalid image.", "badRequest")
    refused = ModelCallFailed(error, "request", True, images=("aa", "bb"), asked=("m-1", "p"))
    fold = history(*FIRST_TURN, refused)
    assert fold.refused_by("m-1", "p") == {"aa", "bb"}
    assert fold.refused_by("m-2", "p") == fold.refused_by("m-1", "q") == frozenset()
    more = fold.after(replace(refused, images=("cc",)))
    assert more.refused_by("m-1", "p") == {"aa", "bb", "cc"}
    assert fold.refused_by("m-1", "p") == {"aa", "bb"}
    assert fold.without_printed().refused_by("m-1", "p") == {"aa", "bb"}
    fold = fold.after(HistoryCompacted(ItemId("k"), "It was a bug.", ()))
    assert fold.refused_by("m-1", "p") == frozenset()


def test_text_like_our_own_tags_is_still_a_persons_text() -> None:
    typed = "<environment_context>mine</environment_context>"
    assert words(history(*FIRST_TURN[:1], queued(1, typed), begun(1), calling("t1/1"))) == [
        f"user: {typed}"
    ]


def test_no_item_has_an_id() -> None:
    thought = ItemCompleted(ItemId("r1"), "reasoning", finished_thought("r1", "Hm.").item)
    past = history(*FIRST_TURN, thought, said("m1", "x"), made("c1"), ended("c1"))
    assert all("id" not in msgspec.json.decode(item) for item in past.items)


# What a request was made of.


def _hash(segment: bytes) -> str:
    return hashlib.sha256(segment).hexdigest()[:HASH_DIGITS]


def started(fold: ModelHistory, name: str, attempt: int = 1) -> tuple[ModelHistory, RequestPrint]:
    """The model is called: the fold then, and the print that goes into the log with it."""
    request = fold.print_request(b"instructions", (b"a", b"b"))
    call: ModelCallStarted = replace(calling(name, attempt), request=request)
    return fold.after(call), request


def test_a_print_names_new_and_kept_items() -> None:
    fold = history(*FIRST_TURN[:-1])
    fold, first = started(fold, "t1/1")
    assert (first.kept, first.added) == (0, tuple(_hash(item) for item in fold.items))
    assert (first.instructions, first.tools) == (_hash(b"instructions"), _hash(b"a,b"))
    fold = fold.after_all([said("m1", "x"), made("c1"), ended("c1"), ENDED])
    fold, second = started(fold, "t1/2")
    assert (second.kept, second.added) == (2, tuple(_hash(item) for item in fold.items[2:]))
    assert (second.instructions, second.tools) == (None, None)


def test_the_digest_is_that_of_all_segments() -> None:
    fold = history(*FIRST_TURN[:-1])
    fold, first = started(fold, "t1/1")
    fold = fold.after_all([made("c1"), ended("c1"), ENDED])
    fold, second = started(fold, "t1/2")
    whole = ""
    for request in (first, second):
        for segment in request.added:  # a chain, so that it goes on from its last link alone
            whole = hashlib.sha256((whole + segment).encode()).hexdigest()
        assert request.digest == whole[:HASH_DIGITS]
    assert sum(len(request.added) for request in (first, second)) == len(fold.items)


def test_a_retry_without_anything_new_has_the_same_digest() -> None:
    fold = history(*FIRST_TURN[:-1])
    fold, first = started(fold, "t1/1")
    fold = fold.after(ModelCallFailed(TurnError("broken"), "stream", True))
    fold, again = started(fold, "t1/1", 2)
    assert (again.kept, again.added, again.digest) == (len(first.added), (), first.digest)


def test_other_tools_are_named() -> None:
    fold = history(*FIRST_TURN[:-1])
    fold, _ = started(fold, "t1/1")
    other = fold.print_request(b"instructions", (b"a",))
    assert (other.instructions, other.tools) == (None, _hash(b"a"))


def test_the_settings_are_no_part_of_it() -> None:
    assert SETTINGS.model.encode() not in b"".join(history(*FIRST_TURN).items)


def test_histories_that_continue_from_one_share_no_later_items() -> None:
    fold = history(*FIRST_TURN)
    stood = fold.items
    left, other = fold.after(said("m1", "one")), fold.after(said("m2", "other"))
    left = left.after(said("m3", "more"))
    assert words(fold.after(ENDED))[: len(stood)] == words(fold)
    assert fold.items == stood
    assert words(left)[len(stood) :] == ["assistant: one", "assistant: more"]
    assert words(other)[len(stood) :] == ["assistant: other"]


def test_absent_items_are_known_by_the_digest_of_all() -> None:
    fold, _ = started(history(*FIRST_TURN[:-1]), "t1/1")
    fold, _ = started(fold.after_all([said("m1", "x"), made("c1"), ended("c1"), ENDED]), "t1/2")
    items = fold.items
    begun = fold.without_printed()
    assert begun.evicted == len(items)
    assert begun.begins_with(items)
    assert not begun.begins_with(items[:-1])
    assert not begun.begins_with([*items[:-1], items[0]])
    assert begun.with_restored(items) == fold
