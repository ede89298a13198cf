"""The tool view_image: from a call's arguments to the model's items."""

from __future__ import annotations

import json

import msgspec
import pytest

from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.images import BadImage
from codexd.core.values.limits import Traits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.tool_actions import BadCall, ToolResult, ViewImage
from codexd.tools.harmless.view_image import DECLARATION, ViewImageTool
from codexd.tools.registry import CallContext, Registry
from trio_test import trio_test

CONTEXT = CallContext("/work", "th", "c1")
NAME = f"codexd-blob:{'0' * 64};image/png"


class Silent:
    def started(self, pid: int, start_time: str) -> None:
        raise AssertionError("an image has no process")

    def output(self, chunk: bytes) -> None:
        raise AssertionError("an image prints nothing")


async def load(path: str) -> str:
    if path.endswith(".txt"):
        raise BadImage("expected an image file, found a text")
    return NAME


TOOL = ViewImageTool(load)


@pytest.mark.parametrize(
    ("path", "absolute"),
    [("a.png", "/work/a.png"), ("../b/c d.png", "/work/../b/c d.png"), ("/tmp/x", "/tmp/x")],
)
def test_a_path_starts_where_the_conversation_works(path: str, absolute: str) -> None:
    arguments = json.dumps({"path": path, "later": 1})
    assert TOOL.read_call(arguments, CONTEXT) == ViewImage(absolute)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", "they are not JSON"),
        ("{}", "missing required field `path`"),
        ('{"path":7}', "Expected `str`"),
        ('{"path":" "}', "`path` is empty"),
        ('{"path":"a\\u0000b"}', "NUL"),
        ('{"path":"a","detail":"low"}', "Invalid enum value 'low'"),
    ],
)
def test_arguments_that_cannot_be_used_are_a_bad_call(arguments: str, reason: str) -> None:
    action = TOOL.read_call(arguments, CONTEXT)
    assert isinstance(action, BadCall)
    assert reason in action.reason
    assert "Nothing was looked at" in action.reason


@trio_test
async def test_the_model_is_given_the_image_by_its_name() -> None:
    result = await TOOL.perform(ViewImage("/work/a.png"), CONTEXT, Silent())
    assert (result.status, result.model_text) == ("completed", "The image is attached.")
    assert msgspec.json.decode(result.model_parts) == [
        {"type": "input_image", "image_url": NAME, "detail": "high"}
    ]


@pytest.mark.parametrize(
    ("said", "detail"),
    [("", "high"), (',"detail":"original"', "original"), (',"detail":null', "high")],
)
@trio_test
async def test_the_model_may_ask_for_the_image_as_it_is(said: str, detail: str) -> None:
    action = TOOL.read_call(f'{{"path":"a.png"{said}}}', CONTEXT)
    assert isinstance(action, ViewImage)
    result = await TOOL.perform(action, CONTEXT, Silent())
    (part,) = msgspec.json.decode(result.model_parts)
    assert part["detail"] == detail


@trio_test
async def test_a_file_that_cannot_be_shown_is_reported_in_a_sentence() -> None:
    result = await TOOL.perform(ViewImage("/work/a.txt"), CONTEXT, Silent())
    text = "/work/a.txt was not shown: expected an image file, found a text."
    assert result == ToolResult("failed", text, text)


def test_only_models_that_read_images_get_it() -> None:
    registry = Registry(TOOL)
    assert registry.offered(Traits(images=True), ThreadState()) == (DECLARATION,)
    assert registry.offered(Traits(images=False), ThreadState()) == ()
    assert registry.read_call("view_image", '{"path":"a"}', CONTEXT) == ViewImage("/work/a")


def test_a_reviewer_does_not_get_it() -> None:
    reviews = ReviewOf(ThreadId("th"), TurnId("t1"))
    assert Registry(TOOL).offered(Traits(), ThreadState(reviews=reviews)) == ()
