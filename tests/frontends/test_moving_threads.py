"""codexctl export and import: where a thread goes, the outcome of each file, and the exit code."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd_frontends.ctl import main
from daemon_house import Daemon, Home
from rollout_files import files_of, thread_id

from . import said
from .codexctl import codexctl
from .fake_daemon import FakeDaemon, Json
from .terminal import Terminal

Captured = pytest.CaptureFixture[str]
ID = "019a1111-0000-7000-8000-000000000001"


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def exported(path: str) -> Json:
    return {"threadId": ID, "path": path, "sizeBytes": 20480, "logs": 1, "blobs": 0}


def file(outcome: str, **more: Any) -> Json:
    return {"path": "/h/rollout-1.jsonl", "kind": "rollout", "outcome": outcome, **more}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("The moon", "The-moon.codexd.tar"),
        ("../a/b", "a-b.codexd.tar"),
        ("~/…", f"{ID}.codexd.tar"),
        (None, f"{ID}.codexd.tar"),
    ],
)
def test_an_export_is_named_after_the_thread(
    tmp_path: Path, capfd: Captured, name: str | None, expected: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread(ID, name=name)})
        fake.answer("thread/export", exported(str(Path.cwd() / expected)))
        assert run(fake, "export", ID) == 0
        asked = fake.wait_for("thread/export")
    assert asked == {"threadId": ID, "path": str(Path.cwd() / expected), "force": False}
    out, err = capfd.readouterr()
    assert out == f"{Path.cwd() / expected}\n"
    assert err == "20480 bytes: 1 logs, 0 blobs. `codexctl import` brings it in elsewhere.\n"


def test_an_import_reports_the_outcome_of_each_file(tmp_path: Path, capfd: Captured) -> None:
    problem = {"path": "/h/rollout-1.jsonl", "line": 7, "message": "expected JSON, found \x1b[1m"}
    with FakeDaemon(tmp_path) as fake:
        files = [
            file("imported", threadIds=[ID], events=9, problems=[problem], problemsInAll=3),
            file("already_here", threadIds=[ID]),
        ]
        fake.answer("thread/import", {"files": files})
        assert run(fake, "import", "here", "/there") == 0
        assert fake.wait_for("thread/import") == {
            "paths": [str(Path.cwd() / "here"), "/there"],
            "dryRun": False,
        }
    out, err = capfd.readouterr()
    assert out == (f"{ID}  imported  /h/rollout-1.jsonl\n{ID}  already here  /h/rollout-1.jsonl\n")
    assert err.startswith("/h/rollout-1.jsonl:7: expected JSON, found ")
    assert "\x1b" not in err
    assert err.endswith("/h/rollout-1.jsonl: and 2 more like these\n")


def test_a_refused_file_is_a_failure(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        files = [file("imported", threadIds=[ID]), file("refused", message="/h/x: no rollout")]
        fake.answer("thread/import", {"files": files})
        assert run(fake, "import", "/h") == 1
        assert capfd.readouterr().err == "refused  /h/x: no rollout\n"
        assert run(fake, "import", "/h", "--json") == 1
    document = msgspec.json.decode(capfd.readouterr().out)
    assert [moved["outcome"] for moved in document["files"]] == ["imported", "refused"]
    assert document["dryRun"] is False


def test_a_dry_run_says_that_it_is_a_dry_run(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/import", {"files": [file("imported", threadIds=[ID])]})
        assert run(fake, "import", "--dry-run", "/h") == 0
        assert fake.wait_for("thread/import")["dryRun"] is True
    assert capfd.readouterr().out == f"{ID}  would be imported  /h/rollout-1.jsonl\n"


def test_a_package_is_not_written_onto_a_terminal(tmp_path: Path) -> None:
    with (
        FakeDaemon(tmp_path) as fake,
        Terminal("--socket", fake.path, "export", ID, "-o", "-") as terminal,
    ):
        assert terminal.wait_exit() == 2
        assert "expected a file or a pipe for a package, found a terminal" in terminal.screen


def test_the_demo_replaces_no_config(home: Home) -> None:
    home.configure("# mine\n")
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "codexd_frontends.demo",
            "--scripted",
            "--home",
            str(home.path),
        ],
        env=home.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert f"expected a home without a config.toml, found {home.path}" in ended.stderr
    assert (home.path / "config.toml").read_text() == "# mine\n"


def test_threads_of_codex_are_imported_and_exported_again(daemon: Daemon, tmp_path: Path) -> None:
    home = daemon.home
    done = codexctl(home, "import", str(files_of(1)[0]))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{thread_id(1)}  imported  ")
    assert "Lexer" in codexctl(home, "list", "--limit", "1000").out
    shown = codexctl(home, "show", "Lexer").out
    assert "It reads one byte too many." in shown
    assert f"  from   rollout {files_of(1)[0]}\n" in shown
    log = codexctl(home, "log", "Lexer").out
    assert "thread.imported" in log
    packed = codexctl(home, "export", "Lexer", "-o", str(tmp_path / "lexer"))
    assert (packed.code, packed.out) == (0, f"{tmp_path / 'lexer'}\n")
    again = codexctl(home, "export", "Lexer", "-o", str(tmp_path / "lexer"))
    assert again.code == 2
    assert tarfile.is_tarfile(tmp_path / "lexer")
    assert codexctl(home, "import", str(tmp_path / "lexer")).out.startswith(
        f"{thread_id(1)}  already here  "
    )
