"""A history of Responses items becomes chat messages, in the order that chat servers require."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from codexd.models.chat.messages import (
    BETWEEN,
    IMAGE_BELOW,
    IMAGE_LEFT_OUT,
    NO_ANSWER,
)
from codexd.models.chat.request import encode_chat
from codexd.models.client import ModelRequest
from codexd.models.quirks import QUIRKS, UNKNOWN, Quirks, read_quirks

SHELL = {
    "type": "function",
    "name": "shell_command",
    "description": "Runs it.",
    "parameters": {"type": "object"},
    "strict": True,
}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patches.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"},
}
URL = "data:image/png;base64,AAAA"
PICTURE = {"type": "input_image", "image_url": URL, "detail": "high"}
SHOWN = {"type": "image_url", "image_url": {"url": URL, "detail": "high"}}
STRICT = Quirks(system_anywhere=True, merge_user_messages=False)


def message(role: str, *parts: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": part} if isinstance(part, str) else part for part in parts]
    return {"type": "message", "role": role, "content": content}


def call(call_id: str, arguments: str = "{}", name: str = "shell_command") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, said: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": said}


def thought(text: str | None, **members: Any) -> dict[str, Any]:
    content = [] if text is None else [{"type": "reasoning_text", "text": text}]
    return {"type": "reasoning", "summary": [], "content": content} | members


def request(*items: Any, **members: Any) -> ModelRequest:
    usual: dict[str, Any] = {
        "model": "m",
        "instructions": "Be brief.",
        "input": tuple(msgspec.json.encode(item) for item in items),
        "tools": (msgspec.json.encode(SHELL),),
        "cache_key": "thread-1",
    }
    return ModelRequest(**(usual | members))


def sent(quirks: Quirks, *items: Any, **members: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(encode_chat(request(*items, **members), quirks).body)
    return body


def told(*items: Any, quirks: Quirks = UNKNOWN) -> list[dict[str, Any]]:
    """The messages behind the instructions."""
    messages: list[dict[str, Any]] = sent(quirks, *items)["messages"]
    assert messages[0] == {"role": quirks.system_role, "content": "Be brief."}
    return messages[1:]


def asked(*calls: tuple[str, str], content: str | None = "", **members: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": "shell_command", "arguments": arguments},
            }
            for call_id, arguments in calls
        ],
    } | members


def answered(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_a_request_has_these_members_and_no_more() -> None:
    function = {key: SHELL[key] for key in ("name", "description", "parameters")}
    assert sent(UNKNOWN, message("user", "Hello")) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "messages": [{"role": "system", "content": "Be brief."}, user("Hello")],
    }


def test_without_tools_a_request_does_not_mention_them() -> None:
    assert set(sent(UNKNOWN, tools=())) == {"model", "stream", "stream_options", "messages"}


def test_a_whole_turn() -> None:
    items = (
        message("user", "List."),
        thought("Hm."),
        message("assistant", "Both:"),
        call("1", '{"command":"a"}'),
        call("2", '{"command":"b"}'),
        output("1", "A"),
        output("2", "B"),
        message("assistant", "Done."),
        message("user", "Thanks."),
    )
    assert told(*items) == [
        user("List."),
        asked(
            ("1", '{"command":"a"}'),
            ("2", '{"command":"b"}'),
            content="Both:",
            reasoning_content="Hm.",
        ),
        answered("1", "A"),
        answered("2", "B"),
        {"role": "assistant", "content": "Done."},
        user("Thanks."),
    ]


def test_each_call_is_followed_by_its_answer_in_any_order_of_arrival() -> None:
    mixed = (call("1"), output("1", "A"), call("2"), call("3"), output("3", "C"), output("2", "B"))
    assert told(message("user", "?"), *mixed) == [
        user("?"),
        asked(("1", "{}")),
        answered("1", "A"),
        asked(("2", "{}"), ("3", "{}")),
        answered("2", "B"),
        answered("3", "C"),
    ]
    late = (call("1"), message("user", "And?"), output("1", "A"))
    assert told(*late) == [asked(("1", "{}")), answered("1", "A"), user("And?")]


def test_a_call_without_an_answer_gets_one_and_an_answer_without_a_call_becomes_a_user_message() -> (
    None
):
    assert told(call("1"), message("user", "Go on.")) == [
        asked(("1", "{}")),
        answered("1", NO_ANSWER),
        user("Go on."),
    ]
    assert told(output("9", "lost")) == [user("[output of a tool]\nlost")]


def test_arguments_that_a_template_could_not_read_are_wrapped() -> None:
    turn = asked(
        ("1", '{"unreadable_arguments":"{\\"a"}'),
        ("2", "{}"),
        ("3", '{"unreadable_arguments":"[]"}'),
    )
    assert told(call("1", '{"a'), call("2", ""), call("3", "[]"))[0] == turn


def test_a_custom_tool_is_declared_and_called_as_a_function() -> None:
    custom = {"type": "custom_tool_call", "call_id": "1", "name": "apply_patch", "input": 'x "y"'}
    patched = {"type": "custom_tool_call_output", "call_id": "1", "output": "Done!"}
    body = sent(UNKNOWN, custom, patched, tools=(msgspec.json.encode(PATCH),))
    (declared,) = body["tools"]
    assert declared["function"]["name"] == "apply_patch"
    assert declared["function"]["description"] == (
        "Patches.\n\nThe input has this form (lark grammar):\nstart: X"
    )
    assert declared["function"]["parameters"]["required"] == ["input"]
    assert body["messages"][1]["tool_calls"][0]["function"] == {
        "name": "apply_patch",
        "arguments": '{"input":"x \\"y\\""}',
    }
    assert body["messages"][2] == answered("1", "Done!")
    tools = (msgspec.json.encode(PATCH), msgspec.json.encode(SHELL))
    assert encode_chat(request(tools=tools), UNKNOWN).custom_tools == {"apply_patch"}


def test_tools_that_only_their_provider_has_are_not_declared() -> None:
    assert "tools" not in sent(UNKNOWN, tools=(b'{"type":"web_search"}',))


def test_images_of_the_user_are_parts_of_the_message() -> None:
    text = {"type": "text", "text": "What is it?"}
    assert told(message("user", "What is it?", PICTURE)) == [user([text, SHOWN])]
    assert told(message("user", PICTURE), quirks=QUIRKS["deepseek"]) == [user(IMAGE_LEFT_OUT)]


def test_images_of_a_tool_come_after_all_answers() -> None:
    seen = output("1", [{"type": "input_text", "text": "It:"}, PICTURE])
    assert told(call("1"), call("2"), seen, output("2", "B")) == [
        asked(("1", "{}"), ("2", "{}")),
        answered("1", f"It:\n{IMAGE_BELOW}"),
        answered("2", "B"),
        user([SHOWN]),
    ]


def test_a_strict_template_gets_one_system_message_and_alternating_messages() -> None:
    items = (
        message("developer", "Rule."),
        message("user", "Env."),
        message("user", "Hello"),
        message("developer", "Later."),
        message("user", "See", PICTURE),
    )
    body = sent(UNKNOWN, *items)
    text = "Env.\n\nHello\n\nLater."
    assert body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nRule."},
        user([{"type": "text", "text": text}, {"type": "text", "text": "See"}, SHOWN]),
    ]
    assert told(*items, quirks=STRICT) == [
        {"role": "system", "content": "Rule."},
        user("Env."),
        user("Hello"),
        {"role": "system", "content": "Later."},
        user([{"type": "text", "text": "See"}, SHOWN]),
    ]


def test_a_history_without_instructions_has_no_empty_system_message() -> None:
    assert sent(UNKNOWN, message("user", "Hi"), instructions="")["messages"] == [user("Hi")]


def test_an_unknown_server_gets_reasoning_back_with_calls_only() -> None:
    assert told(thought("Hm."), message("assistant", "Yes.")) == [
        {"role": "assistant", "content": "Yes."}
    ]
    assert told(call("1"), output("1", "A"))[0] == asked(("1", "{}"))
    assert told(thought("Hm."), call("1"), output("1", "A"), quirks=QUIRKS["moonshot"]) == [
        asked(("1", "{}"), reasoning_content="Hm."),
        answered("1", "A"),
    ]


def test_mistral_gets_ids_of_nine_letters_and_digits_for_calls_of_others() -> None:
    calls = (call("call_Zz90-long"), call("abcDEF123"), output("call_Zz90-long", "A"))
    message, first, second = told(*calls, quirks=QUIRKS["mistral"])
    ids = [made["id"] for made in message["tool_calls"]]
    assert ids[1] == "abcDEF123"
    assert re.fullmatch("[a-zA-Z0-9]{9}", ids[0])
    assert [first["tool_call_id"], second["tool_call_id"]] == ids
    assert told(*calls, quirks=QUIRKS["mistral"])[0] == message


@pytest.mark.parametrize("kind", ["openai", "azure"])
def test_openai_gets_ids_of_forty_characters_at_most(kind: str) -> None:
    long = "call_" + "x" * 300
    calls = (
        call(long),
        call("functions.look:0"),
        output("functions.look:0", "A"),
        output(long, "B"),
    )
    message, first, second = told(*calls, quirks=QUIRKS[kind])
    ids = [made["id"] for made in message["tool_calls"]]
    assert ids[1] == "functions.look:0"
    assert ids[0] != long
    assert len(ids[0]) <= 40
    assert [first["tool_call_id"], second["tool_call_id"]] == ids
    assert told(*calls)[0]["tool_calls"][0]["id"] == long


def test_moonshot_gets_a_blank_for_reasoning_of_others() -> None:
    (message,) = told(call("1"), quirks=QUIRKS["moonshot"])[:1]
    assert message["reasoning_content"] == " "


def test_a_name_that_no_api_takes_back_is_mended() -> None:
    (message,) = told(call("1", name="multi_tool_use.parallel"))[:1]
    assert message["tool_calls"][0]["function"]["name"] == "multi_tool_use_parallel"


def test_mistral_hears_the_assistant_between_a_tool_and_the_user() -> None:
    told_mistral = told(
        call("123456789"),
        output("123456789", "A"),
        message("user", "Stop."),
        quirks=QUIRKS["mistral"],
    )
    assert told_mistral == [
        asked(("123456789", "{}")),
        answered("123456789", "A"),
        {"role": "assistant", "content": BETWEEN},
        user("Stop."),
    ]


DETAIL = {"type": "reasoning.text", "text": "Hm.", "signature": "s"}
KEPT = msgspec.json.encode({"reasoning_details": [DETAIL]}).decode()


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("openai", {}),
        ("mistral", {}),
        ("deepseek", {"reasoning_content": "Hm."}),
        ("llamacpp", {"reasoning_content": "Hm."}),
        ("groq", {}),
        ("ollama", {"reasoning": "Hm."}),
        ("openrouter", {"reasoning_details": [DETAIL]}),
    ],
)
def test_reasoning_goes_back_in_the_member_that_the_server_has_for_it(
    kind: str, members: dict[str, Any]
) -> None:
    items = (thought("Hm."), thought(None, encrypted_content=KEPT), message("assistant", "Yes"))
    (said,) = told(*items, quirks=QUIRKS[kind])
    assert said == {"role": "assistant", "content": "Yes"} | members


def test_deepseek_gets_its_member_with_every_call_be_it_empty() -> None:
    quirks = QUIRKS["deepseek"]
    assert told(call("1"), output("1", "A"), quirks=quirks)[0] == asked(
        ("1", "{}"), reasoning_content=""
    )
    assert told(message("assistant", "Yes"), quirks=quirks) == [
        {"role": "assistant", "content": "Yes"}
    ]


def test_googles_signature_is_sent_back_with_its_call() -> None:
    kept = msgspec.json.encode({"extra_content": {"1": {"google": {"thought_signature": "s"}}}})
    turn = (thought(None, encrypted_content=kept.decode()), call("1"), output("1", "A"))
    assert told(*turn)[0]["tool_calls"][0]["extra_content"] == {
        "google": {"thought_signature": "s"}
    }


def test_encrypted_content_of_another_api_is_not_sent() -> None:
    encrypted = thought(None, encrypted_content="gAAAA=")
    for quirks in QUIRKS.values():
        assert told(encrypted, message("user", "Hi"), quirks=quirks) == [user("Hi")]
    odd = thought(None, encrypted_content='{"reasoning_details":7}')
    assert told(odd, message("assistant", "Yes")) == [{"role": "assistant", "content": "Yes"}]


def test_items_that_no_other_api_can_read_are_left_out() -> None:
    search = {"type": "web_search_call", "action": {"query": "x"}}
    assert told(search, {"type": "message", "content": 7}, message("user", "Hi")) == [user("Hi")]


def test_effort_schema_and_cache_key_go_where_the_server_looks_for_them() -> None:
    schema = msgspec.Raw(b'{"type":"object"}')
    wish: dict[str, Any] = {"effort": "high", "summary": "auto", "verbosity": "low"}

    def said(kind: str) -> dict[str, Any]:
        usual = {"model", "stream", "stream_options", "tools", "tool_choice", "messages"}
        body = sent(QUIRKS[kind], output_schema=schema, **wish)
        return {key: value for key, value in body.items() if key not in usual}

    in_schema = {
        "type": "json_schema",
        "json_schema": {
            "name": "codex_output_schema",
            "strict": True,
            "schema": {"type": "object"},
        },
    }
    assert said("openai") == {
        "parallel_tool_calls": True,
        "reasoning_effort": "high",
        "response_format": in_schema,
        "prompt_cache_key": "thread-1",
    }
    assert said("openrouter") == {
        "parallel_tool_calls": True,
        "reasoning": {"effort": "high"},
        "response_format": in_schema,
    }
    assert said("mistral") == {"parallel_tool_calls": True, "response_format": in_schema}
    assert said("deepseek") == {
        "reasoning_effort": "high",
        "response_format": {"type": "json_object"},
    }
    # What cannot be held to a schema is told of it.
    (system,) = sent(QUIRKS["deepseek"], output_schema=schema)["messages"]
    assert system["content"].endswith('meets this JSON schema:\n{"type":"object"}')
    assert "stream_options" not in sent(QUIRKS["mistral"])


def test_openai_gets_its_own_members() -> None:
    body = sent(QUIRKS["openai"], message("developer", "Rule."), call("1"), output("1", "A"))
    assert body["messages"] == [
        {"role": "developer", "content": "Be brief."},
        {"role": "developer", "content": "Rule."},
        asked(("1", "{}"), content=None),
        answered("1", "A"),
    ]
    assert body["tools"][0]["function"]["strict"] is True


def test_the_reader_knows_the_ids_that_are_taken() -> None:
    assert encode_chat(request(call("1"), output("1", "A")), UNKNOWN).call_ids == {"1"}


def test_the_beginning_of_a_request_does_not_change_as_the_conversation_continues() -> None:
    items = [
        message("developer", "Rule."),
        message("user", "Env."),
        message("user", "Hi"),
        thought("Hm."),
        call("1"),
        output("1", [{"type": "input_text", "text": "It:"}, PICTURE]),
        message("assistant", "Done."),
        message("user", "More"),
        call("2"),
        call("3"),
        output("2", "B"),
        output("3", "C"),
        message("assistant", "Done."),
        message("user", "Bye"),
    ]
    for quirks in (UNKNOWN, *QUIRKS.values()):
        whole = encode_chat(request(*items), quirks).body
        for requested in (3, 6, 8, 12):
            earlier = encode_chat(request(*items[:requested]), quirks).body
            assert whole.startswith(earlier.removesuffix(b"]}")), (quirks, requested)


def test_a_user_may_say_how_a_server_differs() -> None:
    assert read_quirks(None, {}) == UNKNOWN
    assert read_quirks(None, {"like": "mistral"}) == QUIRKS["mistral"]
    assert read_quirks("vllm", {"images": False}) == Quirks(
        reasoning_back="reasoning_content", images=False
    )
    with pytest.raises(ValueError, match=r"like: expected one of openai, azure, .* found 'claude'"):
        read_quirks(None, {"like": "claude"})
    with pytest.raises(ValueError, match="unknown field `image`"):
        read_quirks(None, {"image": False})


def test_tools_in_a_namespace_and_their_calls_have_flat_names() -> None:
    space = {"type": "namespace", "name": "maps", "description": "Maps.", "tools": [SHELL]}
    tools = (msgspec.json.encode(space), msgspec.json.encode(PATCH))
    made = call("c1") | {"namespace": "maps"}
    body = sent(STRICT, made, output("c1", "done"), tools=tools)
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert names == ["maps__shell_command", "apply_patch"]
    assert body["tools"][0]["function"]["parameters"] == SHELL["parameters"]
    (spoken,) = [message for message in body["messages"] if message["role"] == "assistant"]
    assert spoken["tool_calls"][0]["function"]["name"] == "maps__shell_command"
