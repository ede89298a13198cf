"""The documentation is correct: its examples run, its links lead somewhere, its tables are the code's.

A fenced block of `console` or `python` whose first line is `# runs` is run; `# runs, needs jq` where jq
is installed. The blocks of a page run in order, in one home with one daemon, against the scripted model.
In a console block a line with `$` is a command and those below it are its output, where a `…` stands for
anything; a command without any may say what it likes. Each must succeed. The word THREAD is the thread that
was spoken of last; a page that begins with it finds one in which a command has run.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from checkout import CHECKOUT
from docs_reference import PAGES
from model_process import model_process

COMMAND_SECONDS_MAX = 30

# What is said in a thread for the pages that look at one: a command and an answer, by the scripted model.
SEED_PROMPT = "run echo hello"

FENCE = re.compile(
    r"^```(console|python)\n# runs(?:, needs (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
SPOKEN_OF = re.compile(r"^(?:thread )?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.MULTILINE)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])


def where(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


class Block(NamedTuple):
    language: str
    needs: str | None
    body: str


class Command(NamedTuple):
    line: str
    output: str  # what the page shows; "" where it shows nothing


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        lines = part.split("\n")
        # A command goes on where its line ends with a backslash.
        length = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        yield Command("\n".join(lines[:length]), "\n".join(lines[length:]).strip())


def looks_like(shown: str, found: str) -> bool:
    """Whether output is what a page shows, a `…` standing for anything."""
    pattern = ".*".join(re.escape(piece) for piece in re.split("…", shown))
    return re.fullmatch(pattern, found.strip(), re.DOTALL) is not None


RUNNING = [page for page in DOCUMENTS if blocks(page)]


@pytest.fixture
def scripted_home(tmp_path: Path) -> Iterator[Path]:
    """A home whose provider is the scripted model, for as long as the test lasts."""
    home = tmp_path / "codexd"
    home.mkdir(mode=0o700)
    with model_process() as base_url:
        (home / "config.toml").write_text(
            f"""
            model = "scripted"
            model_context_window = 272000
            model_provider = "scripted"
            [model_providers.scripted]
            name = "the scripted model"
            base_url = "{base_url}"
            """,
            encoding="utf-8",
        )
        yield home


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, home: Path, codexd_home: Path) -> None:
        self.work = home / "project"
        self.work.mkdir()
        self.thread = ""
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "CODEXD_HOME": str(codexd_home),
        }

    def follow(self, block: Block) -> None:
        if block.language == "python":
            self.run([sys.executable, "-c", block.body])
            return
        for command in commands(block.body):
            if "THREAD" in command.line and not self.thread:
                self.run(["codexctl", "send", "--approval-policy", "never", SEED_PROMPT])
            found = self.run(["bash", "-c", command.line.replace("THREAD", self.thread)])
            assert not command.output or looks_like(command.output, found), (
                f"$ {command.line}\nthe page shows:\n{command.output}\nfound:\n{found}"
            )

    def run(self, argv: list[str]) -> str:
        ran = subprocess.run(
            argv,
            cwd=self.work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        assert ran.returncode == 0, f"{argv[-1]}\nended with {ran.returncode}:\n{ran.stdout}"
        self.thread = (SPOKEN_OF.findall(ran.stdout) or [self.thread])[-1]
        return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=where)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, scripted_home: Path) -> None:
    reader = Reader(tmp_path, scripted_home)
    try:
        for block in blocks(page):
            if not block.needs or shutil.which(block.needs):
                reader.follow(block)
    finally:
        reader.run(["codexctl", "stop", "--now"])


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_equals_the_code(page: str) -> None:
    written = (CHECKOUT / page).read_text(encoding="utf-8")
    assert written == PAGES[page](), f"{page} is stale: run `make docs` and commit what it wrote"


@pytest.mark.parametrize("page", DOCUMENTS, ids=where)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(_without_code(page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            dead.append(link)
        elif anchor and anchor not in anchors(target):
            dead.append(f"{link} (no such heading)")
    assert not dead, f"{where(page)}: {', '.join(dead)}"


@functools.cache
def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = HEADING.findall(_without_code(page.read_text(encoding="utf-8")))
    return {
        "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")
        for heading in headings
    }


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_every_page_can_be_reached_from_the_first() -> None:
    start = CHECKOUT / "README.md"
    seen, pending = {start}, [start]
    while pending:
        page = pending.pop()
        for link in LINK.findall(_without_code(page.read_text(encoding="utf-8"))):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file() and target not in seen:
                seen.add(target)
                pending.append(target)
    lost = [where(page) for page in DOCUMENTS if page not in seen]
    assert not lost, f"no link leads to {', '.join(lost)}"
