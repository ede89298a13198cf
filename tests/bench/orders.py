"""What the measurements append and fold: events of some 600 bytes, as an order book would have them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from codexd_eventstore.store import NewEvent

AT_US = 1_795_230_000_000_000
# Program text, as most of what agents write and read is: its newlines and quotes cost an encoder time.
TEXT = '''def place(order: Order, stock: Stock) -> Receipt:
    """The receipt for an order that the stock can serve. Raises: Empty."""
    lines = []
    for line in order.lines:
        if stock.count(line.article) < line.count:
            raise Empty(f"{line.article}: {line.count} asked, fewer there")
        lines.append(Taken(line.article, line.count, shelf="A7"))
    for taken in lines:
        stock.take(taken)
    return Receipt(order.number, lines=tuple(lines), note="thank you")
'''


class Placed(msgspec.Struct, frozen=True, tag="order.placed"):
    """The event's data."""

    number: int
    text: str


class Paid(msgspec.Struct, frozen=True, tag="order.paid"):
    """Another kind, so that decoding has to choose."""

    number: int
    cents: int


class Line(msgspec.Struct, frozen=True, gc=False):
    """A record as a consumer of the store decodes it."""

    seq: int
    data: Placed | Paid


class Whole(msgspec.Struct, frozen=True, gc=False):
    """A record as msgspec alone would write it: all but its checksum."""

    seq: int
    at: datetime
    type: str
    by: str
    data: Placed


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Line).decode


def placed(number: int) -> NewEvent:
    """One event: its line is about 650 bytes long."""
    return NewEvent("order.placed", encode(Placed(number, TEXT)), members=b'"by":"ann"')


EVENT = placed(1)


class Fold:
    """A state that every event changes a little."""

    def __init__(self) -> None:
        self.count = self.characters = 0

    def apply(self, line: Line) -> None:
        """Take the next event in."""
        self.count += 1
        match line.data:
            case Placed():
                self.characters += len(line.data.text)
            case Paid():
                self.characters -= 1
