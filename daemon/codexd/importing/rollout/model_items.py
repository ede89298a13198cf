"""Items as another model may be given them: without those that only Codex's own server knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from codexd.importing.rollout.kinds import CARRIES_NOTHING
from codexd.importing.rollout.lines import Members, list_of, members_of, text_of
from codexd.importing.rollout.timeline import UNANSWERED

CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
ANSWERS = {"function_call_output", "custom_tool_call_output"}
SEARCH, SEARCH_ANSWER = "tool_search_call", "tool_search_output"


def user_item(text: str) -> Members:
    """A message in the user's role."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def agent_item(text: str) -> Members:
    """A message of the model."""
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content}


def is_encrypted(payload: Members) -> bool:
    """Whether a part of an agent's message can be read by Codex's own server alone."""
    parts = list_of(payload.get("content"))
    return "encrypted_content" in payload or any(
        "encrypted_content" in members_of(p) for p in parts
    )


def from_agent(payload: Members) -> Members | None:
    """What one agent wrote to another, as a message that any model can read; None if nothing of it can be."""
    content = payload.get("content")
    parts = [text_of(members_of(part).get("text")) for part in list_of(content)]
    text = text_of(content) or "\n".join(part for part in parts if part)
    if not text:
        return None
    rest = "\n[The rest is encrypted.]" if is_encrypted(payload) else ""
    names = [
        f' {word}="{name}"'
        for word, name in (("from", payload.get("author")), ("to", payload.get("recipient")))
        if isinstance(name, str) and '"' not in name
    ]
    return user_item(f"<agent_message{''.join(names)}>\n{text}{rest}\n</agent_message>")


def with_call_id(call: Members) -> Members | None:
    """A call with the id by which it is answered; None without any."""
    call_id = text_of(call.get("call_id")) or text_of(call.get("id"))
    return {**call, "call_id": call_id} if call_id else None


def paired(items: Iterable[Members]) -> list[Members]:
    """Items that any model can be given, in which each call has one answer."""
    kept: list[Members] = []
    calls = dict[str, Members]()
    for item in items:
        readable = _readable(item)
        if readable is None:
            continue
        kind, call_id = text_of(readable.get("type")), text_of(readable.get("call_id"))
        if kind in CALLS or (kind == SEARCH and call_id):
            if call_id in calls:
                continue
            calls[call_id] = readable
        elif kind in ANSWERS or (kind == SEARCH_ANSWER and call_id):
            answered = calls.pop(call_id, None)
            if answered is None:
                continue
        kept.append(readable)
    for call_id, call in calls.items():
        kind = "custom_tool_call" if call.get("type") == "custom_tool_call" else "function_call"
        if call.get("type") == SEARCH:
            kept.remove(call)
        else:
            kept.append({"type": f"{kind}_output", "call_id": call_id, "output": UNANSWERED})
    return kept


def _readable(item: Members) -> Members | None:
    kind = text_of(item.get("type"))
    if kind in CALLS:
        return with_call_id(item)
    if kind == "agent_message":
        return from_agent(item)
    return None if kind in CARRIES_NOTHING else item
