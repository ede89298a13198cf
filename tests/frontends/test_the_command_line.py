"""The manners of codexctl: its table, its help, its errors, and its start time."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import EXITS
from codexd_frontends.ctl import build_parser, main
from codexd_frontends.subcommands import SUBCOMMANDS, Subcommand


@pytest.mark.parametrize("row", SUBCOMMANDS, ids=lambda row: row.name)
def test_every_row_has_a_module_that_runs(row: Subcommand) -> None:
    module = importlib.import_module(f"codexd_frontends.commands.{row.module or row.name}")
    assert callable(module.run)


def test_every_subcommand_has_help_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], *([row.name, "-h"] for row in SUBCOMMANDS)):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert all(
            re.search(rf"^ +{row.number}  {row.meaning}$", shown, re.MULTILINE) for row in EXITS
        )


def test_no_exit_code_and_no_word_has_two_meanings() -> None:
    assert len({row.number for row in EXITS}) == len({row.word for row in EXITS}) == len(EXITS)


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["send"], ["list", "--limit", "few"], ["send", "--last", "--new", "x"]]
)
def test_a_mistake_is_reported_with_the_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "usage: codexctl" in capsys.readouterr().err


def test_a_mistake_is_reported_to_a_program_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json", "--limit", "few"]) == 2
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["schema"], told["error"]["code"]) == (1, "usage")
    assert "expected a number from 1 on, found 'few'" in told["error"]["message"]


def test_shared_options_may_be_before_or_after_the_subcommand() -> None:
    for words in (["--socket", "/s", "status"], ["status", "--socket", "/s"]):
        assert build_parser().parse_args(words).socket == "/s"


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "--socket /s --color=never status --json",
        "--color always --socket=status list list",
        "--socket status",
        "--sock /s status",
        "--color status list",
        "dance status",
        "--help status",
        "status --help",
        "--jump status",
        "show T --at 1 --turns all",
        "send --last --new say",
        "-- list",
        "",
    ],
)
def test_the_parser_of_one_subcommand_reads_and_says_what_the_parser_of_all_does(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(words: list[str]) -> object:
        try:
            return vars(build_parser(words).parse_args(line.split()))
        except UsageError as refused:
            return str(refused)
        except SystemExit:
            return capsys.readouterr().out

    assert read(line.split()) == read([])


def test_a_subcommand_imports_nothing_heavy() -> None:
    script = (
        "import sys, codexd_frontends.ctl as ctl\n"
        "import codexd_frontends.commands.send, codexd_frontends.commands.attach\n"
        "heavy = {'trio', 'httpx', 'asyncio', 'subprocess', 'platformdirs', 'json', 'http.client'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_ctrl_c_while_it_imports_ends_it_without_a_traceback(tmp_path: Path) -> None:
    """The first thing that it imports raises the signal."""
    script = (
        "import os, signal, sys, codexd_frontends\n"
        "codexd_frontends.leave_on_interrupt()\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'argparse':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "import codexd_frontends.ctl\n"
    )
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, check=False, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """`codexctl paths | head -c 0`, and the like."""
    script = f"{sys.executable} -m codexd_frontends.ctl paths | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, cwd=tmp_path)
    assert done.returncode in (0, 141)
    assert done.stderr == b""


def test_paths_follow_the_home(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codexd_frontends.ctl", "paths", "--json"],
        env={"CODEXD_HOME": str(tmp_path), "HOME": "/nowhere"},
        capture_output=True,
        check=True,
    )
    assert msgspec.json.decode(done.stdout) == {
        "schema": 1,
        "paths": {
            "config": f"{tmp_path}/config.toml",
            "data": f"{tmp_path}",
            "state": f"{tmp_path}/state",
            "runtime": f"{tmp_path}/run",
            "socket": f"{tmp_path}/run/codexd.sock",
            "log": f"{tmp_path}/state/codexd.log",
        },
    }
    assert list(tmp_path.iterdir()) == []
