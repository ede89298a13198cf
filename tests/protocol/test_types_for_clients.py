"""`codexd schema` writes the types of the protocol: the same each time, and as a compiler reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import jsonschema  # type: ignore[import-untyped]  # it has no types, and its stubs are a package more
import msgspec
import pytest

from codexd.__main__ import main
from codexd.protocol.methods import METHODS
from codexd.protocol.not_offered import EMPTY_ANSWERS
from codexd.protocol.notifications import NOTIFICATIONS
from codexd.protocol.requests import SERVER_REQUESTS
from codexd.protocol.schema.catalogue import Exchange, Messages, protocol_messages
from codexd.protocol.schema.json_schema import encoded, json_schema
from codexd.protocol.schema.typescript import typescript
from installed_codex import TSC, needs_typescript

GOLDEN = Path(__file__).parent / "golden"


class Circle(msgspec.Struct, frozen=True, tag="circle"):
    """A circle."""

    radius: float  # in millimetres


class Square(msgspec.Struct, frozen=True, tag="square"):
    """A square."""

    side: int


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A text; it ends no comment: */."""

    text: str = ""


Shape = Circle | Square | Text


class DrawParams(msgspec.Struct, frozen=True, rename="camel"):
    """Draw shapes on a page that has a title, or None, in a colour; this docstring is longer than a line is wide."""

    page_id: str
    shapes: tuple[Shape, ...]
    colour: Literal["red", "green"] | None = None  # None: black
    with_dashes: dict[str, Circle | None] | msgspec.UnsetType = msgspec.UNSET


class DrawResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was drawn."""

    drawn: tuple[Shape | msgspec.Raw, ...]
    next_cursor: str | None = None
    image: bytes | msgspec.UnsetType = msgspec.UNSET
    meta: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="_x-meta")


class Nothing(msgspec.Struct, frozen=True):
    """No members."""


class DrawnNotification(msgspec.Struct, frozen=True, omit_defaults=True):
    """A shape was drawn."""

    shape: Shape
    note: str = ""


class Choice(msgspec.Struct, frozen=True):
    """A person's choice."""

    colour: Literal["red", "green"] = "red"


class Problem(msgspec.Struct, frozen=True):
    """An error for programs."""

    code: str


PICTURES = Messages(
    requests={
        "page/draw": Exchange(DrawParams, DrawResponse),
        "page/list": Exchange(Nothing, None),
    },
    notifications={"page/drawn": DrawnNotification},
    server_requests={"colour/choose": Exchange(Nothing, Choice)},
    error=Problem,
)


def written(folder: Path, *words: str) -> dict[str, bytes]:
    """What another process writes."""
    arguments = [part for word in words for part in (word, str(folder))]
    subprocess.run([sys.executable, "-m", "codexd", "schema", *arguments], check=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_types_of_every_kind_are_written_as_they_always_were() -> None:
    assert (
        typescript(PICTURES, "1.0").encode() == GOLDEN.joinpath("pictures.ts.golden").read_bytes()
    )
    assert encoded(json_schema(PICTURES)) == GOLDEN.joinpath("pictures.schema.json").read_bytes()


def test_the_schema_takes_what_is_sent_and_refuses_something_else() -> None:
    schema = json_schema(PICTURES)

    def valid(name: str, value: object) -> bool:
        of = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
        return bool(jsonschema.Draft202012Validator(of).is_valid(value))

    sent = DrawResponse((Circle(1.5), msgspec.Raw(b'{"type":"square","side":2}')), image=b"\0")
    assert valid("DrawResponse", json.loads(msgspec.json.encode(sent)))
    assert not valid("DrawResponse", {"drawn": []}), "the daemon leaves out no default"
    assert valid("DrawParams", {"pageId": "p", "shapes": []}), "a client may"
    assert not valid("DrawParams", {"pageId": "p", "shapes": [{"type": "line"}]})
    told = {"method": "page/drawn", "params": {"shape": {"type": "text"}}, "emittedAtMs": 1}
    assert valid("ServerMessage", told), "a default is left out where the struct says so"
    assert not valid("ServerMessage", told | {"method": "page/erased"})
    assert valid("ClientRequest", {"id": "a", "method": "page/list"})
    assert not valid("ClientRequest", {"id": 1, "method": "page/draw"})


def test_every_method_stands_in_its_union() -> None:
    schema = json_schema(protocol_messages())["$defs"]

    def methods(name: str) -> set[str]:
        return {message["properties"]["method"]["const"] for message in schema[name]["anyOf"]}

    assert methods("ClientRequest") == methods("ClientResponse") == {*METHODS, *EMPTY_ANSWERS}
    assert methods("ServerNotification") == {*NOTIFICATIONS}
    assert methods("ServerRequest") == methods("ServerResponse") == {*SERVER_REQUESTS}
    named = {ref["$ref"] for ref in schema["ServerMessage"]["anyOf"]}
    assert named == {"#/$defs/ServerNotification", "#/$defs/ServerRequest"}


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["schema"])
    assert "expected --json DIR or --ts DIR, found neither" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["schema", "\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err
    tmp_path.joinpath("file").touch()
    assert main(["schema", "--ts", str(tmp_path / "file")]) == 71
    assert "expected a folder to write to" in capsys.readouterr().err


@needs_typescript
@pytest.mark.slow
def test_the_types_compile_and_tell_messages_apart(tmp_path: Path) -> None:
    files = written(tmp_path, "--ts", "--json")
    again = tmp_path / "again"
    assert main(["schema", "--json", str(again), "--ts", str(again)]) == 0
    assert files == {path.name: path.read_bytes() for path in again.iterdir()}
    tmp_path.joinpath("frontend.ts").write_text(FRONTEND)
    done = subprocess.run(
        ["node", TSC, "--noEmit", "--strict", "--lib", "es2015", "frontend.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


FRONTEND = """\
import type { ParamsOf, ResultOf, ServerMessage, ThreadItem } from "./codexd";

export function shown(message: ServerMessage): string {
  switch (message.method) {
    case "item/agentMessage/delta":
      return message.params.delta;
    case "item/completed":
      return text(message.params.item);
    case "item/commandExecution/requestApproval":
      return `${message.id}: ${message.params.command ?? ""}`;
    // @ts-expect-error there is no such method
    case "item/agentMessage/deltas":
      return "";
    default:
      return message.method;
  }
}

function text(item: ThreadItem): string {
  // @ts-expect-error only some items have a text
  void item.text;
  return item.type === "agentMessage" ? item.text : item.type;
}

export const begin: ParamsOf<"turn/start"> = {
  threadId: "t",
  input: [{ type: "text", text: "hi" }],
};
// @ts-expect-error the thread is missing
export const without: ParamsOf<"turn/start"> = { input: [] };
export const first = (answer: ResultOf<"thread/start">): string => answer.thread.id;
"""
