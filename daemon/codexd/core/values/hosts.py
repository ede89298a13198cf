"""Names and addresses of machines, read strictly: no two programs may read the same text differently.

A host has one form: a name in lower case, in ASCII, without a closing dot; or an address as `ipaddress` writes it.
Addresses in other forms (`127.1`, `0x7f.0.0.1`, `2130706433`, with a zone) are refused, since the system would
still read them as addresses. Sources: RFC 1123 2.1, RFC 5890 2.3, RFC 6761, RFC 6890, inet_aton(3).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

NAME_CHARACTERS_MAX: Final = 253  # RFC 1035 2.3.4, as text
# A name that a person writes in other letters is longer in ASCII; a longer text is no name.
TEXT_CHARACTERS_MAX: Final = 1024
SHOWN_CHARACTERS_MAX: Final = 80  # of a wrong name in a message: enough to recognise it
PORT_MAX: Final = 65535

# Names of services begin with `_`, and some hosts have it within.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What inet_aton(3) reads as a number.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
# Letters that the two standards of names in other letters (RFC 3490 and RFC 5891) read differently.
_READ_DIFFERENTLY = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_DOTS = re.compile("[\u3002\uff0e\uff61]")  # other dots of RFC 3490 3.1


class BadHost(ValueError):
    """A text is no host; says what was found."""


def read_host(text: str) -> str:
    """The host that a program asks for, in its one form. Raises: BadHost."""
    address = read_address(text)
    if address is not None:
        return str(address)
    if not text.isascii():
        raise BadHost(f"expected a name in ASCII, found {shown(text)}")
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > NAME_CHARACTERS_MAX:
        raise BadHost(
            f"expected a name of at most {NAME_CHARACTERS_MAX} characters, found {shown(text)}"
        )
    if not all(map(_LABEL.fullmatch, labels)):
        raise BadHost(f"expected the name or the address of a machine, found {shown(text)}")
    if _NUMBER.fullmatch(labels[-1]):
        raise BadHost(f"expected an address in its usual form, found {shown(text)}")
    return name


def read_address(text: str) -> Address | None:
    """The address that a text is; None for a name. Raises: BadHost, for one with a zone."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if len(bare) > TEXT_CHARACTERS_MAX:
        raise BadHost(f"expected the name of a machine, found {len(bare)} characters")
    if "%" in bare:
        raise BadHost(f"expected an address without a zone, found {shown(text)}")
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    if bare is not text and found.version == 4:  # the version of IP
        return None
    return unmapped(found)


def read_written_host(text: str) -> str:
    """The host that a person wrote, who may use other letters than ASCII. Raises: BadHost."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise BadHost(f"expected the name of a machine, found {len(text)} characters")
    if text.isascii():
        return read_host(text)
    if _READ_DIFFERENTLY.search(text):
        raise BadHost(
            f"expected a name that all programs read alike, found {shown(text)}: write it as xn--…"
        )
    try:
        labels = [_in_ascii(label) for label in _DOTS.sub(".", text).split(".")]
    except UnicodeError as error:
        raise BadHost(f"expected the name of a machine, found {shown(text)}") from error
    return read_host(".".join(labels))


def _in_ascii(label: str) -> str:
    return label.encode("idna").decode() if label else ""


def read_authority(text: str, port: int | None = None) -> tuple[str, int]:
    """The host and the port of `host:port`, as in requests; `port` is the default. Raises: BadHost."""
    host, colon, found = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, found = text, "" if port is None else str(port)
    elif ":" in host and not host.startswith("["):
        raise BadHost(f"expected an IPv6 address in brackets, found {shown(text)}")
    return read_host(host), read_port(found, text)


def read_port(digits: str, text: str) -> int:
    """The port that these digits are; `text` is what a message shows. Raises: BadHost."""
    if not _PORT.fullmatch(digits) or not 0 < int(digits) <= PORT_MAX:
        raise BadHost(f"expected a port from 1 to {PORT_MAX}, found {shown(text)}")
    return int(digits)


def authority(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown(text: str) -> str:
    """A wrong name in a message: in quotes, in ASCII, cut."""
    drawn = ascii(text[: SHOWN_CHARACTERS_MAX + 1])
    return drawn if len(drawn) <= SHOWN_CHARACTERS_MAX else drawn[: SHOWN_CHARACTERS_MAX - 1] + "…"


def unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address of the form ::ffff:a.b.c.d stands for; any other as it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


# RFC 6890 and later registrations: addresses that are not those of a machine on the internet.
_NOT_PUBLIC: Final = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "of this machine"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private"),  # shared behind a provider's NAT
        ("127.0.0.0/8", "of this machine"),
        ("169.254.0.0/16", "link-local"),  # where clouds serve keys
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "private"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "of this machine"),
        ("::/96", "reserved"),  # `::`, and IPv4 addresses in an old form
        ("64:ff9b:1::/48", "private"),  # NAT64 of a site: it may lead to any IPv4 address
        ("100::/64", "reserved"),
        ("2001::/23", "reserved"),  # Teredo among them, which leads to IPv4 addresses
        ("2001:db8::/32", "reserved"),
        ("3fff::/20", "reserved"),
        ("5f00::/16", "reserved"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")
LOCAL: Final = frozenset({"of this machine", "private"})


def why_not_public(address: Address) -> str | None:
    """What an address is, if it is not of a machine on the internet; None if it is."""
    plain = unmapped(address)
    if isinstance(plain, IPv6Address):
        inner = plain.sixtofour or (
            IPv4Address(int(plain) & 0xFFFFFFFF) if plain in _NAT64 else None
        )
        if inner is not None:
            return why_not_public(inner)
    return next((what for network, what in _NOT_PUBLIC if plain in network), None)
