"""Images in a conversation with the real daemon: what is sent, what the model gets, and what screens show."""

from __future__ import annotations

import base64
import hashlib
import json

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import ScriptedModel
from daemon_client import Client, Json, typed
from daemon_house import Daemon
from daemon_screen import items_of

PNG = b"\x89PNG\r\n\x1a\n" + b"some pixels"
GIF = b"GIF89a" + b"others"
OK = Say(("ok",))


def url_of(content: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def name_of(content: bytes, mime: str = "image/png") -> str:
    return f"codexd-blob:{hashlib.sha256(content).hexdigest()};{mime}"


def picture(content: bytes = PNG, mime: str = "image/png") -> Json:
    return {"type": "image", "url": url_of(content, mime)}


async def run(client: Client, thread: str, *parts: Json, prompt: str = "what is it?") -> Json:
    answer = await client.call("turn/start", threadId=thread, input=[*parts, *typed(prompt)])
    return await client.turn_ended(answer["turn"]["id"])


def told(model: ScriptedModel, request: int) -> list[Json]:
    """The items of a request, but for those that the daemon adds by itself."""
    items: list[Json] = json.loads(model.requests[request].body)["input"]
    return [item for item in items if "<environment_context>" not in json.dumps(item)]


def shown(thread: Json) -> list[Json]:
    """What a screen shows of what a person put in: all but the texts."""
    said = [item for item in items_of(thread) if item["type"] == "userMessage"]
    return [part for item in said for part in item["content"] if part["type"] != "text"]


async def read(client: Client, thread: str) -> Json:
    answer = await client.call("thread/read", threadId=thread, includeTurns=True)
    read: Json = answer["thread"]
    return read


def log_of(daemon: Daemon, thread: str) -> str:
    (log,) = [path for path in daemon.home.logs() if path.stem == thread]
    return log.read_text()
