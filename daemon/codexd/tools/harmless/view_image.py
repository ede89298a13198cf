"""The tool `view_image`: the model looks at an image file.

    ViewImageTool.read_call(arguments)  ->  ViewImage   (pure)
    ViewImageTool.perform(ViewImage)  ->  ToolResult, with the image as a part of what the model is given

It is offered only to models that read images. The result names the image; a request has the image in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.values.images import BadImage
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, ToolResult, ViewImage
from codexd.tools.registry import ENVIRONMENT, CallContext, OutputSink, read_arguments

TOOL_NAME = "view_image"
SHOWN = "The image is attached."

# Stores the image that a file has, and returns its name. Raises: BadImage.
LoadImage = Callable[[str], Awaitable[str]]


class _Arguments(msgspec.Struct, frozen=True):
    """The model's arguments; unknown members are ignored."""

    path: str
    detail: Literal["high", "original"] | None = None


DECLARATION = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Shows you an image file of this machine: PNG, JPEG, GIF or WebP. Use it to look at "
        "screenshots, diagrams and pictures that the work has to do with.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": "The file; a relative path starts at the working directory of the "
                    "conversation.",
                },
                "detail": {
                    "type": "string",
                    "enum": ["high", "original"],
                    "description": "`original` where small things count, such as fine print; `high` if left out.",
                },
            },
            "required": ["path"],
            "additionalProperties": False,
        },
    }
)


class ViewImageTool:
    """The tool."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT, "view_image"})

    def __init__(self, load: LoadImage) -> None:
        self._load = load

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered to models that read images, and never to a reviewer."""
        return DECLARATION if traits.images and thread.reviews is None else None

    def read_call(self, arguments: str, context: CallContext) -> ViewImage | BadCall:
        asked = read_arguments(arguments, _Arguments, _bad)
        if isinstance(asked, BadCall):
            return asked
        if not asked.path.strip():
            return _bad("`path` is empty")
        if "\0" in asked.path:
            return _bad("a path can't hold a NUL character")
        return ViewImage(str(PurePosixPath(context.cwd, asked.path)), asked.detail or "high")

    async def perform(
        self, action: ViewImage, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        try:
            name = await self._load(action.path)
        except BadImage as bad:
            text = f"{action.path} was not shown: {bad}."
            return ToolResult("failed", text, text)
        parts = [{"type": "input_image", "image_url": name, "detail": action.detail}]
        return ToolResult("completed", SHOWN, model_parts=msgspec.Raw(msgspec.json.encode(parts)))


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"The arguments of {TOOL_NAME} could not be used: {reason}. Nothing was looked at. "
        'Expected a JSON object such as {"path": "shot.png"}.'
    )
