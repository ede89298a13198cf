"""A home whose path is long, and a working directory that is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from codexd.machine.owners import NotOurs, make_own_folder
from daemon_house import PATIENCE_SECONDS, Home

from .codexctl import Ended, codexctl, command, playing


def from_a_deleted_folder(home: Home, *words: str) -> Ended:
    folder = home.work / "gone"
    folder.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *command(*words)],
        check=False,
        env=home.env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_home_whose_socket_has_too_long_a_path_is_served_too(home: Home) -> None:
    long = home.path / ("x" * 150)
    home.env["CODEXD_HOME"] = str(long)
    try:
        assert codexctl(home, "status").code == 69
        assert codexctl(home, "list") == (0, "", "")
        assert codexctl(home, "status", "--json").json["socket"] == str(long / "run/codexd.sock")
    finally:
        assert codexctl(home, "stop", "--now").code == 0


def test_a_home_is_the_same_however_its_path_is_written(home: Home) -> None:
    pid = codexctl(home, "start", "--json").json["pid"]
    home.root.joinpath("link").symlink_to(home.path)
    for given in ("../h", "../w/../h/", f"/{home.path}", "~/h", "../link", f"{home.path}//."):
        home.env["CODEXD_HOME"] = given
        assert codexctl(home, "status", "--json").json["pid"] == pid, given


def test_a_relative_home_stays_where_it_was_for_commands_and_without_its_folder(home: Home) -> None:
    home.env["CODEXD_HOME"] = "../h"
    with playing() as model:
        home.use_model(model.base_url)
        sent = codexctl(home, "send", "run cd /; echo $CODEXD_HOME")
        assert f"  {home.path}\n" in sent.err
        home.work.rmdir()
        home.work = home.root / "elsewhere"
        home.work.mkdir()
        home.env["CODEXD_HOME"] = str(home.path)
        assert codexctl(home, "send", "say 1").code == 0


def test_the_root_folder_is_no_home() -> None:
    with pytest.raises(NotOurs, match="expected a folder of codexd's own, found /"):
        make_own_folder(Path("/"))


def test_from_a_deleted_folder_nothing_is_sent_and_the_list_comes(home: Home) -> None:
    refused = from_a_deleted_folder(home, "send", "x")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "the working directory is gone" in refused.err
    assert from_a_deleted_folder(home, "list") == (0, "", "")


def test_the_daemon_keeps_no_folder_that_it_was_started_in(home: Home) -> None:
    pid = codexctl(home, "start", "--json").json["pid"]
    assert Path(os.readlink(f"/proc/{pid}/cwd")) == Path("/")
