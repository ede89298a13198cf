"""The variables that a client passes for its turn, on top of what the login shell of the daemon set."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from codexd.tools.passed_env import KEPT_MAX, Passed, PassedVariables, with_passed
from codexd_frontends.client.passed_env import passed_variables

USUAL = "/usr/bin:/bin"


@pytest.mark.parametrize(
    ("own", "login", "passed", "expected"),
    [
        ({}, {}, {"A": "1"}, {"A": "1"}),
        ({"A": "1"}, {"A": "1"}, {"A": "2"}, {"A": "2"}),
        ({"A": "1"}, {"A": "1"}, {"A": None}, {}),
        ({"A": "1"}, {"A": "1"}, {"A": ""}, {"A": ""}),
        ({}, {"A": "of the profile"}, {"A": None}, {"A": "of the profile"}),
        ({}, {"A": "of the profile"}, {"A": "of the client"}, {"A": "of the client"}),
        ({}, {"B": "1"}, {}, {"B": "1"}),
    ],
)
def test_a_variable_is_set_removed_or_left_as_the_profile_has_it(
    own: Mapping[str, str], login: Mapping[str, str], passed: Passed, expected: Mapping[str, str]
) -> None:
    assert with_passed(login, own, passed) == expected


@pytest.mark.parametrize(
    ("own", "login", "passed", "expected"),
    [
        # The shell that started the daemon: where the profile only adds, its order counts.
        (USUAL, f"/p:{USUAL}", USUAL, f"/p:{USUAL}"),
        (f"/v/bin:{USUAL}", USUAL, f"/v/bin:{USUAL}", f"/v/bin:{USUAL}"),
        # Another shell: its order, then what the profile adds.
        (USUAL, f"/p:{USUAL}", f"/w/bin:{USUAL}", f"/w/bin:{USUAL}:/p"),
        (f"/v/bin:{USUAL}", f"/p:/v/bin:{USUAL}", "/usr/bin", "/usr/bin:/p:/bin"),
    ],
)
def test_path_has_the_folders_of_the_client_and_those_of_the_profile(
    own: str, login: str, passed: str, expected: str
) -> None:
    variables = {"PATH": passed, "VIRTUAL_ENV": "/w" if "/w" in passed else None}
    environment = {"PATH": own, **({"VIRTUAL_ENV": "/v"} if "/v" in own else {})}
    if passed == own:
        variables["VIRTUAL_ENV"] = environment.get("VIRTUAL_ENV")
    found = with_passed({**environment, "PATH": login}, environment, variables)
    assert found["PATH"] == expected


def test_a_turn_has_its_clients_variables_and_else_those_of_the_threads_last_turn() -> None:
    known: list[Mapping[str, str]] = []
    passed = PassedVariables(known.append)
    passed.begin("thread", "t0", None)
    passed.begin("thread", "t1", {"A": "1", "B": None})
    passed.begin("thread", "t2", {"A": "2"})
    passed.begin("thread", "t3", None)
    passed.begin("other", "t4", None)
    turns = [dict(passed.of_turn(turn)) for turn in ("t0", "t1", "t2", "t3", "t4", "")]
    assert turns == [{}, {"A": "1", "B": None}, {"A": "2"}, {"A": "2"}, {}, {}]
    assert known == [{"A": "1"}, {"A": "2"}]  # for the redaction, before any command has them


def test_kept_variables_are_bounded_and_the_newest_stay() -> None:
    passed = PassedVariables(lambda variables: None)
    for number in range(KEPT_MAX):
        passed.begin("thread", f"t{number}", {"A": str(number)})
    assert not passed.of_turn("t0")
    assert passed.of_turn(f"t{KEPT_MAX - 1}") == passed.last("thread")


def test_codexctl_passes_its_list_and_the_named_ones_with_null_for_what_is_not_set() -> None:
    environ = {
        "SSH_AUTH_SOCK": "/tmp/agent",
        "DISPLAY": "",
        "KUBECONFIG": "/caf\udce9",  # no UTF-8
        "MINE": "1",
        "OTHER": "2",
        "CODEXD_PASS_ENV": "MINE, ABSENT\t",
    }
    passed = passed_variables(environ)
    assert (passed["SSH_AUTH_SOCK"], passed["DISPLAY"], passed["MINE"]) == ("/tmp/agent", "", "1")
    assert passed["VIRTUAL_ENV"] is passed["ABSENT"] is None
    assert not {"KUBECONFIG", "OTHER", "", "HOME"} & passed.keys()
