"""The profile for sandbox-exec, as text: the last rule that matches decides."""

from __future__ import annotations

import re

from codexd.sandbox.roots import Mount, View
from codexd.sandbox.seatbelt import seatbelt_argv, seatbelt_profile

VIEW = View(
    (
        Mount("/w", "write"),
        Mount("/w/.git", "read"),
        Mount("/w/home", "hide"),
    )
)


def test_everything_is_denied_first_and_reading_is_allowed() -> None:
    profile, _ = seatbelt_profile(View(()))
    lines = profile.splitlines()
    assert lines[:2] == ["(version 1)", "(deny default)"]
    assert "(allow file-read*)" in lines
    assert not re.search(r"allow (network|file-write\*[^\n]*subpath)", profile)
    assert profile.count("(") == profile.count(")")


def test_what_is_protected_comes_after_what_is_writable() -> None:
    profile, parameters = seatbelt_profile(VIEW)
    assert parameters == {"WRITE_0": "/w", "READ_1": "/w/.git", "HIDE_2": "/w/home"}
    assert profile.splitlines()[-4:] == [
        '(allow file-write* (subpath (param "WRITE_0")))',
        '(deny file-write-unlink (literal (param "WRITE_0")))',
        '(deny file-write* (literal (param "READ_1")) (subpath (param "READ_1")))',
        '(deny file-read* file-write* (literal (param "HIDE_2")) (subpath (param "HIDE_2")))',
    ]


def test_what_is_shown_within_what_is_hidden_is_read() -> None:
    profile, _ = seatbelt_profile(View((Mount("/h", "hide"), Mount("/h/skills", "read"))))
    assert profile.splitlines()[-1] == (
        '(allow file-read* (literal (param "READ_1")) (subpath (param "READ_1")))'
    )


def test_the_network_has_no_unix_sockets_but_that_of_names() -> None:
    profile, _ = seatbelt_profile(View((), network=True))
    rules = profile.splitlines()
    denied = rules.index("(deny network-outbound (remote unix-socket))")
    assert rules.index("(allow network-outbound)") < denied
    assert [rule for rule in rules[denied + 1 :] if "network-" in rule] == [
        '(allow network-outbound (remote unix-socket (subpath "/private/var/run/mDNSResponder")))'
    ]


def test_no_path_is_a_part_of_the_language() -> None:
    hostile = '/w/")(allow default)("'
    argv = seatbelt_argv(("ls",), View((Mount(hostile, "write"),)), variables=(("A", "b"),))
    assert argv[:2] == ("/usr/bin/sandbox-exec", "-p")
    assert "allow default" not in argv[2]
    assert argv[3:] == (f"-DWRITE_0={hostile}", "--", "/usr/bin/env", "A=b", "ls")
