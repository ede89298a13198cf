"""Each step of Codex's Python SDK, with codexctl in place of Codex: the name of each that has worked, on a line.

It runs in the Python that has the SDK, and imports nothing else. Usage: python sdk_steps.py CODEXCTL FOLDER
"""

from __future__ import annotations

import base64
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PATCH = "*** Begin Patch\\n*** Add File: sdk.txt\\n+hello\\n*** End Patch"
APPROVED = "approved.txt"

sdk: Any = importlib.import_module("openai_codex")
codexctl, folder = sys.argv[1:3]
image = os.path.join(folder, "i.png")
asked: list[str] = []


def accept(method: str, _params: object) -> dict[str, str]:
    """Answer an approval."""
    asked.append(method)
    return {"decision": "accept"}


def has(result: Any, kind: str, **members: object) -> bool:
    """Whether a turn has an item of this kind."""
    return any(
        item.root.type == kind and all(getattr(item.root, n) == v for n, v in members.items())
        for item in result.items
    )


def streamed(handle: Any, act: Callable[[], object]) -> str:
    """Follow a turn, act at its first words; how it ends."""
    acted = False
    for note in handle.stream():
        if note.method == "item/agentMessage/delta" and not acted:
            acted = True
            act()
        if note.method == "turn/completed":
            return str(note.payload.turn.status.value)
    raise AssertionError("the turn has no end")


def error_of(run: Callable[[], object]) -> str:
    """What a call fails with."""
    try:
        run()
    except sdk.CodexError as error:
        return str(error)
    except RuntimeError as error:
        return str(error)
    return ""


def steps(codex: Any) -> dict[str, Callable[[], bool]]:
    """The steps, in order: each returns whether it has worked."""
    thread = codex.thread_start(cwd=folder, sandbox=sdk.Sandbox.full_access)
    text_input, image_input = sdk.TextInput, sdk.ImageInput
    listed = codex.thread_list
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()

    def asking() -> Any:
        client = codex._client
        client._approval_handler = accept
        settings = {"approval_policy": "untrusted"}
        begun = client.thread_start({"cwd": folder, "config": settings, "sandbox": "read-only"})
        return sdk.Thread(client, begun.thread.id)

    def says() -> bool:
        notes = thread.turn("say 4 6").stream()
        deltas = [note.payload.delta for note in notes if note.method == "item/agentMessage/delta"]
        return len("".join(deltas)) == 24

    def steer() -> bool:
        handle = thread.turn("hang 600")
        return streamed(handle, lambda: handle.steer("say 1")) == "completed"

    def interrupt() -> bool:
        handle = thread.turn("hang 600")
        return streamed(handle, handle.interrupt) == "interrupted"

    def fork() -> bool:
        forked = codex.thread_fork(thread.id)
        return bool(forked.id != thread.id and forked.run("say 1").final_response)

    def ephemeral() -> bool:
        begun = codex.thread_start(cwd=folder, ephemeral=True)
        answered = begun.run("say 1").final_response
        return bool(answered) and all(known.id != begun.id for known in listed().data)

    def rename() -> bool:
        thread.set_name("mine")
        return bool(thread.read().thread.name == "mine")

    def archive() -> bool:
        codex.thread_archive(thread.id)
        return any(known.id == thread.id for known in listed(archived=True).data)

    def unarchive() -> bool:
        back = codex.thread_unarchive(thread.id)
        return bool(codex.thread_resume(back.id).run("say 1").final_response)

    def two_clients() -> bool:
        with sdk.Codex(config()) as other:
            return any(known.id == thread.id for known in other.thread_list().data)

    return {
        "metadata": lambda: "codexd" in codex.metadata.userAgent,
        "account": lambda: codex.account() is not None,
        "models": lambda: bool(codex.models().data),
        "start": lambda: bool(thread.id),
        "run": lambda: thread.run("say 2 6").final_response == "abcde abcde ",
        "usage": lambda: thread.run("say 1").usage is not None,
        "stream": says,
        "command": lambda: has(
            thread.run("run echo hi"), "commandExecution", exit_code=0, aggregated_output="hi\n"
        ),
        "failed command": lambda: has(thread.run("run false"), "commandExecution", exit_code=1),
        "reasoning": lambda: has(thread.run("think 2\nsay 1"), "reasoning"),
        "patch": lambda: has(thread.run(f'call apply_patch {{"input": "{PATCH}"}}'), "fileChange"),
        "approval": lambda: has(asking().run(f"run touch {APPROVED}"), "commandExecution"),
        "read": lambda: len(thread.read(include_turns=True).thread.turns) == 7,
        "rename": rename,
        "list": lambda: any(known.id == thread.id for known in listed().data),
        "resume": lambda: bool(codex.thread_resume(thread.id).run("say 1").final_response),
        "fork": fork,
        "interrupt": interrupt,
        "steer": steer,
        "image of a file": lambda: bool(
            thread.run([text_input("say 1"), sdk.LocalImageInput(image)]).final_response
        ),
        "image": lambda: bool(thread.run([text_input("say 1"), image_input(url)]).final_response),
        "output schema": lambda: bool(
            thread.run("say 1", output_schema={"type": "object"}).final_response
        ),
        "failed turn": lambda: (
            "as scripted" in error_of(lambda: thread.run("error invalid_prompt"))
        ),
        "compact": lambda: thread.compact() is not None,
        "after compacting": lambda: bool(thread.run("say 1").final_response),
        "ephemeral": ephemeral,
        "archive": archive,
        "unarchive": unarchive,
        "two clients": two_clients,
    }


def config() -> Any:
    """As a program says which Codex to start."""
    settings = ('model_reasoning_effort="low"',)
    return sdk.CodexConfig(codex_bin=codexctl, config_overrides=settings, cwd=folder)


def main() -> None:
    """Run all steps; one that fails ends it."""
    with open(image, "wb") as file:
        file.write(PNG)
    with sdk.Codex(config()) as codex:
        for name, step in steps(codex).items():
            if not step():
                raise AssertionError(name)
            print(name, flush=True)
    if set(asked) != {"item/commandExecution/requestApproval"}:
        raise AssertionError(asked)


if __name__ == "__main__":
    main()
