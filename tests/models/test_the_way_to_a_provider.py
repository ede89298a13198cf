"""Which proxy a request goes through, and what is said where the environment names none that can be used."""

from __future__ import annotations

import pytest

from codexd.models.client import ModelError
from codexd.models.http.proxies import proxy_for, shown

PROXY = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("variable", "proxy", "found"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", "socks5://127.0.0.1:1"),
        ("all_proxy", "socks5h://somebody:secret@127.0.0.1:1", "socks5h://127.0.0.1:1"),
        ("HTTP_PROXY", "127.0.0.1:notaport", "http://127.0.0.1:notaport"),
        ("http_proxy", "127.0.0.1:70000", "http://127.0.0.1:70000"),
        ("HTTP_PROXY", "127.0.0.1:0", "http://127.0.0.1:0"),
        ("HTTP_PROXY", "http://", "http://"),
        ("HTTP_PROXY", "http://[::1", "http://[::1"),
        ("HTTP_PROXY", "http://two words:3128", "http://two words:3128"),
        ("HTTP_PROXY", "http://caf\udce9:3128", "http://caf?:3128"),
        ("HTTP_PROXY", "http://somebody:sec/ret@proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP_PROXY", "http://somebody:sec#ret@proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP_PROXY", "http://somebody:secret@[proxy:3128", "http://[proxy:3128"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password_and_nothing_is_sent(
    variable: str, proxy: str, found: str
) -> None:
    with pytest.raises(ModelError, match=f"The proxy in {variable} cannot be used") as refused:
        proxy_for("http://model.example/v1", {variable: proxy})
    assert not refused.value.retry
    assert str(refused.value).endswith(f", found {found}. Nothing was sent.")


@pytest.mark.parametrize(
    ("no_proxy", "host", "goes_straight"),
    [
        ("127.0.0.0/8", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.2", True),
        ("10.0.0.0/8, 192.168.0.0/16", "192.168.7.1", True),
        ("10.0.0.0/8 192.168.0.0/16", "192.168.7.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/33", "10.0.0.1", False),
        ("fd00::/8", "[fd00::1]", True),
        ("[fd00::]/8", "[fd00::1]", True),
        ("[fd00::/8]", "[fd00::1]", True),
        ("[fd00::1]", "[fd00:0::1]", True),
        ("[fd00::1]:80", "[fd00::1]", True),
        ("[fd00::1]:81", "[fd00::1]", False),
        ("10.0.0.0/8", "ten.example", False),
        ("example", "model.example", True),
        (".example", "model.example", True),
        ("*.example", "model.example", True),
        ("MODEL.Example", "model.example", True),
        ("model.example", "MODEL.example.", True),
        ("model.example:80", "model.example", True),
        ("model.example:8080", "model.example:8080", True),
        ("model.example:8080", "model.example", False),
        ("del.example", "model.example", False),
        ("model.example.org", "model.example", False),
        ("*", "model.example", True),
        (" * ", "model.example", True),
        (",,", "model.example", False),
        (".", "model.example", False),
        ("", "127.0.0.1", True),
        ("", "localhost:8000", True),
        ("", "[::1]:8000", True),
    ],
)
def test_addresses_in_no_proxy_are_reached_directly(
    no_proxy: str, host: str, goes_straight: bool
) -> None:
    env = {"HTTP_PROXY": PROXY, "NO_PROXY": no_proxy}
    assert proxy_for(f"http://{host}/v1", env) == (None if goes_straight else PROXY)


@pytest.mark.parametrize(
    ("env", "url", "proxy"),
    [
        (
            {"http_proxy": "http://small:1", "HTTP_PROXY": "http://capital:1"},
            "http",
            "http://small:1",
        ),
        ({"http_proxy": " ", "HTTP_PROXY": " http://capital:1 "}, "http", "http://capital:1"),
        ({"HTTPS_PROXY": "https://secure:1"}, "https", "https://secure:1"),
        ({"HTTPS_PROXY": "https://secure:1"}, "http", None),
        ({"ALL_PROXY": "any:1", "HTTP_PROXY": "http://one:1"}, "https", "http://any:1"),
        ({"all_proxy": "HTTP://any:1"}, "http", "HTTP://any:1"),
        ({"http_proxy": "http://small:1", "no_proxy": "*", "NO_PROXY": "other"}, "http", None),
        ({}, "http", None),
    ],
)
def test_the_variable_of_the_scheme_counts_first_and_its_small_name_before_the_capital(
    env: dict[str, str], url: str, proxy: str | None
) -> None:
    assert proxy_for(f"{url}://model.example/v1", env) == proxy


def test_an_address_of_a_provider_that_is_none_is_left_to_the_request() -> None:
    assert proxy_for("http://model.example:notaport/v1", {"HTTP_PROXY": PROXY}) is None


def test_a_proxy_is_shown_without_its_password() -> None:
    assert shown("http://somebody:secret@proxy.example:3128/") == "http://proxy.example:3128"
