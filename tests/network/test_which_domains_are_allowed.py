"""A list of domains says which names and addresses commands may reach, and no spelling leads around it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from codexd.core.rules.network_rules import (
    NetworkRules,
    read_domains,
    refusal,
    verdict,
    why_not_there,
)
from codexd.core.values.hosts import (
    BadHost,
    read_authority,
    read_host,
    read_written_host,
    why_not_public,
)
from proxy_house import rules


@pytest.mark.parametrize(
    ("entry", "allowed", "not_listed"),
    [
        ("example.com", ["example.com"], ["www.example.com", "example.com.evil.org", "xample.com"]),
        (
            "*.example.com",
            ["www.example.com", "a.b.example.com"],
            ["example.com", "evilexample.com", "example.com.evil.org"],
        ),
        ("**.example.com", ["example.com", "a.b.example.com"], ["evilexample.com"]),
        ("*", ["example.com", "1.1.1.1", "2606:4700::1111"], []),
        (" Example.COM. ", ["example.com"], ["www.example.com"]),
        ("bücher.example", ["xn--bcher-kva.example"], ["bcher.example"]),
        ("1.1.1.1", ["1.1.1.1"], ["1.1.1.2"]),
        ("[2606:4700::1111]", ["2606:4700::1111"], ["2606:4700::1112"]),
        ("2606:4700:0::1111", ["2606:4700::1111"], []),
    ],
)
def test_an_entry_allows_what_it_says(
    entry: str, allowed: list[str], not_listed: list[str]
) -> None:
    listed = rules((entry,))
    assert {host: verdict(listed, host, 443) for host in allowed} == dict.fromkeys(
        allowed, "allowed"
    )
    assert {host: verdict(listed, host, 443) for host in not_listed} == dict.fromkeys(
        not_listed, "not listed"
    )


def test_an_entry_with_a_port_is_for_that_port() -> None:
    listed = rules(("example.com:8443", "*.example.org:80", "[2606:4700::1]:22"))
    found = [
        verdict(listed, host, port)
        for host, port in (
            ("example.com", 8443),
            ("example.com", 443),
            ("a.example.org", 80),
            ("a.example.org", 443),
            ("2606:4700::1", 22),
            ("2606:4700::1", 23),
        )
    ]
    assert found == ["allowed", "not listed"] * 3


def test_a_refusal_beats_every_permission() -> None:
    listed = rules(("*", "bad.example.com", "10.0.0.5"), ("**.example.com", "10.0.0.5"), local=True)
    assert verdict(listed, "bad.example.com", 443) == "denied"
    assert verdict(listed, "example.com", 443) == "denied"
    assert verdict(listed, "10.0.0.5", 443) == "denied"
    assert verdict(listed, "example.org", 443) == "allowed"
    # Nor does a name that is allowed lead there.
    assert why_not_there(listed, "example.org", 443, ip_address("10.0.0.5")) == "denied by the list"


def test_lists_from_several_places_are_added() -> None:
    both = rules(("a.com",), ("x.com",)) | rules(("b.com", "x.com"), local=True)
    assert [verdict(both, host, 443) for host in ("a.com", "b.com", "x.com", "c.com")] == [
        "allowed",
        "allowed",
        "denied",
        "not listed",
    ]
    assert both.allow_local_binding


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*.",
        ".example.com",
        "region*.example.com",
        "*.*.example.com",
        "https://example.com",
        "example.com/path",
        "user@example.com",
        "example.com:0",
        "example.com:99999",
        "example.com:x",
        "*.10.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "faß.example",  # the two standards of such names disagree
        "a b.com",
        "fe80::1%eth0",
        "a" * 64 + ".com",
        "x" * 100_000,
    ],
)
def test_an_entry_that_says_nothing_clear_is_refused(entry: str) -> None:
    with pytest.raises(BadHost) as refused:
        read_domains([entry])
    assert len(str(refused.value)) < 300  # however long the entry is


def test_a_list_of_thousands_is_looked_through_at_once() -> None:
    listed = rules(tuple(f"*.host{n}.example" for n in range(20_000)), ("deny.host7.example",))
    host = ".".join(["a"] * 110) + ".host19999.example"
    # Some hundred lookups in a set, whatever the length of the list.
    assert verdict(listed, host, 443) == "allowed"
    assert verdict(listed, "deny.host7.example", 443) == "denied"
    assert verdict(listed, "host7.example", 443) == "not listed"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
    ],
)
def test_a_host_has_one_form(text: str, host: str) -> None:
    assert read_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "example..com",
        "example.com..",
        "-a.com",
        "a-.com",
        "ex ample.com",
        "example.com\0.evil.org",
        "example.com\n",
        "exa\u200bmple.com",
        "ｅxample.com",
        "example。com",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.01",
        "fe80::1%eth0",
        "[127.0.0.1]",
        "[example.com]",
        "[::1",
        "a@b.com",
        "a" * 64 + ".com",
        ".".join(["abcdefgh"] * 30),
    ],
)
def test_a_text_that_programs_read_differently_is_no_host(text: str) -> None:
    with pytest.raises(BadHost):
        read_host(text)


def test_a_person_may_write_a_name_in_its_own_letters() -> None:
    assert read_written_host("BÜCHER。example") == "xn--bcher-kva.example"
    assert read_written_host("münchen.de.") == "xn--mnchen-3ya.de"
    for text in ("fa\u00df.de", "\u03b1\u03c2.gr", "a\u200db.com", "\u2603" * 80 + ".com"):
        with pytest.raises(BadHost):
            read_written_host(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("example.com:443", ("example.com", 443)),
        ("example.com", ("example.com", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("[::1]", ("::1", 80)),
    ],
)
def test_an_authority_is_a_host_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert read_authority(text, 80) == found


@pytest.mark.parametrize(
    "text", ["::1:80", "a:b@c.com:80", "example.com:", "example.com:+80", "a.com:８０", "a.com: 80"]
)
def test_an_authority_that_is_unclear_is_refused(text: str) -> None:
    with pytest.raises(BadHost):
        read_authority(text, 80)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254"),
        *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "203.0.113.9"),
        *("224.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:10.0.0.1"),
        *("fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::1"),  # 6to4, to 127.0.0.1 and 169.254.169.254
        *("64:ff9b::a00:1", "64:ff9b::a9fe:a9fe"),  # NAT64, to 10.0.0.1 and 169.254.169.254
        *("64:ff9b:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),  # NAT64 of a site, Teredo
    ],
)
def test_an_address_that_is_not_on_the_internet_is_known(text: str) -> None:
    assert why_not_public(ip_address(text)) is not None
    assert why_not_there(rules(("*",)), "example.com", 443, ip_address(text)) is not None


@pytest.mark.parametrize(
    "text",
    ["1.1.1.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2606:4700::1111", "2002:101:101::1"],
)
def test_an_address_on_the_internet_is_known(text: str) -> None:
    assert why_not_public(ip_address(text)) is None


def test_a_local_place_is_reached_only_if_it_is_listed_itself() -> None:
    everything = rules(("*",))
    local = ("localhost", "db.localhost", "127.0.0.1", "10.0.0.5", "169.254.169.254", "::1")
    assert {verdict(everything, host, 80) for host in local} == {"not public"}
    listed = rules(("localhost", "10.0.0.5", "intranet.corp"))
    assert verdict(listed, "localhost", 5432) == verdict(listed, "10.0.0.5", 80) == "allowed"
    assert why_not_there(listed, "localhost", 80, ip_address("127.0.0.1")) is None
    assert why_not_there(listed, "localhost", 80, ip_address("10.0.0.9")) == "private"
    # A name may lead to an address that is listed, and to no other.
    assert why_not_there(listed, "intranet.corp", 80, ip_address("10.0.0.5")) is None
    assert why_not_there(listed, "intranet.corp", 80, ip_address("10.0.0.6")) == "private"
    assert why_not_there(listed, "intranet.corp", 80, ip_address("127.0.0.1")) == "of this machine"


def test_listed_names_may_lead_to_local_addresses_where_a_person_says_so() -> None:
    open_ = rules(("intranet.corp",), local=True)
    assert why_not_there(open_, "intranet.corp", 80, ip_address("192.168.0.9")) is None
    # But not to where clouds serve keys.
    assert why_not_there(open_, "intranet.corp", 80, ip_address("169.254.169.254")) == "link-local"
    assert why_not_there(open_, "intranet.corp", 80, ip_address("224.0.0.1")) == "multicast"
    assert verdict(open_, "other.corp", 80) == "not listed"


def test_a_refusal_says_which_name_and_how_to_allow_it() -> None:
    text = refusal(verdict(NetworkRules(), "example.com", 443), "example.com", 443)
    assert "example.com:443 is not in the list" in text
    assert '"example.com" = "allow"' in text
    assert "[::1]:80 is not on the internet" in refusal("not public", "::1", 80)
    assert "denied" in refusal("denied", "evil.org", 443)
