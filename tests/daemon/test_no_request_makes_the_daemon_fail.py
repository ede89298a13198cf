"""The sender of any odd request gets the reason, under its id, and never that the daemon failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec import inspect

from codexd.models.scripted.server import scripted_model
from codexd.protocol.methods import METHODS
from codexd.protocol.wire.framing import MESSAGE_BYTES_MAX
from daemon_client import FRAMINGS, Client, Framing, Json, Refused, connected
from daemon_house import Daemon
from images_e2e import OK
from trio_test import trio_test

HUGE = (10**30, -(10**30), 2**63, -(2**63) - 1)
# Those that take a file, or all threads: what they do with a number is tried elsewhere.
ELSEWHERE = ("server/restart", "thread/export", "thread/import")


def sample(kind: inspect.Type, thread: str, name: str) -> object:
    """Some value of a type; the thread's id where one is asked for."""
    match kind:
        case inspect.StrType():
            return thread if name in ("threadId", "thread_id") else "x"
        case inspect.IntType():
            return 1
        case inspect.BoolType():
            return False
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.UnionType():
            return sample(kind.types[0], thread, name)
        case inspect.StructType():
            tag = {} if kind.tag is None else {kind.tag_field or "type": kind.tag}
            return tag | required(kind, thread)
        case inspect.DictType():
            return {}
        case _:
            return []


def required(kind: inspect.StructType, thread: str) -> Json:
    """The members that there must be."""
    return {
        field.encode_name: sample(field.type, thread, field.encode_name)
        for field in kind.fields
        if field.required
    }


def with_numbers(kind: inspect.StructType, thread: str) -> Iterator[tuple[str, Json]]:
    """The params of a method, once for each huge number in each member that takes one, also in a nested one."""
    for field in kind.fields:
        members = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        for member in members:
            base = required(kind, thread)
            if isinstance(member, inspect.IntType):
                for number in HUGE:
                    yield field.encode_name, base | {field.encode_name: number}
            elif isinstance(member, inspect.StructType):
                tag = {} if member.tag is None else {member.tag_field or "type": member.tag}
                for name, inner in with_numbers(member, thread):
                    yield name, base | {field.encode_name: tag | inner}
            elif isinstance(member, inspect.VarTupleType) and isinstance(
                member.item_type, inspect.IntType
            ):
                for number in HUGE:
                    yield field.encode_name, base | {field.encode_name: [number]}


def cases(thread: str) -> list[tuple[str, str, Json]]:
    found = []
    for method, row in METHODS.items():
        kind = inspect.type_info(row.params)
        assert isinstance(kind, inspect.StructType)
        if method not in ELSEWHERE:
            found += [(method, name, params) for name, params in with_numbers(kind, thread)]
    return found


@pytest.mark.slow
@trio_test
async def test_a_huge_number_in_any_member_of_any_method_is_no_fault_of_the_daemons(
    daemon: Daemon,
) -> None:
    tried = 0
    async with connected(daemon.home.socket) as client:
        for method, _, _ in cases("x"):
            thread = await client.start_thread()
            method, name, params = cases(thread)[tried]
            tried += 1
            request = await client.post(method, **params)
            code = await client.refusal_code(request)
            assert code in (None, -32600, -32602), (method, name, params)
    assert tried > 60


ODD = {
    "half a surrogate pair": (rb'"\ud83d"', -32600),
    "not UTF-8": (b'"\xff"', -32700),
    "not a number": (b"NaN", -32700),
    "too deep": (b"[" * 100_000 + b"]" * 100_000, -32700),
    "a control character": (b'"\x00"', -32700),
}


@pytest.mark.parametrize("kind", ODD)
@trio_test
async def test_an_odd_value_is_an_error_of_its_request_and_the_connection_continues(
    daemon: Daemon, kind: str
) -> None:
    text, code = ODD[kind]
    async with connected(daemon.home.socket) as client:
        thread = await client.start_thread()
        for method, member in (
            ("turn/start", b'"input":[{"type":"text","text":%b}]'),
            ("turn/start", b'"input":[],"outputSchema":{"a":%b}'),
            ("thread/name/set", b'"name":%b'),
            ("no/such/method", b'"x":%b'),
        ):
            wire = b'{"id":77,"method":"%b","params":{"threadId":"%b",%b}}\n' % (
                method.encode(),
                thread.encode(),
                member % text,
            )
            await client.send_bytes(wire)
            with pytest.raises(Refused) as refusal:
                await client.answered(77)
            assert refusal.value.code == code
        await client.call("thread/loaded/list")
        assert client.errors == []


@trio_test
async def test_a_request_over_the_limit_is_refused_under_its_own_id(daemon: Daemon) -> None:
    async with connected(daemon.home.socket) as client:
        request = await client.post("thread/name/set", threadId="t", name="x" * MESSAGE_BYTES_MAX)
        with pytest.raises(Refused) as refusal:
            await client.answered(request)
        assert refusal.value.data["code"] == "overlong_message"
        await client.call("thread/loaded/list")


@pytest.mark.parametrize(("levels", "code"), [(500, None), (900, -32602), (976, -32602)])
@trio_test
async def test_a_schema_is_taken_only_if_it_can_be_read_again_anywhere(
    daemon: Daemon, levels: int, code: int | None
) -> None:
    schema = '{"a":' * levels + "1" + "}" * levels
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            params = '{"threadId":"%s","input":[{"type":"text","text":"x"}],"outputSchema":%s}'
            wire = '{"id":77,"method":"turn/start","params":%s}' % (params % (thread, schema))
            await client.send_bytes(client.framing.frame(wire))
            assert await client.refusal_code(77) == code
            if code is None:
                await client.until_notified("turn/completed", threadId=thread)
            await client.call("thread/archive", threadId=thread)
            await client.call("thread/unarchive", threadId=thread)


async def _closed(client: Client) -> str:
    await client.until(lambda: client.closed, "the end of the connection")
    return client.last_words


@trio_test
async def test_a_binary_message_ends_a_websocket_with_the_reason(daemon: Daemon) -> None:
    async with connected(daemon.home.socket, "websocket") as client:
        await client.call("thread/loaded/list")
        await client.send_bytes(b"\x82\x82\x00\x00\x00\x00{}")
        assert "found a binary message" in await _closed(client)


@pytest.mark.parametrize("framing", FRAMINGS)
@trio_test
async def test_text_that_is_not_utf8_is_answered_in_lines_and_ends_a_websocket(
    daemon: Daemon, framing: Framing
) -> None:
    async with connected(daemon.home.socket, framing) as client:
        if framing == "lines":
            await client.send_bytes(b'{"id":9,"method":"\xff"}\n')
            with pytest.raises(Refused, match="expected UTF-8"):
                await client.answered(9)
        else:
            await client.send_bytes(b"\x81\x83\x00\x00\x00\x00{\xff}")
            assert await _closed(client)
