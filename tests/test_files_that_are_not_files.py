"""With any kind of file where a regular file is expected, no reader blocks, reads without end, or hides the error."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio
import trio.testing

from codexd.config.file import InvalidConfig, read_config
from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.context_files.agents_md import Rules, read_user_instructions
from codexd.context_files.compact_prompt import compact_prompt, read_prompt
from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.core.values.images import BadImage, UnreadableImage
from codexd.importing.plan import plan
from codexd.machine.foreign_files import NotAFile, open_file, read_file
from codexd.machine.patience import NoAnswer, patiently, patiently_both
from codexd.runtime.images.images import read_image
from codexd.server.reads.git import git_head
from odd_files import ODD, make_odd
from trio_test import trio_test

EVERY_KIND = pytest.mark.parametrize("kind", ODD)
# These are files, if odd ones.
FILES = {
    "a link to the environment",
    "a sparse file of 10 GiB",
    "a line of 2 MB",
    "bytes of no text",
}


@EVERY_KIND
def test_other_kinds_of_files_are_not_opened_and_files_are_read_up_to_a_bound(
    tmp_path: Path, kind: str
) -> None:
    make_odd(kind, tmp_path / "odd")
    if kind in FILES:
        assert len(read_file(tmp_path / "odd", 9)) == 9
    else:
        with pytest.raises(OSError, match="odd"):
            open_file(tmp_path / "odd")


def test_a_link_is_followed_only_where_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 4) == b"text"
    with pytest.raises(NotAFile, match="found a link"):
        read_file(tmp_path / "link", 4, follow=False)


@EVERY_KIND
def test_instructions_of_a_project(tmp_path: Path, kind: str) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("AGENTS.override.md", "AGENTS.md"):
        make_odd(kind, tmp_path / name)
    found = read_user_instructions(str(tmp_path), Rules())
    assert len(found.text) < 40_000
    if kind not in FILES:
        assert (found.text, len(found.complaints)) == ("", 2)


@EVERY_KIND
def test_a_config(tmp_path: Path, kind: str) -> None:
    make_odd(kind, tmp_path / "config.toml")
    if kind in ("a link to nothing", "a link to the environment"):
        return  # The first is as if there was none.
    with pytest.raises(InvalidConfig, match=r"config\.toml"):
        read_config(tmp_path / "config.toml")


@EVERY_KIND
def test_a_config_that_becomes_no_file_leaves_the_last_good_config_in_force(
    tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('model = "m"')
    live = LiveConfig(file)
    assert live.read().config.model == "m"
    make_odd(kind, file)
    assert live.last_good().model == (None if kind == "a link to nothing" else "m")
    file.unlink() if not file.is_dir() or file.is_symlink() else file.rmdir()
    file.write_text('model = "n"')
    assert live.read().config.model == "n"


@EVERY_KIND
def test_a_question_for_a_summary(tmp_path: Path, kind: str) -> None:
    make_odd(kind, tmp_path / "odd")
    config = Config(experimental_compact_prompt_file="odd")
    file = compact_prompt(config, tmp_path / "config.toml")
    assert isinstance(file, Path)
    asked = read_prompt(file)
    if kind != "a link to the environment":
        assert asked == COMPACTION_PROMPT


@EVERY_KIND
def test_an_image(tmp_path: Path, kind: str) -> None:
    make_odd(kind, tmp_path / "odd.png")
    with pytest.raises((UnreadableImage, BadImage)):
        read_image(str(tmp_path / "odd.png"))


@EVERY_KIND
@pytest.mark.parametrize("name", ["odd", "rollout-1.jsonl", "rollout-1.jsonl.zst", "a.codexd.tar"])
def test_what_is_imported(tmp_path: Path, kind: str, name: str) -> None:
    make_odd(kind, tmp_path / name)
    planned = plan([str(tmp_path / name)])
    (refused,) = planned.refused
    assert str(tmp_path / name) in (refused.message or "")
    assert not planned.threads


@EVERY_KIND
@pytest.mark.parametrize(
    "place", [".git", ".git/HEAD", ".git/config", ".git/refs/heads/main", ".git/packed-refs"]
)
@trio_test
async def test_a_repository(tmp_path: Path, kind: str, place: str) -> None:
    (tmp_path / ".git/refs/heads").mkdir(parents=True)
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git/config").write_text("[core]\n")
    if place == ".git":
        (tmp_path / ".git").rename(tmp_path / "away")
    make_odd(kind, tmp_path / place)
    with trio.fail_after(5):
        head = await git_head(str(tmp_path))
    assert head is None or head.sha is None


@trio_test
async def test_a_folder_that_does_not_answer_blocks_neither_others_nor_a_second_read() -> None:
    over = threading.Event()
    try:
        with pytest.raises(NoAnswer, match="did not answer"):
            await patiently("/dead", over.wait, 0.01)
        for number in range(100):
            assert await patiently(f"/alive/{number}", lambda: 1) == 1
        with pytest.raises(NoAnswer), trio.fail_after(1):
            await patiently("/dead", lambda: True, 1000)
    finally:
        over.set()


@pytest.mark.parametrize("divisor", [1, 0])
def test_a_loop_that_was_held_up_is_no_disk_that_does_not_answer(divisor: int) -> None:
    began, over, done = threading.Event(), threading.Event(), threading.Event()
    clock = trio.testing.MockClock()

    def read() -> int:
        began.set()
        over.wait()
        try:
            return 7 // divisor
        finally:
            done.set()

    async def look() -> None:
        if divisor:
            assert await patiently("/alive", read, 60) == 7
        else:
            with pytest.raises(ZeroDivisionError):
                await patiently("/alive", read, 60)
        assert await patiently("/alive", lambda: 8, 60) == 8

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            # From here on nothing else runs on the loop, until the time is over.
            began.wait()
            over.set()
            done.wait()
            for _ in range(10):  # The thread of the read goes on meanwhile, to its end.
                other = threading.Thread(target=int)
                other.start()
                other.join()
            clock.jump(61)

    trio.run(main, clock=clock)


@trio_test
async def test_a_place_that_answers_again_is_asked_again() -> None:
    over, done = threading.Event(), threading.Event()

    def hangs() -> None:
        over.wait()
        done.set()

    with pytest.raises(NoAnswer):
        await patiently("/slow", hangs, 0.01)
    over.set()
    with trio.fail_after(5):
        while True:  # The thread says so a moment after it is done.
            try:
                assert await patiently("/slow", lambda: 2) == 2
            except NoAnswer:
                await trio.lowlevel.checkpoint()
            else:
                break


@trio_test
async def test_of_two_places_that_are_read_together_the_silent_one_is_told_from_the_other() -> None:
    over = threading.Event()
    assert await patiently_both("/a", lambda: 1, "/b", lambda: 2) == (1, 2)
    first, second = await patiently_both("/a", lambda: 1, "/b", over.wait, 0.01)
    assert first == 1
    assert isinstance(second, NoAnswer)
    # From now on it is not waited for, and the other place is read as before.
    first, second = await patiently_both("/a", lambda: 3, "/b", over.wait, 60)
    assert first == 3
    assert isinstance(second, NoAnswer)
    assert await patiently("/a", lambda: 4) == 4
    with pytest.raises(NoAnswer):
        await patiently_both("/c", over.wait, "/a", lambda: 5, 0.01)
    assert await patiently("/a", lambda: 6) == 6
    with pytest.raises(ZeroDivisionError):
        await patiently_both("/a", lambda: 1 // 0, "/d", lambda: 7)
    over.set()
