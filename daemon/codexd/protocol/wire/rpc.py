"""JSON-RPC envelopes as the Codex app-server speaks them: no `jsonrpc` member, `id` a number or a string.

Law: one cheap decode finds the kind of a message and leaves `params` and `result` encoded; they are decoded
once, where their type is known. Reading never raises: an unreadable message is a value, `Unreadable`, with
the error for its sender.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from codexd.protocol.wire.complaints import complaint
from codexd.protocol.wire.request_ids import BYTE_ORDER_MARK, RequestId, id_in

PARSE_ERROR = -32700  # the message is not JSON
INVALID_REQUEST = -32600  # the message is not a request, or the state does not allow it
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
OVERLOADED = -32001  # the only code that real clients check: try again later

# The problem of a text with "\ud83d" without its other half: such a text cannot be stored.
UNPAIRED = "expected text, found an escape that is half of a surrogate pair, without the other half"

METHOD_SHOWN_MAX = 80  # of a method's name in an error: enough for any real name

_NOTHING = msgspec.Raw(b"")


class ErrorData(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Members that identify an error for programs."""

    code: str  # stable, snake_case
    codex_error_info: str | dict[str, dict[str, str]] | None = None  # the schema's CodexErrorInfo
    reason: str | None = None  # Codex's own name of the error, if it has one
    read_state: msgspec.Raw | None = (
        None  # of a conflict about it: the present one, as the wire has it
    )
    # The same of an error of `config/value/write` and the like, where Codex has it.
    config_write_error_code: str | None = msgspec.field(
        default=None, name="config_write_error_code"
    )


class RpcError(Exception):
    """A request is answered with an error; the message is for the person at the client."""

    def __init__(self, code: int, message: str, data: ErrorData) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def state_error(message: str, code: str) -> RpcError:
    """The request is well formed, but the present state does not allow it."""
    return RpcError(INVALID_REQUEST, message, ErrorData(code))


def not_initialized() -> RpcError:
    """A request came before `initialize`."""
    return state_error("Not initialized", "not_initialized")


def already_initialized() -> RpcError:
    """A second `initialize` came."""
    return state_error("Already initialized", "already_initialized")


def unknown_method(method: str, known: Iterable[str]) -> RpcError:
    """The method does not exist; the message names methods with similar names."""
    import difflib  # 11 ms that only mistakes need

    near = difflib.get_close_matches(method[:METHOD_SHOWN_MAX], list(known), n=3, cutoff=0.7)
    hint = f"; near it: {', '.join(near)}" if near else ""
    message = f"unknown method {method[:METHOD_SHOWN_MAX]!r}{hint}"
    return RpcError(METHOD_NOT_FOUND, message, ErrorData("unknown_method"))


def invalid_params(message: str) -> RpcError:
    """The params do not fit the method."""
    return RpcError(INVALID_PARAMS, message, ErrorData("invalid_params"))


def internal_error(message: str) -> RpcError:
    """An error of the daemon."""
    return RpcError(INTERNAL_ERROR, message, ErrorData("internal_error"))


def overloaded() -> RpcError:
    """Too many requests are running; the SDK tries again only if the data has `server_overloaded`."""
    data = ErrorData("server_overloaded", codex_error_info="server_overloaded")
    return RpcError(OVERLOADED, "Server overloaded; retry later.", data)


def unreadable_json(reason: str) -> RpcError:
    """The message is not JSON. Codex does not answer here, and its client waits for ever."""
    return RpcError(PARSE_ERROR, f"unreadable JSON: {reason}", ErrorData("unreadable_json"))


def not_a_message(reason: str) -> RpcError:
    """The message is JSON, but neither a request, a notification nor an answer."""
    message = f"not a JSON-RPC message: {reason}"
    return RpcError(INVALID_REQUEST, message, ErrorData("not_a_message"))


class Request(msgspec.Struct, frozen=True):
    """A request, which expects an answer."""

    id: RequestId
    method: str
    params: msgspec.Raw  # empty if the message has none
    trace: msgspec.Raw = _NOTHING  # the sender's place in a trace, any JSON


class Notification(msgspec.Struct, frozen=True):
    """A notification, which expects no answer."""

    method: str
    params: msgspec.Raw  # empty if the message has none
    emitted_at_ms: int | None = None
    seq: int | None = None  # codexd only: the event that caused it
    offset: int | None = None  # codexd only, deltas: bytes of the text up to and with it


class ErrorObject(msgspec.Struct, frozen=True):
    """An error of the peer."""

    code: int
    message: str
    data: msgspec.Raw = _NOTHING


class ClientReply(msgspec.Struct, frozen=True):
    """A peer's answer to a request of ours: a result, or an error.

    An error without an id says that the peer could not read a message. It must not be answered, or two
    programs answer each other for ever.
    """

    id: RequestId | None
    result: msgspec.Raw  # empty if it is an error
    error: ErrorObject | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """An unreadable message; `error` is the answer to `id`, or to null if there is no id."""

    id: RequestId | None
    error: RpcError


Message = Request | Notification | ClientReply | Unreadable


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    id: RequestId | msgspec.UnsetType | None = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw = _NOTHING
    result: msgspec.Raw = _NOTHING
    error: ErrorObject | None = None
    emitted_at_ms: int | None = None
    seq: int | None = None
    offset: int | None = None
    trace: msgspec.Raw = _NOTHING


_encoder = msgspec.json.Encoder()
_envelopes = msgspec.json.Decoder(_Envelope)


def read_message(body: bytes) -> Message:
    """One message, its params and result still encoded (they share the memory of `body`)."""
    try:
        if not body.isascii():
            body.decode()  # Invalid UTF-8 in params would otherwise fail later, as an internal error.
        envelope = _envelopes.decode(body)
    except msgspec.ValidationError as error:
        return Unreadable(id_in(body), not_a_message(complaint(error, _Envelope)))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return Unreadable(id_in(body), _what_is_wrong(body, error))
    if envelope.method is not msgspec.UNSET:
        return _asked(envelope, envelope.method)
    return _answered(envelope)


def _asked(envelope: _Envelope, method: str) -> Message:
    if envelope.id is msgspec.UNSET:
        return Notification(
            method, envelope.params, envelope.emitted_at_ms, envelope.seq, envelope.offset
        )
    if envelope.id is None:
        return Unreadable(
            None, not_a_message("expected `id` to be an integer or a string, found null")
        )
    return Request(envelope.id, method, envelope.params, envelope.trace)


def _answered(envelope: _Envelope) -> Message:
    to = None if envelope.id is msgspec.UNSET else envelope.id
    answered = envelope.result is not _NOTHING
    if envelope.error is not None or (answered and to is not None):
        return ClientReply(to, envelope.result, envelope.error)
    return Unreadable(to, not_a_message("expected `method`, or `id` with `result` or `error`"))


def _what_is_wrong(body: bytes, error: Exception) -> RpcError:
    if isinstance(error, UnicodeDecodeError):
        found = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        return unreadable_json(f"expected UTF-8, found {found} ({error.reason})")
    if body.startswith(BYTE_ORDER_MARK):
        return unreadable_json("expected JSON, found a byte order mark before it")
    if _is_but_for_surrogates(body):
        return not_a_message(UNPAIRED)
    return unreadable_json(str(error))


def _is_but_for_surrogates(body: bytes) -> bool:
    """Whether it would be a message without escapes that are half of a surrogate pair."""
    plain = body.replace(rb"\ud", rb"\u0").replace(rb"\uD", rb"\u0")
    try:
        _envelopes.decode(plain)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return plain != body


# Longer encoded parts are inserted into an answer without encoding them again.
SHORT_BYTES_MAX = 64 * 1024
# A longer answer stays in parts: memory for a copy takes half a millisecond for each MB.
JOINED_BYTES_MAX = 4 * 1024 * 1024
# The placeholder of such a part. No encoded JSON contains it.
_HOLE = b"\n"


class _Result(msgspec.Struct, frozen=True):
    id: RequestId
    result: msgspec.Struct | msgspec.Raw


class _Failure(msgspec.Struct, frozen=True):
    error: ErrorObject
    id: RequestId | None


class _Question(msgspec.Struct, frozen=True):
    method: str
    id: RequestId
    params: msgspec.Struct | msgspec.Raw


def encode_result(request_id: RequestId, result: msgspec.Struct | msgspec.Raw) -> bytes:
    """The answer to a request."""
    return _encoder.encode(_Result(request_id, result))


def encode_in_parts(request_id: RequestId, result: msgspec.Struct | msgspec.Raw) -> list[bytes]:
    """The same, in several pieces if it is long and has parts that are already encoded."""
    long: list[bytes] = []
    pieces = _encoder.encode(_Result(request_id, _hollow(result, long))).split(_HOLE)
    if len(pieces) != len(long) + 1:  # It has JSON of a client with a newline between its tokens.
        return [encode_result(request_id, result)]
    parts = [part for pair in zip(pieces, long, strict=False) for part in pair] + pieces[-1:]
    return parts if sum(map(len, parts)) > JOINED_BYTES_MAX else [b"".join(parts)]


def _hollow(value: msgspec.Struct | msgspec.Raw, long: list[bytes]) -> msgspec.Struct | msgspec.Raw:
    """The value with placeholders for long encoded parts, which an encoder would copy several times."""
    if isinstance(value, msgspec.Raw):
        if len(memoryview(value)) <= SHORT_BYTES_MAX:
            return value
        long.append(bytes(value))
        return msgspec.Raw(_HOLE)
    changed: dict[str, object] = {}
    for name in value.__struct_fields__:
        member = getattr(value, name)
        if isinstance(member, msgspec.Struct):
            hollow: object = _hollow(member, long)
            if hollow is not member:
                changed[name] = hollow
        elif isinstance(member, tuple) and any(isinstance(part, msgspec.Raw) for part in member):
            changed[name] = tuple(
                [_hollow(part, long) if isinstance(part, msgspec.Raw) else part for part in member]
            )
    return msgspec.structs.replace(value, **changed) if changed else value


def encode_error(request_id: RequestId | None, error: RpcError) -> bytes:
    """The error answer to a request; `request_id` is None if it could not be read."""
    data = msgspec.Raw(_encoder.encode(error.data))
    return _encoder.encode(_Failure(ErrorObject(error.code, error.message, data), request_id))


def encode_request(
    request_id: RequestId, method: str, params: msgspec.Struct | msgspec.Raw
) -> bytes:
    """A request of ours: a server's question to its clients, or a frontend's to the daemon."""
    return _encoder.encode(_Question(method, request_id, params))
