"""A real command in a real sandbox reaches what its list allows, asks about the rest, and nothing else leads out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import trio
from msgspec.structs import replace

from codexd.core.policy.sandbox_denial import ONLY_DOMAINS, sandbox_hint
from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.core.values.settings import SandboxAccess
from codexd.core.values.tool_actions import ReachHost
from codexd.network.command_gate import TOLD_MAX
from codexd.network.commands import CommandNetwork
from codexd.network.dial import Outside
from codexd.sandbox.confinement import Confinement, Mechanism
from proxy_house import OK, PUBLIC, MadeUpInternet, RecordingServer, rules
from trio_test import trio_test

LISTED = Sandbox("workspace-write", "/", SandboxAccess(network_access=True), domains=True)
FETCH = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=30).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode().strip())
    except OSError as error:
        print(error)
"""


class Person:
    """Answers questions about hosts."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[ReachHost] = []
        self.told: list[str] = []

    async def ask(self, action: ReachHost) -> str | None:
        self.asked.append(action)
        await trio.lowlevel.checkpoint()
        return None if action.host in self.allowed else "a person refused it"


async def fetch(
    network: CommandNetwork, person: Person, confine: Confinement, *urls: str
) -> CompletedProcess[bytes]:
    way = network.way_out("p1", LISTED)
    async with network.open(way, person.ask, person.told.append):
        argv = way.around(
            (sys.executable, "-c", FETCH, *urls), lambda inner: confine(inner, LISTED)
        )
        return await trio.run_process(
            argv, env=dict(way.variables), capture_stdout=True, capture_stderr=True
        )


@pytest.mark.parametrize("mechanism", ["bubblewrap", "namespaces"])
@pytest.mark.slow
@trio_test
async def test_a_program_gets_what_is_listed_or_allowed_and_hears_why_not_the_rest(
    tmp_path: Path, mechanism: Mechanism
) -> None:
    confine = Confinement([], tmp_path, os.environ, only=mechanism)
    if confine.active.mechanism is None:
        pytest.skip(" ".join(confine.active.missing))
    # Longer than the path of a socket may be.
    folder = tmp_path.joinpath(*["a long name of a folder"] * 6)
    server = RecordingServer(OK)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, server, [listener])
        internet = MadeUpInternet(
            dict.fromkeys(("example.com", "asked.com"), (PUBLIC,)),
            listener.socket.getsockname()[1],
        )
        outside = Outside(internet.resolve, internet.connect)
        network = CommandNetwork(folder, lambda: rules(("example.com",), ("bad.com",)), outside)
        person = Person("asked.com")
        done = await fetch(
            network,
            person,
            confine,
            *("http://example.com/a", "http://asked.com/b", "http://no.com/c", "http://bad.com/"),
            *("https://no.com/d", "http://169.254.169.254/latest"),
        )
        nursery.cancel_scope.cancel()
    lines = done.stdout.decode().splitlines()
    assert (done.stderr, done.returncode) == (b"", 0)
    assert lines[:2] == ["hi", "hi"]
    why = "403 no.com:80 is not in the list of domains, and a person refused it. To allow it: "
    assert lines[2].startswith(why)
    assert lines[3] == "403 bad.com:80 is denied by the list of domains, which nothing overrides."
    # Of a tunnel programs show the reason phrase at most.
    assert "no.com:443 is not in the list of domains, and a person refused it" in lines[4]
    assert lines[5].startswith("403 169.254.169.254:80 is not on the internet")
    assert internet.connected == [(PUBLIC, 80), (PUBLIC, 80)]
    assert person.asked == [
        ReachHost("asked.com", 80, "http"),
        ReachHost("no.com", 80, "http"),
        ReachHost("no.com", 443, "https"),
    ]
    assert [line.partition(" is ")[0] for line in person.told] == [
        *("[codexd: no.com:80", "[codexd: bad.com:80"),
        *("[codexd: no.com:443", "[codexd: 169.254.169.254:80"),
    ]
    assert not any(folder.iterdir())


@trio_test
async def test_a_program_that_tries_names_does_not_fill_its_output(tmp_path: Path) -> None:
    internet = MadeUpInternet({}, 0)
    person = Person()
    network = CommandNetwork(tmp_path, rules, Outside(internet.resolve, internet.connect))
    way = network.way_out("p1", LISTED)
    assert way.socket is not None
    async with network.open(way, person.ask, person.told.append):
        for n in [*range(2 * TOLD_MAX), *range(2 * TOLD_MAX)]:
            async with await trio.open_unix_socket(way.socket) as client:
                await client.send_all(f"CONNECT h{n}.com:443 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert (await client.receive_some(100)).startswith(b"HTTP/1.1 403 ")
    assert len(set(person.told)) == len(person.told) == TOLD_MAX


@trio_test
async def test_where_the_network_is_no_list_there_is_no_proxy(tmp_path: Path) -> None:
    network = CommandNetwork(tmp_path / "none", rules)
    way = network.way_out("p1", Sandbox("workspace-write", "/"))
    async with network.open(way, Person().ask, Person().told.append):
        assert way.around(("ls",), lambda argv: ("fence", *argv)) == ("fence", "ls")
        assert way.variables == {}
        assert not (tmp_path / "none").exists()


def test_a_list_that_cannot_be_enforced_is_refused_in_so_many_words(tmp_path: Path) -> None:
    confine = Confinement([], tmp_path, os.environ, only="landlock")
    if confine.active.mechanism is None:
        pytest.skip(" ".join(confine.active.missing))
    listed = replace(LISTED, mode="read-only")
    with pytest.raises(CannotConfine, match="a list of domains cannot be enforced"):
        confine(("ls",), listed)


def test_where_the_network_is_a_list_no_command_has_all_of_it(tmp_path: Path) -> None:
    # A program that a client runs has no proxy, for example: it has no network then.
    unlisted = replace(LISTED, domains=False)
    shared = [
        Confinement([], tmp_path, os.environ, domains=lambda on=on: on)(("ls",), unlisted)  # type: ignore[misc]
        for on in (False, True)
    ]
    assert ["--unshare-net" in argv for argv in shared] == [False, True]


def test_a_program_that_passes_the_proxy_by_is_told_to_use_it() -> None:
    failed = "curl: (6) Could not resolve host: example.com"
    assert sandbox_hint(LISTED, 6, failed) == ONLY_DOMAINS
    assert sandbox_hint(LISTED, 0, failed) is None
    assert sandbox_hint(replace(LISTED, domains=False), 6, failed) is None
