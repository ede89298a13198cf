"""Image files of a request: read whole, or refused with a reason; no odd file blocks the daemon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codexd.core.values.images import IMAGE_BYTES_MAX, BadImage, UnreadableImage
from codexd.runtime.images.images import read_image

PNG = b"\x89PNG\r\n\x1a\n"


def test_an_image_is_read_whole(tmp_path: Path) -> None:
    content = PNG + b"pixels" * 500_000
    tmp_path.joinpath("a.png").write_bytes(content)
    assert read_image(str(tmp_path / "a.png")) == content


def test_a_path_without_a_file_is_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    tmp_path.joinpath("text").write_bytes(b"hello")
    for name, reason in (
        ("absent", "no such file or directory"),
        ("", "found a folder"),
        ("pipe", "found a pipe"),
        ("text", "expected a PNG, JPEG, GIF or WebP image"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(UnreadableImage, match=reason):
            read_image(f"{tmp_path}/{name}")
    with pytest.raises(UnreadableImage, match="a device"):
        read_image("/dev/zero")


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    locked = tmp_path / "locked.png"
    locked.symlink_to(locked)  # which even root cannot open
    with pytest.raises(UnreadableImage, match="too many levels of symbolic links"):
        read_image(str(locked))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with tmp_path.joinpath("a.png").open("wb") as file:
        file.write(PNG)
        file.truncate(IMAGE_BYTES_MAX + 1)
    with pytest.raises(BadImage, match=f"at most {IMAGE_BYTES_MAX} bytes") as raised:
        read_image(str(tmp_path / "a.png"))
    assert not isinstance(raised.value, UnreadableImage)
