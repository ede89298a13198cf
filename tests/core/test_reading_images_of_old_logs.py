"""Reading images in old logs: version 1 is read forever, and inline images from before it too.

The file under `golden/` is never changed.
"""

from __future__ import annotations

import msgspec
import pytest

from codexd.core.events.events import (
    Event,
    InputQueued,
    ModelCallFailed,
    TurnSteered,
    Unknown,
    encode_event,
)
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ToolEnded, ToolStarted
from codexd.core.values.ids import CallId, ItemId, TurnId
from codexd.core.values.items import ImageInput, LocalImageInput, TextInput, TurnError
from codexd.core.values.tool_actions import ToolResult, ViewImage
from codexd.projections.model.items import user_message
from golden_logs import check_whole, golden

IMAGES = golden("images-v1")

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PNG, GIF = f"codexd-blob:{SHA};image/png", f"codexd-blob:{SHA};image/gif"

SHOWN: list[Event] = [
    InputQueued(
        ItemId("u1"),
        TurnId("t1"),
        (
            ImageInput(PNG, "low"),
            LocalImageInput("shots/a.gif", image=GIF),
            LocalImageInput("/work/b.png", "original", problem="no such file or directory"),
            TextInput("Compare them."),
        ),
    ),
    TurnSteered(ItemId("s1"), (ImageInput("data:image/png;base64,iVBORw0KGgo="),)),
    ToolStarted(CallId("c1"), ViewImage("/work/shots/a.gif")),
    ToolEnded(
        CallId("c1"),
        ToolResult(
            "completed",
            "The image is attached.",
            model_parts=msgspec.Raw(
                b'[{"type":"input_image","image_url":"%b","detail":"high"}]' % GIF.encode()
            ),
        ),
    ),
    ModelCallFailed(
        TurnError("Invalid image.", "badRequest", "HTTP 400"),
        "request",
        True,
        images=(SHA,),
        asked=("m-1", "p"),
    ),
]


def test_images_of_version_1_read_as_they_were_meant() -> None:
    assert [decode_record(line).event for line in IMAGES] == SHOWN


def test_the_golden_log_is_whole() -> None:
    check_whole(IMAGES)


@pytest.mark.parametrize("line", IMAGES, ids=range(1, len(IMAGES) + 1))
def test_version_1_would_be_written_the_same_today(line: bytes) -> None:
    event = decode_record(line).event
    assert not isinstance(event, Unknown)
    assert b'"data":%b,"crc"' % encode_event(event) in line


def test_the_model_gets_the_same_of_an_old_log_as_then() -> None:
    queued, steered = SHOWN[0], SHOWN[1]
    assert isinstance(queued, InputQueued)
    assert isinstance(steered, TurnSteered)
    assert msgspec.json.decode(user_message(queued.content))["content"] == [
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        {"type": "input_text", "text": '<image name=[Image #1] path="shots/a.gif">'},
        {"type": "input_image", "image_url": GIF, "detail": "high"},
        {"type": "input_text", "text": "</image>"},
        {
            "type": "input_text",
            "text": "[Image #2: /work/b.png could not be shown: no such file or directory]",
        },
        {"type": "input_text", "text": "Compare them."},
    ]
    inline = {"image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}
    assert msgspec.json.decode(user_message(steered.content))["content"] == [
        {"type": "input_image", **inline}
    ]
