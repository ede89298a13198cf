"""A command has the umask of the shell that started the daemon, whose own files stay private."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from codexd.models.scripted.scripts import Call, Say
from daemon_house import Home

from .codexctl import codexctl, playing


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)]
)
def test_a_command_makes_files_with_the_umask_of_the_shell(
    home: Home, umask: int, file: int, folder: int
) -> None:
    arguments = msgspec.json.encode({"command": "touch f; mkdir d"}).decode()
    with playing((Call("shell_command", arguments),), Say(("Done.",))) as model:
        home.use_model(model.base_url)
        home.start(umask=umask)
        assert codexctl(home, "send", "x").code == 0
    assert (_mode(home.work / "f"), _mode(home.work / "d")) == (file, folder)
    assert [_mode(log) for log in home.logs()] == [0o600]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
