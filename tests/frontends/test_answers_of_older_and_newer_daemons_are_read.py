"""Answers of an older daemon, which lacks members, and of a newer daemon, which has more members and other words."""

from __future__ import annotations

import msgspec
import pytest

from codexd.protocol.codexd_methods import (
    ImportedFrom,
    Indexing,
    SearchHit,
    ServerStatusResponse,
    ThreadCompactPreviewResponse,
    ThreadCompactUndoResponse,
    ThreadPinsResponse,
    ThreadTrouble,
)
from codexd.protocol.usage import CacheMiss, ThreadUsage, ThreadUsageReadResponse
from codexd_frontends.client.messages import UsageNote

OLDER: tuple[tuple[type[msgspec.Struct], dict[str, object]], ...] = (
    (ServerStatusResponse, {"pid": 1}),
    (ServerStatusResponse, {"pid": 1, "threads": {}, "indexing": {}}),
    (ThreadTrouble, {"threadId": "t"}),
    (Indexing, {}),
    (ImportedFrom, {}),
    (ThreadCompactPreviewResponse, {"kept": [{"seq": 1}]}),
    (ThreadCompactUndoResponse, {}),
    (ThreadPinsResponse, {"pins": [{"seq": 1}]}),
    (SearchHit, {"seq": 1, "kind": "prompt"}),
    (
        ThreadUsageReadResponse,
        {"threadId": "t", "total": {}, "turns": [{"turnId": "u", "kind": "turn"}]},
    ),
    (ThreadUsage, {"threadId": "t", "kinds": [{"kind": "turn", "used": {}}]}),
    (CacheMiss, {}),
    (UsageNote, {}),
)
NEWER: tuple[tuple[type[msgspec.Struct], dict[str, object]], ...] = (
    (SearchHit, {"seq": 1, "kind": "a new kind"}),
    (CacheMiss, {"segment": "a new segment"}),
    (ThreadUsageReadResponse, {"threadId": "t", "turns": [{"turnId": "u", "kind": "a new kind"}]}),
    (ThreadUsage, {"threadId": "t", "kinds": [{"kind": "a new kind", "used": {}}]}),
    (ImportedFrom, {"origin": "a new origin"}),
)


@pytest.mark.parametrize(("kind", "answer"), OLDER)
def test_members_that_an_older_daemon_lacks_have_defaults(
    kind: type[msgspec.Struct], answer: dict[str, object]
) -> None:
    read = msgspec.json.decode(msgspec.json.encode(answer), type=kind)
    assert isinstance(read, kind)


@pytest.mark.parametrize(("kind", "answer"), [*OLDER, *NEWER])
def test_members_and_words_that_a_newer_daemon_has_are_read(
    kind: type[msgspec.Struct], answer: dict[str, object]
) -> None:
    newer = {**answer, "aMemberOfLater": {"with": ["anything"]}}
    assert msgspec.json.decode(msgspec.json.encode(newer), type=kind) == msgspec.convert(
        answer, kind
    )
