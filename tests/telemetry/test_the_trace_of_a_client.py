"""A request's place in a trace, as Codex's clients send it; what is none is ignored."""

from __future__ import annotations

import json

import pytest

from codexd.protocol.wire.rpc import Request, read_message
from codexd.server.methods.table import traceparent_in

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.mark.parametrize(
    ("trace", "found"),
    [
        ({"traceparent": PARENT, "tracestate": "a=b"}, f"{PARENT[:-2]}01"),
        ({"traceparent": "00-0-0-0"}, None),
        ({"traceparent": None}, None),
        ({"traceparent": 7}, None),
        ([PARENT], None),
        (None, None),
    ],
)
def test_only_a_whole_place_counts(trace: object, found: str | None) -> None:
    body = json.dumps({"id": 1, "method": "turn/start", "params": {}, "trace": trace})
    request = read_message(body.encode())
    assert isinstance(request, Request)
    assert traceparent_in(request.trace) == found


def test_a_request_without_a_trace_has_none() -> None:
    request = read_message(b'{"id":1,"method":"turn/start"}')
    assert isinstance(request, Request)
    assert not request.trace
