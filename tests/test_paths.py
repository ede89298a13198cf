"""The folders of codexd, and where a socket can be bound."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from codexd.machine.paths import (
    SOCKET_PATH_BYTES_MAX,
    Paths,
    SocketAddress,
    UnusableSocketPath,
    default_paths,
    find_paths,
    parse_socket_url,
    short_folder,
    socket_address,
)

HOME = Path("/home/ann")
NOBODY = Path("/nonexistent")  # no session of anybody
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the XDG directories are Linux's")


def test_a_home_of_its_own_holds_everything() -> None:
    assert find_paths({"CODEXD_HOME": "/srv/codexd", "XDG_DATA_HOME": "/data"}) == Paths(
        config_file=Path("/srv/codexd/config.toml"),
        data_dir=Path("/srv/codexd"),
        state_dir=Path("/srv/codexd/state"),
        runtime_dir=Path("/srv/codexd/run"),
        socket=Path("/srv/codexd/run/codexd.sock"),
    )


def test_a_relative_home_is_made_absolute() -> None:
    assert find_paths({"CODEXD_HOME": "here"}).data_dir == Path.cwd() / "here"


def test_the_socket_may_be_elsewhere() -> None:
    assert find_paths({"CODEXD_HOME": "/c", "CODEXD_SOCKET": "/x/s"}).socket == Path("/x/s")


@linux_only
def test_without_a_home_each_folder_is_where_the_platform_wants_it() -> None:
    environ = {"HOME": str(HOME), "XDG_RUNTIME_DIR": "/run/user/1000"}
    assert find_paths(environ, sessions=NOBODY) == Paths(
        config_file=HOME / ".config/codexd/config.toml",
        data_dir=HOME / ".local/share/codexd",
        state_dir=HOME / ".local/state/codexd",
        runtime_dir=Path("/run/user/1000/codexd"),
        socket=Path("/run/user/1000/codexd/codexd.sock"),
    )


@linux_only
def test_the_user_may_move_each_kind_but_not_by_a_relative_path() -> None:
    environ = {
        "HOME": str(HOME),
        "XDG_CONFIG_HOME": "/etc/ann",
        "XDG_DATA_HOME": "/data",
        "XDG_STATE_HOME": "relative",
        "XDG_RUNTIME_DIR": "/run/ann",
    }
    paths = find_paths(environ, sessions=NOBODY)
    assert paths.config_file == Path("/etc/ann/codexd/config.toml")
    assert paths.data_dir == Path("/data/codexd")
    assert paths.state_dir == HOME / ".local/state/codexd"
    assert paths.runtime_dir == Path("/run/ann/codexd")


@linux_only
def test_without_the_variable_the_socket_is_the_same(tmp_path: Path) -> None:
    session = tmp_path / str(os.getuid())
    session.mkdir()
    assert find_paths({"HOME": str(HOME)}, sessions=tmp_path).runtime_dir == session / "codexd"


@linux_only
def test_without_a_session_the_socket_is_in_our_state() -> None:
    paths = find_paths({"HOME": str(HOME)}, sessions=NOBODY)
    assert paths.runtime_dir == HOME / ".local/state/codexd/run"


def test_the_places_of_this_process_are_absolute() -> None:
    paths = default_paths()
    assert all(getattr(paths, place).is_absolute() for place in paths.__struct_fields__)


def test_a_socket_url() -> None:
    default = Path("/run/codexd.sock")
    assert parse_socket_url("unix:///x/y.sock", default) == Path("/x/y.sock")
    assert parse_socket_url("unix://y.sock", default) == Path.cwd() / "y.sock"
    assert parse_socket_url("unix://", default) == default
    with pytest.raises(UnusableSocketPath, match="expected unix://PATH or unix://, found 'ws://h'"):
        parse_socket_url("ws://h", default)


def private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    return folder


def named(folder: Path, length: int) -> Path:
    """A path in a folder whose bytes are that many."""
    return folder / ("s" * (length - len(os.fsencode(folder)) - 1))


def test_a_socket_is_bound_where_it_was_asked_for(tmp_path: Path) -> None:
    asked = tmp_path / "run" / "codexd.sock"
    assert socket_address(asked) == SocketAddress(asked)
    assert asked.parent.stat().st_mode & 0o777 == 0o700


def test_the_limit_is_the_systems_own(tmp_path: Path) -> None:
    folder = private(tmp_path / "p")
    longest = named(folder, SOCKET_PATH_BYTES_MAX)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fsencode(longest))
    with socket.socket(socket.AF_UNIX) as unbound, pytest.raises(OSError, match="too long"):
        unbound.bind(os.fsencode(longest) + b"s")


@pytest.mark.parametrize(("length", "direct"), [(100, True), (101, False)])
def test_a_path_that_is_too_long_gets_a_short_path(
    tmp_path: Path, length: int, direct: bool
) -> None:
    bound = len(os.fsencode(tmp_path)) + 30
    asked = named(private(tmp_path / "p"), bound - 100 + length)
    place = socket_address(asked, bytes_max=bound, short_root=tmp_path)
    if direct:
        assert place == SocketAddress(asked)
        return
    assert place.link == asked
    assert place.bind.parent == tmp_path / f"codexd-{os.getuid()}"
    assert place.bind.parent.stat().st_mode & 0o777 == 0o700
    assert len(place.bind.name) == 16
    assert socket_address(asked, bytes_max=bound, short_root=tmp_path) == place


def test_a_folder_that_others_may_look_into_gets_a_link_only(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    place = socket_address(folder / "s", short_root=tmp_path)
    assert place.link == folder / "s"
    assert place.bind.parent == tmp_path / f"codexd-{os.getuid()}"


def test_different_paths_get_different_short_paths(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    places = {socket_address(folder / name, short_root=tmp_path).bind for name in "abc"}
    assert len(places) == 3


def test_a_private_folder_may_be_asked_for_through_a_symlink(tmp_path: Path) -> None:
    private(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    asked = tmp_path / "link" / "s"
    assert socket_address(asked) == SocketAddress(asked)


def test_a_short_folder_that_is_not_ours_alone_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (tmp_path / f"codexd-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(
        UnusableSocketPath, match=r"found a folder of uid \d+ with mode 0755; no socket"
    ):
        socket_address(shared / "s", short_root=tmp_path)


def test_a_short_folder_is_not_followed_through_a_symlink(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    private(tmp_path / "trap")
    (tmp_path / f"codexd-{os.getuid()}").symlink_to(tmp_path / "trap")
    with pytest.raises(UnusableSocketPath, match="found something else"):
        socket_address(shared / "s", short_root=tmp_path)


def test_the_short_folder_of_sockets_is_one_of_codexds(tmp_path: Path) -> None:
    """So no command in a sandbox sees it."""
    address = socket_address(tmp_path / "socket", bytes_max=9, short_root=tmp_path)
    assert address.bind.parent == short_folder(tmp_path)
    assert short_folder() in find_paths({"CODEXD_HOME": "/x", "HOME": "/h"}).folders
