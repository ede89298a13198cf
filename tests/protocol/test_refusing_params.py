"""Params that are not what a method takes are refused with the member, what it should be, and what it is."""

from __future__ import annotations

import msgspec
import pytest

from codexd.core.events.events import given
from codexd.protocol.methods import METHODS, NoParams, known_methods, read_params
from codexd.protocol.not_offered import EMPTY_ANSWERS
from codexd.protocol.threads import ThreadListParams, ThreadStartParams
from codexd.protocol.turns import TurnStartParams
from codexd.protocol.wire.rpc import INVALID_PARAMS, RpcError


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("turn/start", b"", "`threadId` is missing"),
        ("turn/start", b"null", "`threadId` is missing"),
        ("thread/read", b"[]", "expected an object, found a list"),
        ("thread/read", b'{"threadId":5}', "`threadId`: expected a string, found an integer"),
        (
            "turn/start",
            b'{"threadId":"t","input":"hi"}',
            "`input`: expected a list, found a string",
        ),
        (
            "turn/start",
            b'{"threadId":"t","input":[{"type":"text"}]}',
            "`input[0].text` is missing",
        ),
        (
            "turn/start",
            b'{"threadId":"t","input":[{"type":"vido"}]}',
            "`input[0].type`: expected image, localImage, mention, skill or text, found 'vido'",
        ),
        (
            "thread/start",
            b'{"sandbox":"readonly"}',
            "`sandbox`: expected danger-full-access, read-only or workspace-write, found 'readonly'",
        ),
        (
            "thread/start",
            b'{"approvalPolicy":"always"}',
            "`approvalPolicy`: expected never, on-failure, on-request or untrusted, found 'always'",
        ),
        (
            "thread/start",
            b'{"config":{"model":5}}',
            "`config.model`: expected a string or null, found an integer",
        ),
        (
            "thread/resume",
            b'{"threadId":"t","after":{"items":{}}}',
            "`after.seq` is missing",
        ),
        (
            "thread/resume",
            b'{"threadId":"t","after":{"seq":1,"items":{"a":"b"}}}',
            "`after.items[...]`: expected an integer, found a string",
        ),
        (
            "turn/start",
            b'{"threadId":"t","input":[],"sandboxPolicy":{"type":"open"}}',
            (
                "`sandboxPolicy.type`: expected dangerFullAccess, externalSandbox, readOnly or "
                "workspaceWrite, found 'open'"
            ),
        ),
    ],
)
def test_a_refusal_names_member_expected_and_found(
    method: str, params: bytes, message: str
) -> None:
    with pytest.raises(RpcError) as refused:
        read_params(method, METHODS[method].params, msgspec.Raw(params))
    assert refused.value.message == f"{method}: {message}"
    assert refused.value.code == INVALID_PARAMS
    assert refused.value.data.code == "invalid_params"


def test_unknown_members_are_ignored() -> None:
    sent = msgspec.Raw(b'{"useStateDbOnly":true,"limit":3,"tomorrow":{"a":[1]}}')
    assert read_params("thread/list", ThreadListParams, sent) == ThreadListParams(limit=3)


def test_missing_params_are_none_given() -> None:
    assert read_params("x", NoParams, msgspec.Raw(b"")) == NoParams()
    assert read_params("thread/start", ThreadStartParams, msgspec.Raw(b"null")) == (
        ThreadStartParams()
    )


def test_null_is_nothing() -> None:
    sent = msgspec.Raw(b'{"threadId":"t","input":[],"outputSchema":null,"collaborationMode":null}')
    params = read_params("turn/start", TurnStartParams, sent)
    assert (params.collaboration_mode, given(params.output_schema)) == (None, None)


def test_only_initialize_may_come_first() -> None:
    assert [name for name, row in METHODS.items() if not row.needs_initialize] == ["initialize"]


def test_a_method_has_one_row() -> None:
    assert not METHODS.keys() & EMPTY_ANSWERS.keys()
    assert len(known_methods()) == len(METHODS) + len(EMPTY_ANSWERS)
