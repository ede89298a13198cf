"""codexctl sandbox: a command in the sandbox of the configuration or of a mode, without a daemon."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon_house import Home

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("bwrap") is None,
        reason="bubblewrap is not installed",
    ),
    pytest.mark.slow,
]


def sandbox(home: Home, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codexd_frontends.ctl", "sandbox", "-C", str(folder), *arguments],
        env=home.env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_mode_is_that_of_the_project_or_of_the_command_line() -> None:
    with Home() as home:
        home.configure(f'[projects."{home.work}"]\ntrust_level = "trusted"\n')
        elsewhere = home.root / "elsewhere"
        elsewhere.mkdir()
        line = "echo $CODEXD_SANDBOX; echo x > made; exit 7"
        done = sandbox(home, home.work, "--", "sh", "-c", line)
        assert (done.returncode, done.stdout, done.stderr) == (7, "workspace-write\n", "")
        assert (home.work / "made").exists()
        done = sandbox(home, elsewhere, "--", "sh", "-c", line)
        assert (done.returncode, done.stdout) == (7, "read-only\n")
        assert "Read-only file system" in done.stderr
        done = sandbox(home, elsewhere, "-s", "danger-full-access", "--", "sh", "-c", line)
        assert (done.returncode, done.stdout, done.stderr) == (7, "\n", "")
        (home.work / ".codex").rmdir()
        (home.work / ".codex").symlink_to(elsewhere)
        done = sandbox(home, home.work, "--", "true")
        assert done.returncode == 125
        assert "true was not run" in done.stderr
        assert "symbolic link" in done.stderr
