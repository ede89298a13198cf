"""The units and the property list: what their managers say of them, and what is written for an installation."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import CHECKOUT
from codexd_frontends.client.errors import UsageError
from codexd_frontends.service.units import property_list, systemd_units, unit_word

ANALYZE = shutil.which("systemd-analyze")
ODD = 'a "b" c%d $e \\f'
# launchd.plist(5): the keys that are used, and the types of their values.
KEYS: dict[str, type] = {
    "AbandonProcessGroup": bool,
    "EnvironmentVariables": dict,
    "ExitTimeOut": int,
    "KeepAlive": dict,
    "Label": str,
    "ProcessType": str,
    "ProgramArguments": list,
    "RunAtLoad": bool,
    "Sockets": dict,
    "StandardErrorPath": str,
}


def written(folder: Path, command: list[str], *, version: int = 252) -> dict[str, str]:
    variables = {"CODEXD_HOME": f"/x/{ODD}"}
    units = systemd_units(
        command, folder / "codexd.sock", Path("/run/user/1"), variables, version=version
    )
    for name, text in units.items():
        (folder / name).write_text(text)
    return units


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")
@pytest.mark.slow
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    folder = tmp_path / ODD.replace('"', "").replace("\\", "")
    folder.mkdir(mode=0o700)
    program = folder / "codexd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    written(folder, [str(program), "-x"])
    verified = subprocess.run(
        [str(ANALYZE), "--user", "verify", folder / "codexd.service", folder / "codexd.socket"],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_a_unit_names_the_installation_and_the_home(tmp_path: Path) -> None:
    command = [f"/opt/{ODD}/codexd", "$x"]
    units = written(tmp_path, command)
    service = units["codexd.service"]
    words = '"/opt/a \\"b\\" c%%d $e \\\\f/codexd" "$$x"'
    assert f"ExecStart={words} --drain 20\n" in service
    assert 'Environment="CODEXD_HOME=/x/a \\"b\\" c%%d $e \\\\f"\n' in service
    assert "Type=notify\n" in service
    assert f"ListenStream={tmp_path}/codexd.sock\n" in units["codexd.socket"]
    newer = written(tmp_path, command, version=253)["codexd.service"]
    assert "Type=notify-reload\n" in newer
    assert "ExecReload" not in newer
    with pytest.raises(UsageError, match="line break"):
        unit_word("a\nExecStart=b")
    with pytest.raises(UsageError, match="at most"):
        systemd_units(command, Path("/" + "x" * 200), tmp_path, {}, version=252)


def test_the_property_list_has_keys_of_launchd_and_absolute_paths() -> None:
    shipped = plistlib.loads((CHECKOUT / "launchd" / "dev.codexd.codexd.plist").read_bytes())
    content = property_list(
        ["/opt/a & b/codexd"], Path("/x/s"), Path("/x/l"), {"CODEXD_HOME": "/x"}, path="/bin"
    )
    plist = plistlib.loads(content)
    assert plist.keys() == shipped.keys() == KEYS.keys()
    assert {key: type(value) for key, value in plist.items()} == KEYS
    assert plist["ProgramArguments"] == ["/opt/a & b/codexd", "--drain", "20", "--log", "/x/l"]
    assert plist["Sockets"] == {"codexd": {"SockPathName": "/x/s", "SockPathMode": 0o600}}
    assert plist["EnvironmentVariables"] == {"PATH": "/bin", "CODEXD_HOME": "/x"}
    assert plist["KeepAlive"] == {"SuccessfulExit": False}
    assert plist["ProcessType"] in ("Background", "Standard", "Adaptive", "Interactive")
    assert b"@" not in content
