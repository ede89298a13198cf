"""Tool calls that stream in fragments, put together again; sans-IO.

By the API each fragment has an `index`, the first one of a call its id and name, and the rest its arguments.
In the wild, indexes are missing or all 0, ids are missing, repeated in every fragment or the same for two
calls, names come late, in pieces or again, and arguments whole, as an object, or twice. The law: two
fragments are of one call unless a sign of a new call comes, and no argument is lost.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.foreign_json import decode_foreign, whole_characters
from codexd.core.values.provider_items import call_name
from codexd.models.responses.verbatim import normalized_json

# No model calls more tools at once; a server that does is broken, and would fill the log.
CALLS_MAX: Final = 128
# Each fragment with a name may be the first of another call, and then all that came before is read. Together it
# is no more than this, or many fragments would take time with the square of their number.
LOOKED_THROUGH_MAX: Final = 64 * 1024 * 1024
# What a JSON value ends with.
_LASTS: Final = '}]"0123456789el'


class TooManyCallsError(Exception):
    """A response has more calls than any model makes."""


class FunctionDelta(msgspec.Struct, frozen=True, gc=False):
    """The part of a function call in a fragment."""

    name: str | None = None
    arguments: str | dict[str, object] | list[object] | None = None


class CallDelta(msgspec.Struct, frozen=True, gc=False):
    """A member of `tool_calls`."""

    index: int | None = None
    id: str | int | None = None
    function: FunctionDelta | None = None
    name: str | None = None  # beside `function`, where some servers have them
    arguments: str | dict[str, object] | list[object] | None = None
    extra_content: msgspec.Raw = msgspec.Raw()


class StreamedCall:
    """One call, as far as it has come."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.extra: msgspec.Raw | None = None
        self._arguments: list[str] = []
        self._length = 0
        self._last = ""  # character, white space apart
        self._looked_through = 0  # bytes, to find out whether it is whole

    @property
    def arguments(self) -> str:
        """The arguments up to now."""
        return "".join(self._arguments)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are a JSON value: nothing could follow them.

        After `LOOKED_THROUGH_MAX` this is not known, and all that follows is of the same call.
        """
        if not self._last or self._last not in _LASTS or self._looked_through > LOOKED_THROUGH_MAX:
            return False
        self._looked_through += self._length
        return is_json(self.arguments)

    @property
    def safe_name(self) -> str:
        """The name, as any API takes it back."""
        return call_name(self.name)

    def take(self, delta: CallDelta) -> None:
        """Go on with a fragment."""
        self.id = self.id or _word(delta.id)
        if delta.extra_content and bytes(delta.extra_content) != b"null":
            self.extra = normalized_json(delta.extra_content)
        self._take_name(_name(delta))
        # Some servers repeat all of it at the end: after a whole value, more text can only be that.
        given = _arguments(delta)
        repeats = len(given) == self._length and given == self.arguments and self.is_whole
        if given.strip() and self.arguments.strip() == "{}" and not repeats:
            # An empty object means "nothing yet" where more follows.
            self._arguments, self._length = [], 0
        if len(given) > self._length > 1 and given.startswith(self.arguments):
            # Some servers send all that they have with each fragment.
            self._arguments, self._length = [], 0
        if given and not repeats:
            self._arguments.append(given)
            self._length += len(given)
            self._last = given.rstrip()[-1:] or self._last

    def _take_name(self, name: str) -> None:
        if not self.name or name.startswith(self.name):
            self.name = name or self.name
        elif not self._arguments:
            self.name += name


class StreamedCalls:
    """The calls of one response, in the order of their starts."""

    def __init__(self) -> None:
        self.all: list[StreamedCall] = []

    def take(self, deltas: list[CallDelta]) -> list[StreamedCall]:
        """Take the fragments of one chunk in; those calls that begin with them.

        Raises:
            TooManyCallsError
            msgspec.DecodeError: what is to be kept as it came is no JSON.
        """
        begun: list[StreamedCall] = []
        for delta in deltas:
            call = self._call_of(delta)
            if call is None or (call in begun and delta.index is None and _name(delta)):
                if len(self.all) == CALLS_MAX:
                    raise TooManyCallsError
                call = StreamedCall(delta.index)
                self.all.append(call)
                begun.append(call)
            call.take(delta)
        return begun

    def _call_of(self, delta: CallDelta) -> StreamedCall | None:
        """The call that a fragment continues; None where it begins a call."""
        call_id = _word(delta.id)
        if delta.index is not None:
            same = [call for call in self.all if call.index == delta.index]
        elif call_id:
            same = [call for call in self.all if call.id == call_id]
        else:
            same = self.all
        call = same[-1] if same else None
        return None if call is not None and _is_another(call, delta) else call


def held_of(delta: CallDelta) -> tuple[str, str]:
    """The part of a fragment that is kept until its call is whole."""
    return _name(delta), _arguments(delta)


def _is_another(call: StreamedCall, delta: CallDelta) -> bool:
    """Whether a fragment in a call's place is of another call: its name came again, and is not a repetition."""
    name, call_id = _name(delta), _word(delta.id)
    if not name:
        return False
    if call_id and call.id and call_id != call.id:
        return True
    if not call.is_whole:
        return False
    if name != call.name:
        return True
    given = _arguments(delta)
    if not given.strip() or given == call.arguments:
        return False
    return not call_id or is_json(given)


def _name(delta: CallDelta) -> str:
    given = delta.function.name if delta.function is not None else None
    return (given or delta.name or "").strip()


def _arguments(delta: CallDelta) -> str:
    """The arguments in a fragment; an object as JSON."""
    given = delta.function.arguments if delta.function is not None else None
    given = given or delta.arguments
    if isinstance(given, dict | list):
        return msgspec.json.encode(given).decode()
    return given or ""


def _word(value: str | int | None) -> str:
    return "" if value is None else str(value)


def is_json(text: str) -> bool:
    """Whether a text is JSON, within the bounds of foreign JSON."""
    try:
        decode_foreign(whole_characters(text.encode(errors="replace")))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
