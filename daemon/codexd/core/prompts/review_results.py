"""The texts about the result of a review, for people and for the thread's model."""

from __future__ import annotations

from typing import Final

from codexd.core.values.ids import ItemId, TurnId

DONE: Final = """\
The user had the work looked at by a reviewer who knows nothing of this conversation. What it answered stands \
in the results. It is for you to know; act on it when the user asks you to."""
STOPPED: Final = """\
The user asked for a review of the work, and it was stopped before it had come to a result. Should the user \
want one, it has to be started anew, with /review; do not make up what it may have found."""
FAILED: Final = """\
The user asked for a review of the work, and it failed before it had come to a result. Should the user want \
one, it has to be started anew, with /review; do not make up what it may have found."""

NO_RESULTS: Final = "None."
STOPPED_FOR_PEOPLE: Final = (
    "The review was stopped before it had a result. To have one, start it again."
)
FAILED_FOR_PEOPLE: Final = "The review failed before it had a result. To have one, start it again."


def user_action(context: str, results: str) -> str:
    """The message to the model about a person's action outside of the conversation."""
    return (
        f"<user_action>\n<context>\n{context}\n</context>\n<action>review</action>\n"
        f"<results>\n{results}\n</results>\n</user_action>"
    )


def entered_item(turn_id: TurnId) -> ItemId:
    """The id of the item that shows a review's beginning; derived, since no command carries one."""
    return ItemId(f"{turn_id}/review")


def exited_item(turn_id: TurnId) -> ItemId:
    """The id of the item that shows a review's end."""
    return ItemId(f"{turn_id}/review/end")


def answer_item(exited: ItemId) -> ItemId:
    """The id of the message with the findings."""
    return ItemId(f"{exited}/answer")
