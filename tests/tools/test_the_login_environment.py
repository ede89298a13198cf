"""Commands run in the environment that a login shell would give them, without paying for one each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from codexd.tools.login_env import (
    FORCED,
    LoginEnvironment,
    capture,
    command_shell,
    login_files,
    login_shell,
    tool_environment,
)
from kept import SHARED_KEEPER
from trio_test import trio_test


def own(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"], "SHELL": "/bin/sh"} | more


def write_profile(home: Path, text: str, changed_ns: int = 1) -> None:
    """A profile that also leaves a line in `logins` each time it is read."""
    profile = home / ".profile"
    profile.write_text(f'echo >> "$HOME/logins"\n{text}\n')
    os.utime(profile, ns=(changed_ns, changed_ns))


def logins(home: Path) -> int:
    return len((home / "logins").read_text().splitlines())


@trio_test
async def test_commands_get_what_the_profile_sets(tmp_path: Path) -> None:
    write_profile(tmp_path, "export GREETING='hello\n=world'; LOCAL=1")
    variables = await LoginEnvironment(own(tmp_path), SHARED_KEEPER).variables()
    assert variables["GREETING"] == "hello\n=world"
    assert "LOCAL" not in variables
    assert variables["HOME"] == str(tmp_path)


@trio_test
async def test_output_and_traces_of_the_profile_are_not_taken_for_environment(
    tmp_path: Path,
) -> None:
    write_profile(tmp_path, "echo NOISE=1; echo MORE=2 >&2; export REAL=3; set -x")
    captured = await capture(SHARED_KEEPER, own(tmp_path))
    assert captured.fallback is None
    assert captured.variables["REAL"] == "3"
    assert not {"NOISE", "MORE"} & set(captured.variables)


@trio_test
async def test_the_login_shell_runs_once_however_many_ask(tmp_path: Path) -> None:
    write_profile(tmp_path, "")
    environment = LoginEnvironment(own(tmp_path), SHARED_KEEPER)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(environment.variables)
    await environment.variables()
    assert logins(tmp_path) == 1


@trio_test
async def test_a_profile_that_has_changed_is_read_again(tmp_path: Path) -> None:
    write_profile(tmp_path, "export WHICH=first")
    environment = LoginEnvironment(own(tmp_path), SHARED_KEEPER)
    assert (await environment.variables())["WHICH"] == "first"
    write_profile(tmp_path, "export WHICH=second", changed_ns=2)
    assert (await environment.variables())["WHICH"] == "second"


@trio_test
async def test_a_new_profile_is_read(tmp_path: Path) -> None:
    environment = LoginEnvironment(own(tmp_path), SHARED_KEEPER)
    assert "NEW" not in await environment.variables()
    write_profile(tmp_path, "export NEW=1")
    assert (await environment.variables())["NEW"] == "1"


@trio_test
async def test_a_failing_profile_loses_only_its_own_variables(
    tmp_path: Path,
) -> None:
    write_profile(tmp_path, "exit 3")
    environment = LoginEnvironment(own(tmp_path, KNOWN="1"), SHARED_KEEPER)
    assert (await environment.variables())["KNOWN"] == "1"
    assert environment.fallback == (
        "/bin/sh -l ended with code 3 before it had printed its environment"
    )
    await environment.variables()
    assert logins(tmp_path) == 1


@trio_test
async def test_a_profile_that_asks_something_gets_no_answer_and_continues(tmp_path: Path) -> None:
    write_profile(tmp_path, "read answer; export ANSWER=${answer:-none}")
    assert (await LoginEnvironment(own(tmp_path), SHARED_KEEPER).variables())["ANSWER"] == "none"


@trio_test
async def test_a_profile_that_never_ends_is_given_up(tmp_path: Path) -> None:
    write_profile(tmp_path, "sleep 60")
    captured = await capture(SHARED_KEEPER, own(tmp_path, KNOWN="1"), seconds_max=0.1)
    assert captured.variables["KNOWN"] == "1"
    assert captured.fallback == "/bin/sh -l was not done after 0.1 seconds"


@trio_test
async def test_a_shell_that_does_not_exist_is_said(tmp_path: Path) -> None:
    captured = await capture(SHARED_KEEPER, own(tmp_path, SHELL="/no/shell"))
    assert captured.fallback == "/no/shell could not be started: No such file or directory"


@trio_test
async def test_a_cancelled_wait_leaves_the_others_their_environment(tmp_path: Path) -> None:
    write_profile(tmp_path, "export SET=1")
    environment = LoginEnvironment(own(tmp_path), SHARED_KEEPER)
    with trio.CancelScope() as impatient:
        impatient.cancel()
        await environment.variables()
    assert (await environment.variables())["SET"] == "1"


@trio_test
async def test_a_key_is_hidden_from_tools_even_where_the_profile_sets_it(tmp_path: Path) -> None:
    write_profile(tmp_path, "export PROVIDER_KEY=from-profile OTHER=1")
    secrets = frozenset({"PROVIDER_KEY", "SECOND_KEY"})
    environment = LoginEnvironment(
        own(tmp_path, SECOND_KEY="x"), SHARED_KEEPER, secrets=lambda: secrets
    )
    variables = await environment.variables()
    assert not {"PROVIDER_KEY", "SECOND_KEY"} & set(variables)
    assert variables["OTHER"] == "1"


@trio_test
async def test_a_key_that_is_named_later_is_hidden_from_then_on_without_another_login(
    tmp_path: Path,
) -> None:
    write_profile(tmp_path, "export LATER_KEY=1")
    named: set[str] = set()
    environment = LoginEnvironment(own(tmp_path), SHARED_KEEPER, secrets=lambda: frozenset(named))
    assert "LATER_KEY" in await environment.variables()
    named.add("LATER_KEY")
    assert "LATER_KEY" not in await environment.variables()
    named.clear()
    assert "LATER_KEY" in await environment.variables()
    assert logins(tmp_path) == 1


@trio_test
async def test_the_login_shell_is_not_given_a_key_either(tmp_path: Path) -> None:
    """While it runs, another command could read its environment."""
    write_profile(tmp_path, "export SEEN=${DAEMONS_KEY:-none} OTHER=${PLAIN:-none}")
    given = own(tmp_path, DAEMONS_KEY="1", PLAIN="2")
    environment = LoginEnvironment(given, SHARED_KEEPER, secrets=lambda: frozenset({"DAEMONS_KEY"}))
    variables = await environment.variables()
    assert (variables["SEEN"], variables["OTHER"]) == ("none", "2")


def test_a_file_that_bash_reads_before_each_command_cannot_set_a_key_again() -> None:
    assert tool_environment({"BASH_ENV": "/keys"}, frozenset()) == FORCED


@trio_test
async def test_values_that_are_no_text_survive(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_bytes(b"export ODD='a\xffb'\n")
    captured = await capture(SHARED_KEEPER, own(tmp_path))
    assert os.fsencode(captured.variables["ODD"]) == b"a\xffb"


def test_output_is_plain_and_nothing_waits_in_a_pager() -> None:
    variables = tool_environment({"TERM": "xterm", "PAGER": "less", "A": "1"}, frozenset())
    assert variables == {"A": "1", **FORCED}


def test_variables_of_the_service_manager_are_not_passed_on() -> None:
    told = {"JOURNAL_STREAM": "9:1", "INVOCATION_ID": "f", "XPC_SERVICE_NAME": "c"}
    told |= {"NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "1", "LISTEN_PID": "7", "PWD": "/", "_": "x"}
    assert tool_environment(told, frozenset()) == FORCED


def test_the_shell_is_the_users_where_it_reads_what_models_write(tmp_path: Path) -> None:
    assert command_shell({"SHELL": "/bin/bash"}) == "/bin/bash"
    fish = tmp_path / "fish"
    fish.symlink_to(sys.executable)
    for other in (str(fish), "/usr/sbin/nologin", "bash", "/no/such/bash"):
        assert command_shell({"SHELL": other}) == "/bin/sh"


def test_without_the_variable_the_shell_is_that_of_the_user_database() -> None:
    assert os.path.isabs(login_shell({}))


def test_the_files_that_count_are_those_of_the_users_shell() -> None:
    assert "/h/.bash_profile" in login_files({"SHELL": "/bin/bash", "HOME": "/h"})
    assert "/h/.zprofile" in login_files({"SHELL": "/bin/zsh", "HOME": "/h"})
    zsh = login_files({"SHELL": "/bin/zsh", "HOME": "/h", "ZDOTDIR": "/h/zsh"})
    assert "/h/zsh/.zprofile" in zsh
    assert "/h/.zprofile" not in zsh
