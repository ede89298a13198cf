"""One answer for all who ask a model the same at the same time: each client of a thread asks for its title.

Law: only a whole answer is shared. Where the first request fails, the next that waits for it is sent itself.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.values.model_output import ModelEvent, ModelResponseDone
from codexd.models.client import ModelClient, ModelRequest, ModelStream, RetryBudget

# Titles are asked for at the beginning of threads, by each client within a second or when it attaches.
ANSWERS_MAX: Final = 64
# A title is a line. A longer answer is not kept.
EVENTS_MAX: Final = 1000


class _Answer:
    """An answer that is under way or whole."""

    def __init__(self) -> None:
        self.over = trio.Event()
        self.batches: list[list[ModelEvent]] = []
        self.is_whole = False


class SharedAnswers:
    """The newest answers, in memory."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()

    def among(self, client: ModelClient) -> ModelClient:
        """A client whose requests are answered from here, where the same was asked before."""
        return _SharingClient(client, self)

    @asynccontextmanager
    async def stream(
        self, client: ModelClient, request: ModelRequest
    ) -> AsyncIterator[ModelStream]:
        """The answer of another request that is the same, or of this one."""
        key = _print(request)
        while (answer := self._answers.get(key)) is not None:
            await answer.over.wait()
            if answer.is_whole:
                yield _Replayed(answer)
                return
        answer = self._answers[key] = _Answer()
        try:
            async with client.stream(request) as stream:
                yield _Kept(stream, answer)
        finally:
            if not answer.is_whole:
                del self._answers[key]
            answer.over.set()
            while len(self._answers) > ANSWERS_MAX:
                self._answers.popitem(last=False)


class _SharingClient:
    def __init__(self, client: ModelClient, shared: SharedAnswers) -> None:
        self._client, self._shared = client, shared

    @property
    def budget(self) -> RetryBudget:
        return self._client.budget

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[ModelStream]:
        return self._shared.stream(self._client, request)


class _Kept:
    """A stream whose events are kept."""

    def __init__(self, stream: ModelStream, answer: _Answer) -> None:
        self._stream, self._answer = stream, answer

    async def receive(self) -> list[ModelEvent]:
        batch = await self._stream.receive()
        self._answer.batches.append(batch)
        if any(isinstance(event, ModelResponseDone) for event in batch):
            self._answer.is_whole = sum(map(len, self._answer.batches)) <= EVENTS_MAX
        return batch


class _Replayed:
    """The same events again."""

    def __init__(self, answer: _Answer) -> None:
        self._left = list(reversed(answer.batches))

    async def receive(self) -> list[ModelEvent]:
        await trio.lowlevel.checkpoint()
        return self._left.pop() if self._left else []


# The beginning of a message about where a thread works, encoded.
_ENVIRONMENT: Final = b'"text":"<environment_context>'


def _print(request: ModelRequest) -> bytes:
    """A hash of what is asked, whichever thread asks it, and under whatever policies its client has begun it."""
    items = tuple(item for item in request.input if _ENVIRONMENT not in item)
    asked = replace(request, input=items, cache_key="", notes=None)
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.astuple(asked))).digest()
