"""The tool view_image: from a call's arguments to what the model is given."""

from __future__ import annotations

import json

import msgspec
import pytest

from codexd.core.values.images import BadImage
from codexd.core.values.tool_actions import BadCall, RunCommand, ToolAction, ToolResult, ViewImage
from codexd.tools.registry import CallContext, OutputSink, Registry
from codexd.tools.view_image import DECLARATION, ImageViewer, ViewImageTool
from trio_test import trio_test

CONTEXT = CallContext("/work", "th", "c1")
NAME = f"codexd-blob:{'0' * 64};image/png"
TOOL = ViewImageTool()


class Silent:
    def started(self, pid: int, start_time: str) -> None:
        raise AssertionError("an image has no process")

    def output(self, chunk: bytes) -> None:
        raise AssertionError("an image prints nothing")


class Others:
    async def perform(
        self, action: ToolAction, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        return ToolResult("completed", f"others: {type(action).__name__}")


async def load(path: str) -> str:
    if path.endswith(".txt"):
        raise BadImage("expected an image file, found a text")
    return NAME


VIEWER = ImageViewer(load, Others())


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
    ],
)
def test_arguments_that_cannot_be_used_are_a_bad_call(arguments: str, reason: str) -> None:
    action = TOOL.read_call(arguments, CONTEXT)
    assert isinstance(action, BadCall)
    assert reason in action.reason
    assert "Nothing was looked at" in action.reason


@trio_test
async def test_the_model_is_given_the_image_by_its_name() -> None:
    result = await VIEWER.perform(ViewImage("/work/a.png"), CONTEXT, Silent())
    assert (result.status, result.model_text) == ("completed", "The image is attached.")
    assert msgspec.json.decode(result.model_parts) == [
        {"type": "input_image", "image_url": NAME, "detail": "high"}
    ]


@trio_test
async def test_what_cannot_be_shown_is_said_in_words() -> None:
    result = await VIEWER.perform(ViewImage("/work/a.txt"), CONTEXT, Silent())
    text = "/work/a.txt was not shown: expected an image file, found a text."
    assert result == ToolResult("failed", text, text)


@trio_test
async def test_everything_else_is_done_by_others() -> None:
    action = RunCommand("ls", ("sh", "-c", "ls"), "/work", 1000)
    result = await VIEWER.perform(action, CONTEXT, Silent())
    assert result.model_text == "others: RunCommand"


def test_only_models_that_read_images_are_told_of_it() -> None:
    registry = Registry((), VIEWER, (TOOL,))
    assert registry.declared_to(reads_images=True) == (DECLARATION,)
    assert registry.declared_to(reads_images=False) == ()
    assert registry.read_call("view_image", '{"path":"a"}', CONTEXT) == ViewImage("/work/a")
