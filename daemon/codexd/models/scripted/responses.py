"""A scripted reply as the chunks of a Responses stream, each chunk one event; pure."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import msgspec

from codexd.models.scripted.scripts import Break, Call, Cut, Fail, Hang, Raw, Reply, Say, Think, Use

Item = dict[str, object]


def stream_of(reply: Reply, name: str) -> Iterator[bytes]:
    """The chunks of a response. `name` makes its ids unlike those of any other.

    After a `Raw`, nothing is added that would complete the response; nor after what breaks it.
    """
    response = {"id": f"resp_{name}", "object": "response", "status": "in_progress", "output": []}
    yield _event("response.created", response=response)
    output: list[Item] = []
    deltas = 0
    for part in reply:
        place = (f"{name}_{len(output)}", len(output))
        if isinstance(part, Raw):
            yield part.stream
        elif isinstance(part, Break):
            error = {"code": part.code, "message": part.message}
            failed = {**response, "status": "failed", "error": error}
            yield _event("response.failed", response=failed)
        elif isinstance(part, Cut | Hang):
            yield from _begin_message(part.deltas, *place)
        elif not isinstance(part, Fail | Use):
            deltas += len(part.deltas) if isinstance(part, Say | Think) else 1
            output.append((yield from _item(part, *place)))
    if not any(isinstance(part, Raw | Break | Cut | Hang) for part in reply):
        used = next((part for part in reply if isinstance(part, Use)), Use(100, 0, deltas))
        completed = {**response, "status": "completed", "output": output, "usage": _usage(used)}
        yield _event("response.completed", response=completed)


def _item(part: Say | Think | Call, name: str, index: int) -> Generator[bytes, None, Item]:
    """The events of an item, which is returned."""
    if isinstance(part, Say):
        item = yield from _message(part, name, index)
    elif isinstance(part, Think):
        item = yield from _reasoning(part, name, index)
    else:
        item = yield from _call(part, name, index)
    yield _event("response.output_item.done", output_index=index, item=item)
    return item


def _message(part: Say, name: str, index: int) -> Generator[bytes, None, Item]:
    yield from _begin_message(part.deltas, name, index)
    place = {"item_id": f"msg_{name}", "output_index": index, "content_index": 0}
    text = "".join(part.deltas)
    content = {"type": "output_text", "text": text, "annotations": []}
    yield _event("response.output_text.done", **place, text=text)
    yield _event("response.content_part.done", **place, part=content)
    return _message_item(f"msg_{name}", "completed", [content])


def _begin_message(deltas: tuple[str, ...], name: str, index: int) -> Iterator[bytes]:
    item = _message_item(f"msg_{name}", "in_progress", [])
    place = {"item_id": f"msg_{name}", "output_index": index, "content_index": 0}
    content = {"type": "output_text", "text": "", "annotations": []}
    yield _event("response.output_item.added", output_index=index, item=item)
    yield _event("response.content_part.added", **place, part=content)
    for delta in deltas:
        yield _event("response.output_text.delta", **place, delta=delta)


def _message_item(item_id: str, status: str, content: list[object]) -> Item:
    return {
        "type": "message",
        "id": item_id,
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _reasoning(part: Think, name: str, index: int) -> Generator[bytes, None, Item]:
    item: Item = {"type": "reasoning", "id": f"rs_{name}", "summary": []}
    place = {"item_id": f"rs_{name}", "output_index": index, "summary_index": 0}
    text = "".join(part.deltas)
    yield _event("response.output_item.added", output_index=index, item=item)
    begun = {"type": "summary_text", "text": ""}
    yield _event("response.reasoning_summary_part.added", **place, part=begun)
    for delta in part.deltas:
        yield _event("response.reasoning_summary_text.delta", **place, delta=delta)
    yield _event("response.reasoning_summary_text.done", **place, text=text)
    summary = {"type": "summary_text", "text": text}
    yield _event("response.reasoning_summary_part.done", **place, part=summary)
    return {**item, "summary": [summary], "encrypted_content": f"scripted-{name}"}


def _call(part: Call, name: str, index: int) -> Generator[bytes, None, Item]:
    kind, prefix, member, event = (
        ("custom_tool_call", "ctc", "input", "custom_tool_call_input")
        if part.custom
        else ("function_call", "fc", "arguments", "function_call_arguments")
    )
    item: Item = {
        "type": kind,
        "id": f"{prefix}_{name}",
        "call_id": f"call_{name}",
        "name": part.name,
        member: "",
        "status": "in_progress",
        **({} if part.namespace is None else {"namespace": part.namespace}),
    }
    place = {"item_id": f"{prefix}_{name}", "output_index": index}
    yield _event("response.output_item.added", output_index=index, item=item)
    yield _event(f"response.{event}.delta", **place, delta=part.arguments)
    yield _event(f"response.{event}.done", **place, **{member: part.arguments})
    return {**item, member: part.arguments, "status": "completed"}


def _usage(used: Use) -> dict[str, object]:
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens},
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.input_tokens + used.output_tokens,
    }


def _event(kind: str, **members: object) -> bytes:
    data = msgspec.json.encode({"type": kind, **members})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
