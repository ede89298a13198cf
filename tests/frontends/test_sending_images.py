"""codexctl send -i, and images in attach: what is sent, and the errors for files that are no images."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd_frontends.ctl import main
from codexd_frontends.screen.images import image_parts, pasted_images

from . import said
from .fake_daemon import FakeDaemon, Json
from .terminal import Terminal

PNG = b"\x89PNG\r\n\x1a\n"
CONTENTS = {
    "a.png": PNG,
    "b.JPG": b"\xff\xd8\xff\xe0",
    "c.gif": b"GIF89a",
    "d.webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "of a, b.png": PNG,
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, content in CONTENTS.items():
        tmp_path.joinpath(name).write_bytes(content)
    tmp_path.joinpath("notes.png").write_bytes(b"no image at all")
    return tmp_path


def local(path: Path) -> Json:
    return {"type": "localImage", "path": str(path)}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def attached(fake: FakeDaemon) -> Terminal:
    fake.answer("thread/resume", {"thread": said.thread(), "seq": 5, "turnsBackwardsCursor": None})
    fake.answer("thread/turns/list", {"data": [], "nextCursor": None})
    fake.answer("turn/start", {"turn": said.turn("inProgress")})
    return Terminal("--socket", fake.path, "attach", said.THREAD)


def test_images_go_in_front_of_the_prompt_with_their_whole_paths(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    with FakeDaemon(files) as fake:
        fake.answer("thread/start", {"thread": said.thread()})
        fake.answer("turn/start", {"turn": said.turn("inProgress")}, said.turn_completed(seq=2))
        words = ["send", "-i", "a.png,b.JPG", "--image", "of a, b.png", "compare them"]
        assert main(["--socket", fake.path, *words]) == 0
        names = ["a.png", "b.JPG", "of a, b.png"]
        assert fake.wait_for("turn/start")["input"] == [
            *[local(files / name) for name in names],
            text("compare them"),
        ]


@pytest.mark.parametrize("name", CONTENTS)
def test_the_four_kinds_that_models_read_are_taken(files: Path, name: str) -> None:
    assert image_parts([str(files / name)]) == [local(files / name)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.png", "cannot be read: No such file or directory"),
        ("notes.png", "is no PNG, JPEG, GIF or WebP image"),
        (".", "cannot be read: expected a file, found a folder"),
    ],
)
def test_a_file_that_is_no_image_is_reported_before_anything_is_sent(
    files: Path, name: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(files) as fake:
        assert main(["--socket", fake.path, "send", "-i", str(files / name), "look"]) == 2
        assert fake.received.empty()
    assert f"{reason}; nothing was sent" in capfd.readouterr().err


def test_a_line_of_nothing_but_paths_of_images_is_those_images(files: Path) -> None:
    png, comma = files / "a.png", files / "of a, b.png"
    assert pasted_images(f"'{comma}' {png}") == [str(comma), str(png)]
    assert pasted_images(str(comma).replace(" ", "\\ ")) == [str(comma)]
    assert pasted_images(f"file://{str(comma).replace(' ', '%20')}") == [str(comma)]


@pytest.mark.parametrize("line", ["", "hello", "a.png", "delete {}/a.png", "{}/absent.png", "it's"])
def test_any_other_line_is_a_prompt(
    files: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    assert pasted_images(line.format(files)) == []


def test_images_that_are_attached_go_with_the_next_prompt_and_no_other(files: Path) -> None:
    with FakeDaemon(files) as fake, attached(fake) as terminal:
        terminal.wait_for("› ")
        terminal.type(f"/image {files / 'absent.png'}\n")
        terminal.wait_for("cannot be read")
        terminal.type(f"/image {files / 'of a, b.png'}\n")
        terminal.wait_for("goes with your next prompt: of a, b.png")
        terminal.type(f"{files / 'a.png'}\n")
        terminal.wait_for("goes with your next prompt: of a, b.png, a.png")
        terminal.type("compare them\n")
        assert fake.wait_for("turn/start")["input"] == [
            local(files / "of a, b.png"),
            local(files / "a.png"),
            text("compare them"),
        ]
        fake.say(said.turn_completed(seq=6))
        terminal.wait_for("done after")
        terminal.type("and now?\n")
        assert fake.wait_for("turn/start")["input"] == [text("and now?")]


def test_attached_images_can_be_removed(files: Path) -> None:
    with FakeDaemon(files) as fake, attached(fake) as terminal:
        terminal.wait_for("› ")
        terminal.type(f"/image {files / 'a.png'}\n")
        terminal.wait_for("goes with your next prompt: a.png")
        terminal.type("/image\n")
        terminal.wait_for("no image is attached now")
        terminal.type("hello\n")
        assert fake.wait_for("turn/start")["input"] == [text("hello")]
