"""Notifies a person of an event: on the desktop, by ntfy, or by a webhook. A program of its own: the event comes on stdin.

A key for ntfy or for a webhook comes from the variable `CODEXD_NOTIFY_TOKEN`, and is sent as a bearer token. The exit
code says whether the notification was taken; the reason is on stderr, without the address.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import PurePath
from typing import Final

import msgspec

from codexd.core.events.events import InvalidEvent, TurnFailed
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ApprovalRequested
from codexd.core.values.tool_actions import RunCommand
from codexd.hooks.payload import Payload
from codexd.protocol.display.visible import visible_line

BEARER_VARIABLE: Final = "CODEXD_NOTIFY_TOKEN"
TEXT_CHARACTERS_MAX: Final = 300  # a lock screen shows less
SEND_SECONDS_MAX: Final = 10.0
TAKEN: Final = range(200, 300)


class Message(msgspec.Struct, frozen=True):
    """What a person reads."""

    title: str
    text: str
    is_urgent: bool  # somebody waits for the person


class NotSent(Exception):
    """The notification was not taken; the message says why."""


def message_of(payload: Payload) -> Message:
    """The words for an event; text of models and commands is made visible and cut."""
    folder = PurePath(payload.thread.cwd).name or payload.thread.cwd
    try:
        event = decode_record(bytes(payload.event)).event
    except InvalidEvent:
        event = None
    match event:
        case ApprovalRequested(action=RunCommand(command=command)):
            return _message(f"{folder}: may this run?", command, is_urgent=True)
        case ApprovalRequested(reason=reason):
            return _message(f"{folder} waits for an approval", reason, is_urgent=True)
        case TurnFailed(error=error):
            return _message(f"{folder}: the turn failed", error.message)
    said = payload.turn.last_assistant_message if payload.turn is not None else None
    return _message(f"{folder}: done" if payload.turn is not None else folder, said or "")


def _message(title: str, text: str, *, is_urgent: bool = False) -> Message:
    return Message(
        visible_line(title, TEXT_CHARACTERS_MAX), visible_line(text, TEXT_CHARACTERS_MAX), is_urgent
    )


def desktop_command(message: Message, platform: str) -> tuple[str, ...]:
    """The program that shows it; no part of it is read as an option or as a script."""
    if platform == "darwin":
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        return ("osascript", "-e", script, message.title, message.text)
    urgency = "critical" if message.is_urgent else "normal"
    return (
        "notify-send",
        "--app-name=codexd",
        f"--urgency={urgency}",
        "--",
        message.title,
        message.text,
    )


def _show(message: Message) -> None:
    argv = desktop_command(message, sys.platform)
    try:
        ended = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, timeout=SEND_SECONDS_MAX
        )
    except FileNotFoundError as error:
        raise NotSent(
            f"expected the program {argv[0]}, found none (Debian has it in libnotify-bin)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NotSent(f"{argv[0]} did not end within {SEND_SECONDS_MAX:g} s") from error
    if ended.returncode != 0:
        raise NotSent(f"{argv[0]} ended with {ended.returncode}")


def _post(url: str, content: bytes, params: dict[str, str], kind: str) -> None:
    import httpx

    headers = {"Content-Type": kind, "User-Agent": "codexd"}
    if token := os.environ.get(BEARER_VARIABLE):
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = httpx.post(
            url,
            content=content,
            params=params or None,
            headers=headers,
            timeout=SEND_SECONDS_MAX,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"nothing was sent: {type(error).__name__}") from error
    if answer.status_code not in TAKEN:
        raise NotSent(f"the server answered with status {answer.status_code}")


def send(payload: Payload) -> None:
    """Send one notification. Raises: NotSent."""
    message = message_of(payload)
    if payload.to is None or payload.to.receiver == "desktop":
        _show(message)
    elif payload.to.receiver == "ntfy":
        params = {
            "title": message.title,
            "priority": "high" if message.is_urgent else "default",
            "tags": "raised_hand" if message.is_urgent else "white_check_mark",
        }
        _post(payload.to.url or "", (message.text or message.title).encode(), params, "text/plain")
    else:
        body = {
            "title": message.title,
            "text": message.text,
            "thread": msgspec.to_builtins(payload.thread),
            "turn": msgspec.to_builtins(payload.turn),
            "event": payload.event,
        }
        _post(payload.to.url or "", msgspec.json.encode(body), {}, "application/json")


def main() -> int:
    """Send the notification of the event on stdin; returns the exit code."""
    try:
        send(msgspec.json.decode(sys.stdin.buffer.read(), type=Payload))
    except (NotSent, msgspec.DecodeError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
