"""What clients do with a home until its daemon dies, and what the next daemon is asked then."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from chaos.doomed import KINDS, MOMENTS
from chaos.promises import LONG_COMMAND, Ledger, accepted_work_runs, broken_promises
from codexd.models.scripted.scripts import Call, Hang, Part, PromptScript, Reply, Say
from daemon_client import CURSOR, Client, Json, Refused, connected, typed
from daemon_house import READY, Daemon, Home

DOOMED = str(Path(__file__).parent / "doomed.py")

# Rounds of one crowd: what one death leaves is what the next life begins with.
CROWD_ROUNDS = 4
CROWD_CLIENTS = 3
# The call at which a crowd's daemon dies is drawn up to this, small numbers as often as large ones.
CROWD_CALLS_MAX = 600


class Answers(PromptScript):
    """The lines of prompts, with answers that stay open for as long as `is_holding`."""

    is_holding = False

    def reply(self, body: bytes) -> Reply:
        """What to answer."""
        reply = super().reply(body)
        if not self.is_holding or any(isinstance(part, Call) for part in reply):
            return reply
        return tuple(_held(part) for part in reply)


def _held(part: Part) -> Part:
    return Hang(part.deltas) if isinstance(part, Say) else part


class Died(Exception):
    """The daemon died under a request."""


class Life:
    """One home, and all that happens to it."""

    def __init__(self, home: Home, answers: Answers) -> None:
        self.home, self.ledger = home, Ledger()
        self.lives = self.reached = 0
        self.broken: list[str] = []
        self._answers = answers
        self._tokens = 0

    async def of_work(self, calls: str, number: int, moment: str) -> None:
        """A fixed piece of work, cut at one call."""
        await self._once(self._work, calls, number, moment)

    async def of_recovery(self, calls: str, number: int, moment: str) -> None:
        """A start after a death that left everything under way, cut at one call."""
        await self._leave_everything_under_way()
        await self._once(self._look_on, calls, number, moment)

    async def of_a_crowd(self, seed: int) -> None:
        """Some clients with drawn deeds, cut at drawn calls, again and again."""
        chance = random.Random(seed)
        for _ in range(CROWD_ROUNDS):
            await self._crowd(chance)
            self.broken += await broken_promises(self.home, self.ledger)

    async def _once(
        self, deeds: Callable[[Daemon], Awaitable[None]], calls: str, number: int, moment: str
    ) -> None:
        daemon = await self._start(calls, number, moment)
        with suppress(Died):
            await deeds(daemon)
        await self._die(daemon)
        self.broken += await broken_promises(self.home, self.ledger)

    async def _start(self, calls: str, number: int, moment: str) -> Daemon:
        """A daemon that dies at a call; it may be dead before it has answered."""
        words = ("-I", DOOMED, calls, str(number), moment)
        daemon = self.home.launch(program=words)
        with suppress(AssertionError):
            await trio.to_thread.run_sync(daemon.wait_said, READY)
        return daemon

    async def _die(self, daemon: Daemon) -> None:
        """Count the death, or bring it about where the call was not reached."""
        self.lives += 1
        if daemon.process.poll() is None:
            daemon.process.kill()
        else:
            self.reached += 1
        await trio.to_thread.run_sync(daemon.wait)

    # The fixed piece of work.

    async def _work(self, daemon: Daemon) -> None:
        async with self._client(daemon) as client:
            first = await self.start_thread(client, "never")
            turns = [
                await self.start_turn(
                    client, first, f"think 1\nsay 2\nrun {self._command()}\nsay 2"
                ),
                await self.start_turn(client, first, f"run {self._command()}"),
                await self.start_turn(client, first, "say 2"),
            ]
            await self.rename(client, first)
            for turn in turns:
                await self.ended(client, turn)
            fork = await self.fork(client, first)
            await self.ended(client, await self.start_turn(client, fork, "say 2 100"))
            asking = await self.start_thread(client, "untrusted")
            turn = await self.start_turn(client, asking, f"run {self._command()}\nsay 1")
            await self.allow(client)
            await self.ended(client, turn)
            await self.put_aside(client, first)

    async def _look_on(self, daemon: Daemon) -> None:
        """A client that is there while the daemon takes up what was left."""
        async with self._client(daemon) as client:
            self.broken += await accepted_work_runs(client, self.ledger)

    async def _leave_everything_under_way(self) -> None:
        """A home whose daemon died with an answer, a command, a question, a queue and a torn log under way."""
        self._answers.is_holding = True
        daemon = await trio.to_thread.run_sync(self.home.start)
        async with self._client(daemon) as client:
            answering = await self.start_thread(client, "never")
            await self.start_turn(client, answering, "say 3")
            await client.until_notified("item/agentMessage/delta")
            await self.start_turn(client, answering, "say 1")
            for _ in range(2):
                running = await self.start_thread(client, "never")
                line = f"run {self._command()}; echo $$; {LONG_COMMAND}"
                turn = await self.start_turn(client, running, line)
                note = await client.until_notified(
                    "item/commandExecution/outputDelta", threadId=running
                )
                self.ledger.running[turn] = int(note.params["delta"])
            asking = await self.start_thread(client, "untrusted")
            await self.start_turn(client, asking, f"run {self._command()}")
            await client.until_asked()
            torn = await self.start_thread(client, "never")
            daemon.process.kill()
        await trio.to_thread.run_sync(daemon.wait)
        self._answers.is_holding = False
        (log,) = [path for path in self.home.logs() if torn in path.name]
        with log.open("ab") as end:
            end.write(b'{"seq":99,"at":"2026-')

    # The crowd.

    async def _crowd(self, chance: random.Random) -> None:
        """Some clients do as they like until the daemon dies."""
        number = round(CROWD_CALLS_MAX ** chance.random())
        daemon = await self._start(chance.choice(KINDS), number, chance.choice(MOMENTS))
        messages = chance.randrange(10, 200)
        async with trio.open_nursery() as nursery:
            for _ in range(CROWD_CLIENTS):
                nursery.start_soon(
                    self._one_of_the_crowd, daemon, random.Random(chance.random()), messages
                )
        await self._die(daemon)

    async def _one_of_the_crowd(self, daemon: Daemon, chance: random.Random, messages: int) -> None:
        with suppress(Died):
            async with self._client(daemon) as client:
                thread = await self.start_thread(client, chance.choice(("never", "untrusted")))
                while len(client.notified) < messages:
                    thread = await self._deed(client, thread, chance)

    async def _deed(self, client: Client, thread: str, chance: random.Random) -> str:
        """One thing that people do; the thread in which they go on."""
        match chance.randrange(8):
            case 0:
                return await self.fork(client, thread)
            case 1:
                await self.rename(client, thread)
            case 2:
                await self.put_aside(client, thread)
                return await self.start_thread(client, "never")
            case 3:
                turn = await self.start_turn(client, thread, "think 2\nsay 30")
                await self.interrupt(client, thread, turn)
            case 4:
                for _ in range(3):
                    await self.start_turn(client, thread, f"run {self._command()}\nsay 2")
                await self.come_to_an_end(client, thread)
            case _:
                tail = f"; {LONG_COMMAND} & sleep 0" if chance.random() < 0.25 else ""
                await self.start_turn(client, thread, f"say 4\nrun {self._command()}{tail}\nsay 3")
                await self.come_to_an_end(client, thread)
        return thread

    # What clients do; each writes down what was acknowledged. Raises: Died.

    def _command(self) -> str:
        """A command that shows how often it ran."""
        self._tokens += 1
        return f"echo {self._tokens} >> ran"

    @asynccontextmanager
    async def _client(self, daemon: Daemon) -> AsyncIterator[Client]:
        try:
            async with connected(self.home.socket, codexd=CURSOR) as client:
                try:
                    yield client
                finally:
                    self.ledger.hear(client)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, AssertionError):
            if daemon.process.poll() is None and not await _dies(daemon):
                raise
            raise Died from None

    async def start_thread(self, client: Client, policy: str) -> str:
        """A new thread, followed."""
        answer = await client.call("thread/start", approvalPolicy=policy)
        return self._begun(client, answer)

    async def fork(self, client: Client, thread: str) -> str:
        """A fork of it, followed."""
        return self._begun(client, await client.call("thread/fork", threadId=thread))

    def _begun(self, client: Client, answer: Json) -> str:
        thread = str(answer["thread"]["id"])
        self.ledger.threads.add(thread)
        self.ledger.followed.append((thread, client))
        return thread

    async def start_turn(self, client: Client, thread: str, lines: str) -> str:
        """An accepted prompt that no other one equals."""
        self._tokens += 1
        prompt = f"prompt {self._tokens}\n{lines}"
        answer = await client.call("turn/start", threadId=thread, input=typed(prompt))
        turn = str(answer["turn"]["id"])
        self.ledger.turns[turn] = (thread, prompt)
        return turn

    async def ended(self, client: Client, turn: str) -> None:
        """Wait for the end of a turn."""
        await client.turn_ended(turn)

    async def come_to_an_end(self, client: Client, thread: str) -> None:
        """Wait until nothing runs in a thread, allowing whatever it asks."""
        turns = [turn for turn, (its, _) in self.ledger.turns.items() if its == thread]

        def done() -> bool:
            ended = {note.params["turn"]["id"] for note in client.of("turn/completed")}
            return ended.issuperset(set(turns) - self.ledger.stopped)

        while not done():
            await client.until(lambda: done() or bool(client.asked), f"the end of {thread}")
            while client.asked:
                await client.decide(client.asked.pop(), "accept")

    async def allow(self, client: Client) -> None:
        """Wait for a question and say yes."""
        await client.decide(await client.until_asked(), "accept")

    async def interrupt(self, client: Client, thread: str, turn: str) -> None:
        """Stop a turn that may have ended by itself."""
        self.ledger.stopped.add(turn)
        with suppress(Refused):
            await client.call("turn/interrupt", threadId=thread, turnId=turn)

    async def rename(self, client: Client, thread: str) -> None:
        """Give it another name; until that is answered either name may stand."""
        self._tokens += 1
        name = f"name {self._tokens}"
        self.ledger.names.setdefault(thread, {None}).add(name)
        await client.call("thread/name/set", threadId=thread, name=name)
        self.ledger.names[thread] = {name}

    async def put_aside(self, client: Client, thread: str) -> None:
        """Archive it; what still waits in it is withdrawn."""
        self.ledger.archived[thread] = None
        self.ledger.stopped |= {
            turn for turn, (its, _) in self.ledger.turns.items() if its == thread
        }
        await client.call("thread/archive", threadId=thread)
        self.ledger.archived[thread] = True


async def _dies(daemon: Daemon) -> bool:
    """Whether the daemon is about to be gone: its socket closes before it is reaped."""
    with trio.move_on_after(2):
        await daemon.ended()
        return True
    return False
