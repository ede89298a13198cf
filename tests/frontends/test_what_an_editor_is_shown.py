"""Items of a turn as an editor of the Agent Client Protocol shows them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from codexd_frontends.acp.permissions import options_of
from codexd_frontends.acp.translation.blocks import content_of, read_prompt
from codexd_frontends.acp.translation.choices import Choices, Effort, Model, Opened, Preset
from codexd_frontends.acp.translation.diffs import DIFF_CHARACTERS_MAX, HUNKS_MAX, diffs_of
from codexd_frontends.acp.translation.forms import models_answers, models_form
from codexd_frontends.acp.translation.tool_calls import (
    OUTPUT_CHARACTERS_MAX,
    begun,
    ended,
    fenced,
    output_content,
    whole,
)
from codexd_frontends.acp.translation.updates import GROWTH_CHARACTERS, Updates
from codexd_frontends.acp.translation.wire import Block, Declined, Resource
from codexd_frontends.client.approval_messages import ApprovalRequest, Choice, PersonQuestion
from codexd_frontends.client.messages import (
    FileKind,
    FileUpdate,
    Item,
    Message,
    Turn,
    UserInput,
    read_message,
)

from .said import Json


def test_each_hunk_of_a_change_is_shown_before_and_after() -> None:
    hunks = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n@@ -9 +9 @@ def f():\n-nine\n\\ No newline at end of file\n+9\n"
    assert diffs_of([FileUpdate(path="/w/f", diff=hunks)]) == [
        {"type": "diff", "path": "/w/f", "oldText": "one\ntwo\n", "newText": "one\n2\n"},
        {"type": "diff", "path": "/w/f", "oldText": "nine", "newText": "9\n"},
    ]
    moved = FileUpdate(path="/w/f", kind=FileKind("update", "/w/g"))
    assert diffs_of([moved]) == [{"type": "diff", "path": "/w/g", "oldText": "", "newText": ""}]
    gone = FileUpdate(path="/w/f", kind=FileKind("delete"), diff="was\n")
    assert diffs_of([gone])[0] | {} == {
        "type": "diff",
        "path": "/w/f",
        "oldText": "was\n",
        "newText": "",
    }


@pytest.mark.parametrize(
    "change",
    [
        FileUpdate(path="/w/f", diff="@@ -1 +1 @@\n-a\n+b\n" * (HUNKS_MAX + 5)),
        FileUpdate(path="/w/f", kind=FileKind("add"), diff="x" * (DIFF_CHARACTERS_MAX + 1)),
    ],
    ids=["many hunks", "a long file"],
)
def test_a_huge_change_is_shown_in_part_and_says_so(change: FileUpdate) -> None:
    shown = diffs_of([change])
    assert len(shown) <= HUNKS_MAX + 1
    assert "not shown here" in json.dumps(shown[-1])
    assert len(json.dumps(shown)) < DIFF_CHARACTERS_MAX


def test_an_output_cannot_leave_its_block_or_drive_a_terminal() -> None:
    text = "```\n# not ours\n````` \x1b]52;c;aGk=\x07"
    drawn = fenced(text)
    assert drawn.startswith("``````\n")
    assert drawn.endswith("\n``````")
    assert "\x1b" not in drawn
    ((part,),) = (output_content("x" * (OUTPUT_CHARACTERS_MAX + 9)),)
    assert len(part["content"]["text"]) < OUTPUT_CHARACTERS_MAX + 20


def command(**members: Any) -> Item:
    return Item(type="commandExecution", id="c", command="/bin/sh -c 'make\nall'", **members)


def test_a_command_has_a_terminal_where_the_editor_has_some() -> None:
    done = command(cwd="/w", status="completed", exit_code=0, aggregated_output="a\x1b[2J\n")
    start, output, end = whole(done, shows_terminals=True)
    assert start["title"] == "/bin/sh -c 'make all'"
    assert start["content"] == [{"type": "terminal", "terminalId": "c"}]
    assert start["_meta"] == {"terminal_info": {"terminal_id": "c", "cwd": "/w"}}
    assert output["_meta"]["terminal_output"]["data"] == "a\\u{1b}[2J\n"
    assert end["_meta"]["terminal_exit"]["exit_code"] == 0
    (seen,) = ended(done, shows_terminals=True, output_shown=True)
    assert "terminal_output" not in seen["_meta"]
    _, plain = whole(done, shows_terminals=False)
    assert plain["content"][0]["content"]["text"] == "```\na\\u{1b}[2J\n```"
    assert (plain["status"], plain["rawOutput"]["exit_code"]) == ("completed", 0)
    failed = ended(command(status="declined"), shows_terminals=False, output_shown=False)
    assert failed[0]["status"] == "failed"


def test_other_items_have_kinds_titles_and_what_they_were_about() -> None:
    def call(**members: Any) -> tuple[str, str]:
        shown = begun(Item(id="i", **members), shows_terminals=False)
        return shown["kind"], shown["title"]

    edit = (FileUpdate(path="/w/a"), FileUpdate(path="/w/b"))
    assert call(type="fileChange", changes=edit) == ("edit", "Edit /w/a and 1 more")
    gone = (FileUpdate(path="/w/a", kind=FileKind("delete")),)
    assert call(type="fileChange", changes=gone) == ("delete", "Edit /w/a")
    moved = (FileUpdate(path="/w/a", kind=FileKind("update", "/w/b")),)
    assert call(type="fileChange", changes=moved) == ("move", "Edit /w/b")
    assert call(type="mcpToolCall", server="s", tool="t\n2") == ("other", "s: t\\u{a}2")
    assert call(type="webSearch") == ("fetch", "Search the web")
    assert call(type="imageView", path="/w/i.png") == ("read", "Look at /w/i.png")
    assert call(type="contextCompaction") == ("think", "Compact the conversation")
    (end,) = ended(
        Item(id="i", type="webSearch", query="cats"), shows_terminals=False, output_shown=False
    )
    assert (end["title"], end["status"]) == ("Search the web: cats", "completed")


def note(method: str, **params: Any) -> Message:
    return read_message(msgspec.json.encode({"method": method, "params": params}))


def item(method: str, **members: Any) -> Message:
    return note(method, threadId="t", turnId="u", item={"id": "i", **members})


def delta(kind: str, text: str, **more: Any) -> Message:
    return note(f"item/{kind}", threadId="t", turnId="u", itemId="i", delta=text, **more)


def texts(updates: list[Json]) -> list[str]:
    return [update["content"]["text"] for update in updates]


def test_deltas_and_the_rest_add_up_to_the_text() -> None:
    view = Updates(shows_terminals=False)
    assert view.note(item("item/started", type="agentMessage", text="")) == []
    assert texts(view.note(delta("agentMessage/delta", "Hel"))) == ["Hel"]
    assert view.note(item("item/started", type="agentMessage", text="")) == []
    assert texts(view.note(item("item/completed", type="agentMessage", text="Hello"))) == ["lo"]
    whole_at_once = Updates(shows_terminals=False)
    end = item("item/completed", type="agentMessage", text="Hello")
    assert texts(whole_at_once.note(end)) == ["Hello"]


def test_parts_of_reasoning_are_apart_and_a_summary_is_enough() -> None:
    view = Updates(shows_terminals=False)
    said = [
        *view.note(delta("reasoning/summaryTextDelta", "a", summaryIndex=0)),
        *view.note(delta("reasoning/textDelta", "raw", contentIndex=0)),
        *view.note(delta("reasoning/summaryTextDelta", "b", summaryIndex=1)),
        *view.note(item("item/completed", type="reasoning", summary=["a", "b"], content=["raw"])),
    ]
    assert texts(said) == ["a", "\n\nb"]
    past = msgspec.Raw(b'{"type":"reasoning","id":"i","content":["raw"]}')
    turn = Turn(id="u", status="completed", items=(past,))
    assert texts(Updates(shows_terminals=False).past(turn)) == ["raw"]


def test_a_long_output_is_sent_again_now_and_then_and_never_whole() -> None:
    view = Updates(shows_terminals=False)
    view.note(item("item/started", type="commandExecution", command="yes", cwd="/w"))
    sent = [
        update
        for _ in range(100)
        for update in view.note(delta("commandExecution/outputDelta", "y\n" * 200))
    ]
    assert len(sent) == 100 * 400 // GROWTH_CHARACTERS
    assert all(len(update["content"][0]["content"]["text"]) < 10_000 for update in sent)


def test_own_prompts_are_not_repeated_and_those_of_others_are() -> None:
    view = Updates(shows_terminals=False)
    mine = view.new_prompt()
    content = [{"type": "text", "text": "mine"}]
    own = {"type": "userMessage", "clientId": mine, "content": content}
    assert view.note(item("item/started", **own)) == []
    assert view.note(item("item/completed", **own)) == []
    theirs = {"type": "userMessage", "clientId": "x", "content": content}
    (shown,) = view.note(item("item/completed", **theirs))
    assert shown["sessionUpdate"] == "user_message_chunk"
    assert [content_of(UserInput(type="image", url="data:image/png;base64,AA=="))] == [
        {"type": "image", "data": "AA==", "mimeType": "image/png"}
    ]
    link = content_of(UserInput(type="localImage", path="/w/a b.png"))
    assert link == {"type": "resource_link", "name": "a b.png", "uri": "file:///w/a%20b.png"}


def test_parts_of_a_prompt_are_text_and_images() -> None:
    blocks = [
        Block(type="text", text="look"),
        Block(type="image", data="AA==", mime_type="image/png"),
        Block(type="resource_link", name="f.py", uri="file:///w/f.py"),
        Block(type="resource", resource=Resource(uri='file:///w/"x"', text="inside")),
        Block(type="resource", resource=Resource(uri="u:1", blob="AA==", mime_type="image/gif")),
    ]
    text, image, link, context, embedded = read_prompt(blocks)
    assert text["text"] == "look"
    assert image["url"] == "data:image/png;base64,AA=="
    assert link["text"] == "[@f.py](file:///w/f.py)"
    assert '<context ref="file:///w/&quot;x&quot;">\ninside\n</context>' in str(context["text"])
    assert embedded["url"] == "data:image/gif;base64,AA=="


@pytest.mark.parametrize(
    "block",
    [
        Block(type="audio", data="AA==", mime_type="audio/wav"),
        Block(type="image", data="AA==", mime_type="text/html"),
        Block(type="image", mime_type="image/png"),
        Block(type="resource", resource=Resource(uri="u:1", blob="AA==")),
        Block(type="resource", resource=Resource(uri="u:1")),
        Block(type="hologram"),
    ],
    ids=lambda block: block.type,
)
def test_what_no_model_is_sent_is_refused(block: Block) -> None:
    with pytest.raises(Declined, match=r"nothing was sent|found bytes"):
        read_prompt([block])


def request(**members: Any) -> ApprovalRequest:
    return ApprovalRequest(thread_id="t", item_id="i", **members)


def test_a_question_has_the_answers_that_the_daemon_takes() -> None:
    def answers(asked: ApprovalRequest) -> dict[str, tuple[str, str]]:
        return {option.id: (option.kind, option.decision) for option in options_of(asked)}

    assert answers(request(command="ls")) == {
        "allow_once": ("allow_once", "accept"),
        "allow_for_session": ("allow_always", "acceptForSession"),
        "decline": ("reject_once", "decline"),
        "cancel": ("reject_once", "cancel"),
    }
    rule = options_of(request(proposed_execpolicy_amendment=("git", "push\n")))[2]
    assert rule.decision == "acceptWithExecpolicyAmendment"
    assert "\n" not in rule.name
    assert "git" in rule.name
    host = msgspec.convert({"host": "evil.test"}, type=dict[str, str])
    asked = msgspec.convert(
        {"threadId": "t", "itemId": "i", "networkApprovalContext": host}, type=ApprovalRequest
    )
    assert answers(asked)["reject_host"] == ("reject_always", "deny for ever")
    assert set(answers(request(server_name="s", message="?"))) == {
        "allow_once",
        "decline",
        "cancel",
    }


def test_questions_of_the_model_are_fields_with_room_for_other_words() -> None:
    asked = (
        PersonQuestion(
            id="where",
            header="Storage",
            question="Where?",
            options=(Choice(label="File", description="Simple."), Choice(label="Base")),
        ),
        PersonQuestion(id="why", question="Why?"),
    )
    fields = models_form(asked)["requestedSchema"]["properties"]
    assert list(fields) == ["where", "where (other)", "why"]
    assert [choice["const"] for choice in fields["where"]["oneOf"]] == ["File", "Base"]
    assert fields["where"]["description"] == "Where?\nFile: Simple."
    given = {"where": "File", "where (other)": "in a cave", "why": " "}
    assert models_answers(asked, given) == {"where": ("in a cave",)}
    assert models_answers(asked, {"where": "File"}) == {"where": ("File",)}
    choices = options_of(request(questions=asked[:1]))
    assert [(choice.name, choice.answer) for choice in choices][:2] == [
        ("File", "File"),
        ("Base", "Base"),
    ]


def test_choices_follow_the_settings_whoever_changes_them() -> None:
    opened = Opened(
        approval_policy="untrusted",
        sandbox=msgspec.Raw(b'{"type":"workspaceWrite"}'),
        model="m",
        model_provider="p",
    )
    model = Model(
        model="m",
        supported_reasoning_efforts=(Effort(reasoning_effort="low"),),
        default_reasoning_effort="low",
    )
    choices = Choices(opened.chosen, [model], [Preset(name="Plan", mode="plan")])
    assert choices.chosen.mode == "configured"
    assert [option["id"] for option in choices.options()] == [
        "mode",
        "model",
        "reasoning_effort",
        "collaboration_mode",
    ]
    assert choices.take(choices.chosen) == []
    changed = msgspec.structs.replace(choices.chosen, approval_policy="on-request")
    mode, options = choices.take(changed)
    assert mode == {"sessionUpdate": "current_mode_update", "currentModeId": "workspace-write"}
    assert options["sessionUpdate"] == "config_option_update"
    back = choices.change("mode", "configured")
    assert back["approvalPolicy"] == "untrusted"
    choices.expect("mode", "agent-full-access")
    assert choices.chosen.mode == "agent-full-access"
    plan = choices.change("collaboration_mode", "plan")["collaborationMode"]
    assert (plan["mode"], plan["settings"]["model"]) == ("plan", "m")
    with pytest.raises(Declined, match="expected a value of model of m, found x"):
        choices.change("model", "x")
