"""Which machines commands may reach: lists of names and addresses, and what they say of one.

    example.com       this name
    *.example.com     the names below it
    **.example.com    it and the names below it
    *                 everything on the internet; only to allow
    10.0.0.5          this address
    localhost:5432    with one port only

As in Codex's tables `domains`; the ports are codexd's own. A refusal beats a permission, wherever they come from.
An address that is not of a machine on the internet is refused unless it is listed itself, or, for local addresses,
`allow_local_binding` is set: a name's owner decides where it leads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from codexd.core.values.hosts import (
    LOCAL,
    Address,
    BadHost,
    authority,
    read_address,
    read_port,
    read_written_host,
    shown,
    unmapped,
    why_not_public,
)

LOCALHOST: Final = "localhost"

_Entry = tuple[str, int | None]  # a host, and the port that it is limited to


class Domains(msgspec.Struct, frozen=True):
    """A list of entries, made so that looking does not take longer with its length."""

    hosts: frozenset[_Entry] = frozenset()
    below: frozenset[_Entry] = frozenset()  # the names below these
    everything: bool = False

    def has(self, host: str, port: int) -> bool:
        """Whether the list names a host, in its one form."""
        return self.everything or self.names(host, port)

    def names(self, host: str, port: int) -> bool:
        """Whether an entry other than `*` names it."""
        if not self.hosts.isdisjoint(((host, None), (host, port))):
            return True
        at = host.find(".")
        while at >= 0 and self.below:
            parent = host[at + 1 :]
            if not self.below.isdisjoint(((parent, None), (parent, port))):
                return True
            at = host.find(".", at + 1)
        return False

    def __or__(self, other: Domains) -> Domains:
        return Domains(
            self.hosts | other.hosts,
            self.below | other.below,
            self.everything or other.everything,
        )


class NetworkRules(msgspec.Struct, frozen=True):
    """What commands may reach, where their network is a list."""

    allowed: Domains = Domains()
    denied: Domains = Domains()
    allow_local_binding: bool = False  # a listed name may lead to local addresses

    def __or__(self, other: NetworkRules) -> NetworkRules:
        return NetworkRules(
            self.allowed | other.allowed,
            self.denied | other.denied,
            self.allow_local_binding or other.allow_local_binding,
        )


Verdict = Literal["allowed", "denied", "not listed", "not public"]


def read_domains(entries: Iterable[str]) -> Domains:
    """A list of entries. Raises: BadHost."""
    hosts, below = set[_Entry](), set[_Entry]()
    everything = False
    for entry in map(str.strip, entries):
        if entry == "*":
            everything = True
        elif entry.startswith("**."):
            hosts.add(_read_entry(entry[3:], entry))
            below.add(_read_entry(entry[3:], entry, names=True))
        elif entry.startswith("*."):
            below.add(_read_entry(entry[2:], entry, names=True))
        else:
            hosts.add(_read_entry(entry, entry))
    return Domains(frozenset(hosts), frozenset(below), everything)


def _read_entry(text: str, entry: str, *, names: bool = False) -> _Entry:
    """Raises: BadHost."""
    if "*" in text or text.startswith("."):
        raise BadHost(
            f"expected a name, or one after `*.` (all below it) or `**.` (with it), found {shown(entry)}"
        )
    host, colon, digits = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = read_written_host(text), None
    else:
        host, port = read_written_host(host), read_port(digits, entry)
    if names and read_address(host) is not None:
        raise BadHost(f"expected a name after the `*.`, found {shown(entry)}")
    return host, port


def verdict(rules: NetworkRules, host: str, port: int) -> Verdict:
    """What the rules say of a host, in its one form, before its addresses are known."""
    if rules.denied.has(host, port):
        return "denied"
    if _is_local(host) and not rules.allowed.names(host, port):
        return "not public"
    return "allowed" if rules.allowed.has(host, port) else "not listed"


def _is_local(host: str) -> bool:
    address = read_address(host)
    if address is None:
        return host == LOCALHOST or host.endswith(f".{LOCALHOST}")
    return why_not_public(address) is not None


def why_not_there(rules: NetworkRules, host: str, port: int, address: Address) -> str | None:
    """Why an address that an allowed host leads to may not be reached, as the rest of "it is …"; None if it may."""
    plain = unmapped(address)
    if rules.denied.names(str(plain), port):
        return "denied by the list"
    what = why_not_public(plain)
    if what is None or rules.allowed.names(str(plain), port):
        return None
    if what in LOCAL and rules.allow_local_binding:
        return None
    if plain.is_loopback and _is_local(host):
        return None
    return what


def refusal(found: Verdict, host: str, port: int) -> str:
    """Why a host may not be reached, and what would allow it, as a sentence for people and models."""
    place = authority(host, port)
    match found:
        case "denied":
            return f"{place} is denied by the list of domains, which nothing overrides."
        case "not public":
            return (
                f"{place} is not on the internet, so it must be listed itself: "
                f'`"{host}" = "allow"` under [features.network_proxy.domains] of config.toml.'
            )
        case _:
            return (
                f"{place} is not in the list of domains. To allow it: "
                f'`"{host}" = "allow"` under [features.network_proxy.domains] of config.toml.'
            )
