"""What a terminal ends with: the texts that it was streamed, item by item, and the items when they were whole."""

from __future__ import annotations

from daemon_client import Client, Json


def streamed(client: Client, item: str) -> str:
    """The deltas of an item, joined."""
    return "".join(
        str(message.params["delta"])
        for message in client.notified
        if message.params.get("itemId") == item and "delta" in message.params
    )


def completed(client: Client) -> dict[str, Json]:
    """Every item that was completed, by id; each once."""
    items: dict[str, Json] = {}
    for message in client.of("item/completed"):
        item = message.params["item"]
        assert item["id"] not in items, f"item {item['id']} was completed twice"
        items[item["id"]] = item
    return items


def answers(client: Client) -> list[str]:
    """The texts of the model's messages; each is what was streamed of it, exactly."""
    texts = []
    for item_id, item in completed(client).items():
        if item["type"] != "agentMessage":
            continue
        assert streamed(client, item_id) == item["text"], f"the deltas of {item_id} do not add up"
        begun = [
            n
            for n, note in enumerate(client.notified)
            if note.method == "item/started" and note.params["item"]["id"] == item_id
        ]
        deltas = [
            n for n, note in enumerate(client.notified) if note.params.get("itemId") == item_id
        ]
        assert len(begun) == 1, f"{item_id} began {len(begun)} times"
        assert all(begun[0] < n for n in deltas), f"{item_id} streamed before it began"
        texts.append(str(item["text"]))
    return texts


def begun(client: Client) -> list[str]:
    """The ids of all items that began, in order."""
    return [note.params["item"]["id"] for note in client.of("item/started")]


def commands(client: Client) -> list[Json]:
    """Every command that was completed."""
    return [item for item in completed(client).values() if item["type"] == "commandExecution"]


async def items_listed(client: Client, thread: str, **params: object) -> list[Json]:
    """The items of a thread as a page of `thread/items/list` gives them."""
    page = await client.call("thread/items/list", threadId=thread, **params)
    return [entry["item"] for entry in page["data"]]


def said_so_far(client: Client) -> str:
    """All text of the model's that was streamed, whole or not."""
    return "".join(str(message.params["delta"]) for message in client.of("item/agentMessage/delta"))


def items_of(thread: Json) -> list[Json]:
    """All items of a thread as `thread/read` gives it."""
    return [item for turn in thread["turns"] for item in turn["items"]]


def texts_of(thread: Json) -> list[str]:
    """What was said in it, by persons and the model, in order."""
    said = []
    for item in items_of(thread):
        if item["type"] == "userMessage":
            said.append("> " + "".join(part.get("text", "") for part in item["content"]))
        elif item["type"] == "agentMessage":
            said.append(item["text"])
    return said
