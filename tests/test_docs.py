"""The documentation says what is so: its examples run, its links lead somewhere, its tables are the code's.

A fenced block of `console` or `python` whose first line is `# runs` is run; `# runs, needs jq` where jq
is installed. The blocks of a page run in order, in one home with one daemon, against the scripted model.
In a console block a line with `$` is a command and those below it are its output, where a `…` stands for
anything; a command without any may say what it likes. Each must succeed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from docs_reference import PAGES
from house import CHECKOUT

COMMAND_SECONDS_MAX = 30

FENCE = re.compile(
    r"^```(console|python)\n# runs(?:, needs (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
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


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=where)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, scripted_home: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "CODEXD_HOME": str(scripted_home),
    }
    work = tmp_path / "project"
    work.mkdir()
    try:
        for block in blocks(page):
            if block.needs and not shutil.which(block.needs):
                continue
            if block.language == "python":
                _succeeds([sys.executable, "-c", block.body], work, environment)
                continue
            for command in commands(block.body):
                found = _succeeds(["bash", "-c", command.line], work, environment)
                if command.output:
                    assert looks_like(command.output, found), (
                        f"$ {command.line}\nthe page shows:\n{command.output}\nfound:\n{found}"
                    )
    finally:
        stop = [sys.executable, "-m", "codexd_frontends.ctl", "stop", "--now"]
        subprocess.run(stop, env=environment, capture_output=True, check=False)


def _succeeds(argv: list[str], cwd: Path, environment: dict[str, str]) -> str:
    run = subprocess.run(
        argv,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )
    assert run.returncode == 0, f"{argv[-1]}\nended with {run.returncode}:\n{run.stdout}"
    return run.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_says_what_the_code_says(page: str) -> None:
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


def test_sentences_have_a_line_each() -> None:
    # So that a change to one sentence is a change to one line.
    long = [
        f"{where(page)}: {line[:80]}"
        for page in DOCUMENTS
        if where(page) not in PAGES
        for line in _without_code(page.read_text(encoding="utf-8")).splitlines()
        if not line.startswith(("|", "#"))
        and re.search(r"[a-z]{3}\. [A-Z][a-z]+ [a-z]", line)
        and not line.startswith("- ")
    ]
    assert not long, "\n".join(long)
