"""Parts of prompts: what an editor sends as the daemon's input, and the daemon's input as an editor shows it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from codexd.protocol.wire.rpc import INVALID_PARAMS
from codexd_frontends.acp.translation.wire import Block, Declined, Resource, Update
from codexd_frontends.client.messages import UserInput

Part = dict[str, object]

NAME_CHARACTERS_MAX: Final = 200


def read_prompt(blocks: Iterable[Block]) -> list[Part]:
    """The input of a turn. Raises: Declined."""
    parts = [_part(block) for block in blocks]
    if not parts:
        raise _not_sent("expected a prompt, found one without parts")
    return parts


def text_of(blocks: tuple[Block, ...]) -> str:
    """The text of a prompt's first part: where a command of a person's stands."""
    return blocks[0].text.strip() if blocks and blocks[0].type == "text" else ""


def _part(block: Block) -> Part:
    match block.type:
        case "text":
            return _text(block.text)
        case "image":
            return _image(block.data, block.mime_type)
        case "resource_link" if block.uri is not None:
            return _text(_link(block.name, block.uri))
        case "resource" if block.resource is not None:
            return _resource(block.resource)
        case "audio":
            raise _not_sent(
                "expected text, images and resources, found audio, which no model is sent"
            )
        case kind:
            raise _not_sent(f"expected a part of a prompt, found one of the type {kind[:40]!r}")


def _not_sent(problem: str) -> Declined:
    return Declined(INVALID_PARAMS, f"{problem}; nothing was sent", "invalid_prompt")


def _resource(resource: Resource) -> Part:
    """Text stands where it is, between marks that say whose it is, as Codex's own adapter has it."""
    kind = resource.mime_type or ""
    if resource.text is not None:
        said = f'<context ref="{_quoted(resource.uri)}">\n{resource.text}\n</context>'
        return _text(f"{_link('', resource.uri)}\n{said}")
    if resource.blob is None:
        raise _not_sent("expected a resource with its text or its bytes, found neither")
    if kind.startswith("image/"):
        return _image(resource.blob, kind)
    raise _not_sent(
        f"expected a resource of text or an image, found {kind[:80] or 'bytes of an unknown type'}"
    )


def _image(data: str, kind: str | None) -> Part:
    if not data or not (kind or "").startswith("image/"):
        raise _not_sent("expected an image with its data and its mimeType")
    return {"type": "image", "url": f"data:{kind};base64,{data}"}


def _text(text: str) -> Part:
    return {"type": "text", "text": text, "text_elements": []}


def _link(name: str, uri: str) -> str:
    """A link of Markdown, by the path where it leads to a file."""
    if not name and not uri.startswith("file:"):
        return uri
    named = name or posixpath.basename(unquote(urlsplit(uri).path)) or uri
    return f"[@{named[:NAME_CHARACTERS_MAX]}]({uri})"


def _quoted(uri: str) -> str:
    return uri.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def content_of(part: UserInput) -> Update | None:
    """A part of what somebody sent, as a block of the editor's; None: it cannot be shown."""
    match part.type:
        case "text":
            return {"type": "text", "text": part.text} if part.text else None
        case "image" if part.url.startswith("data:") and "," in part.url:
            head, _, data = part.url.partition(",")
            kind = head.removeprefix("data:").split(";")[0]
            return {"type": "image", "data": data, "mimeType": kind or "image/png"}
        case "localImage" | "mention" | "skill" if part.path:
            name = part.name or posixpath.basename(part.path)
            uri = f"file://{quote(part.path)}" if part.path.startswith("/") else part.path
            return {"type": "resource_link", "name": name[:NAME_CHARACTERS_MAX], "uri": uri}
        case _:
            return {"type": "text", "text": f"[{part.type}]"}
