"""Which proxy a request goes through, and what is said where the environment names none that can be used."""

from __future__ import annotations

import pytest

from codexd.models.client import ModelError
from codexd.models.http.proxies import proxy_for, shown

PROXY = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("variable", "proxy"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("all_proxy", "socks5h://127.0.0.1:1"),
        ("HTTP_PROXY", "127.0.0.1:notaport"),
        ("http_proxy", "127.0.0.1:70000"),
        ("HTTP_PROXY", "http://"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_and_nothing_is_sent(
    variable: str, proxy: str
) -> None:
    with pytest.raises(ModelError, match=f"The proxy in {variable} cannot be used") as refused:
        proxy_for("http://model.example/v1", {variable: proxy})
    assert not refused.value.retry


@pytest.mark.parametrize(
    ("no_proxy", "host", "goes_straight"),
    [
        ("127.0.0.0/8", "127.0.0.2", True),
        ("10.0.0.0/8, 192.168.0.0/16", "192.168.7.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("fd00::/8", "[fd00::1]", True),
        ("10.0.0.0/8", "ten.example", False),
        (".example", "model.example", True),
        ("*", "model.example", True),
        ("", "127.0.0.1", True),
    ],
)
def test_what_no_proxy_names_is_reached_straight(
    no_proxy: str, host: str, goes_straight: bool
) -> None:
    env = {"HTTP_PROXY": PROXY, "NO_PROXY": no_proxy}
    assert proxy_for(f"http://{host}/v1", env) == (None if goes_straight else PROXY)


def test_a_proxy_is_shown_without_its_password() -> None:
    assert shown("http://somebody:secret@proxy.example:3128/") == "http://proxy.example:3128"
