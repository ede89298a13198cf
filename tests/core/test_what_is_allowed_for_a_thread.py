"""What a person allowed for the rest of a thread is seen as what it allows, and is taken back by its id."""

from __future__ import annotations

from builders import ENDED, FIRST_TURN, answer, asked_about, line, made
from codexd.core import commands as c
from codexd.core.events.events import GrantsRevoked
from codexd.core.policy.approval import session_key
from codexd.core.policy.grants import Grant, grant_id, grants_of
from codexd.core.values.tool_actions import ApplyPatch, ExecCommand, PatchedFile
from spec import given

KEY = session_key(line("make"))
GRANTED = given(*FIRST_TURN, made("c1"), asked_about("c1", line("make")), ENDED).when(
    answer(asked_about("c1", line("make")), "acceptForSession")
)
BEFORE = (*FIRST_TURN, made("c1"), asked_about("c1", line("make")), ENDED, *GRANTED.events)


def test_each_kind_of_action_is_shown_as_what_it_allows() -> None:
    files = tuple(PatchedFile(path, None, "0f", "") for path in ("/p/b", "/p/a"))
    keys = [
        session_key(action)
        for action in (
            line("make \x1b[2J"),
            line("make", escalated=True),
            ExecCommand("vim", (), "/project", 0, session="1", tty=True),
            ApplyPatch("", "/p", files),
        )
    ]
    cwd = line("make").cwd
    shown = {(grant.kind, grant.line, grant.folder) for grant in grants_of(keys)}
    assert shown == {
        ("command", "make \x1b[2J", cwd),
        ("command", "make (outside of the sandbox)", cwd),
        ("command", "vim", "/project"),
        ("patch", "/p/a /p/b", None),
    }
    assert len({grant.id for grant in grants_of(keys)}) == 4


def test_a_key_of_another_version_is_shown_as_it_is() -> None:
    for key, kind in (('{"kind":"later","x":1}', "later"), ("7", "other"), ('["x"]', "x")):
        (grant,) = grants_of([key])
        assert (grant.id, grant.kind) == (grant_id(key), kind)


def test_a_grant_is_taken_back_by_its_id_and_asked_about_again() -> None:
    (grant,) = grants_of(GRANTED.state.allowed_for_session)
    assert grant == Grant(grant_id(KEY), "command", "make", line("make").cwd)
    revoked = given(*BEFORE).when(c.RevokeGrants(grants=(grant.id,)))
    revoked.then(GrantsRevoked((KEY,)))
    assert revoked.state.allowed_for_session == frozenset()
    given(*BEFORE).when(c.RevokeGrants(all=True)).then(GrantsRevoked((KEY,)))


def test_an_unknown_id_takes_nothing_back_and_nothing_is_recorded_for_nothing() -> None:
    given(*BEFORE).when(c.RevokeGrants(grants=(grant_id(KEY), "0"))).then_rejected(
        "grant_not_found"
    )
    given(*FIRST_TURN).when(c.RevokeGrants(all=True)).then()
    given(*BEFORE).when(c.RevokeGrants()).then()
