"""Images on input: recognised by their first bytes, bounded, and named by their content."""

from __future__ import annotations

import base64

import pytest

from codexd.core.values.images import (
    IMAGE_BYTES_MAX,
    BadImage,
    ImageName,
    data_url,
    kind_of,
    read_data_url,
    read_name,
)

PNG = b"\x89PNG\r\n\x1a\n"
KINDS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF87a",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8L",
}
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize("mime", KINDS)
def test_the_kind_is_known_by_the_first_bytes(mime: str) -> None:
    assert kind_of(KINDS[mime]) == mime
    assert kind_of(KINDS[mime] + b"whatever follows") == mime


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG", b"BM", b"RIFF\0\0\0\0WAVE", b"<svg/>", b"%PDF"]
)
def test_anything_else_is_of_no_kind(content: bytes) -> None:
    assert kind_of(content) is None


@pytest.mark.parametrize("mime", KINDS)
def test_a_data_url_reads_back(mime: str) -> None:
    assert read_data_url(data_url(mime, KINDS[mime])) == KINDS[mime]


def test_text_around_the_bytes_does_not_matter() -> None:
    code = base64.b64encode(PNG).decode()
    for url in (
        f"data:image/jpg;base64,{code}",
        f"DATA:Image/PNG;Base64,{code}",
        f"data:image/png;charset=utf-8;base64,{code}",
        f"data:image/png;base64,{code[:4]}\r\n{code[4:]}\n",
    ):
        assert read_data_url(url) == PNG


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "a data URL .*, found ''"),
        ("http://example.org/a.png", "the image itself as a data URL .* fetches nothing"),
        ("HTTPS://example.org/a.png", "fetches nothing"),
        ("data:image/png;base64", "a data URL"),
        ("data:text/html;base64,iVBORw0KGgo=", "data:image/…;base64,…, found 'data:text/html"),
        ("data:;base64,iVBORw0KGgo=", "data:image/"),
        ("data:image/png,%89PNG", "data:image/"),
        ("data:image/png;base64,iVBORw0KGg", "in base64"),
        ("data:image/png;base64,iVBO*w0KGgo=", "in base64"),
        ("data:image/png;base64,", "nothing at all"),
        ("data:image/png;base64,aGVsbG8=", "a content that begins with b'hello'"),
        (f"codexd-blob:{SHA};image/png", "a data URL"),
    ],
)
def test_a_file_that_is_no_image_is_refused_with_what_was_found(url: str, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        read_data_url(url)


@pytest.mark.slow
@pytest.mark.parametrize("beyond", [1, 4])
def test_an_image_that_is_too_large_is_refused_with_the_limit(beyond: int) -> None:
    with pytest.raises(BadImage, match=r"at most 20971520 bytes \(20 MiB\), found 2097152"):
        read_data_url(data_url("image/png", PNG + b"\0" * (IMAGE_BYTES_MAX + beyond - len(PNG))))


def test_a_name_reads_back_and_nothing_else_is_a_name() -> None:
    name = ImageName(SHA, "image/png")
    assert str(name) == f"codexd-blob:{SHA};image/png"
    assert read_name(str(name)) == name
    for text in (SHA, f"codexd-blob:{SHA}", f"codexd-blob:{SHA[1:]};image/png", f" {name}"):
        assert read_name(text) is None
