"""`codexctl send` by a proxy and with certificates of the environment: the daemon's, until it is stopped."""

from __future__ import annotations

import os

import pytest

from codexd.models.scripted.scripts import Say
from daemon_house import Home

from .codexctl import codexctl, playing

PROXIED = "http://127.0.0.2:1/v1"  # not one of the hosts that are always reached straight
ONCE = "request_max_retries = 0\nstream_max_retries = 0"


@pytest.mark.parametrize(
    ("url", "env", "named"),
    [
        (
            PROXIED,
            {"ALL_PROXY": "socks5://u:not-shown@127.0.0.1:1"},
            "The proxy in ALL_PROXY cannot",
        ),
        (
            PROXIED,
            {"HTTP_PROXY": "http://u:not-shown@127.0.0.1:1"},
            "the proxy http://127.0.0.1:1:",
        ),
        (
            "https://127.0.0.2:1/v1",
            {"SSL_CERT_FILE": "{pipe}"},
            "SSL_CERT_FILE={pipe} cannot be read",
        ),
    ],
)
def test_an_unusable_proxy_is_named_in_a_line_and_no_password_is_kept(
    home: Home, url: str, env: dict[str, str], named: str
) -> None:
    pipe = home.root / "pipe"
    os.mkfifo(pipe)
    home.use_model(url, provider_more=ONCE)
    env = {name: value.format(pipe=pipe) for name, value in env.items()}
    sent = codexctl(home, "send", "x", **env)
    _, failed = sent.err.splitlines()
    assert (sent.code, sent.out) == (1, "")
    assert named.format(pipe=pipe) in failed
    assert codexctl(home, "stop").code == 0
    kept = b"".join(file.read_bytes() for file in home.path.rglob("*") if file.is_file())
    assert b"not-shown" not in kept
    assert "not-shown" not in sent.err
    assert b"Traceback" not in kept


def test_a_proxy_counts_for_requests_once_a_daemon_has_it_but_for_networks_of_no_proxy(
    home: Home,
) -> None:
    with playing(Say(("Through a proxy.",))) as model:
        home.use_model(PROXIED, provider_more=ONCE)
        proxies = {
            "HTTP_PROXY": model.base_url.removesuffix("/v1"),
            "NO_PROXY": "10.0.0.0/8, 127.0.0.3/32",
        }
        assert codexctl(home, "send", "x").code == 1
        # The daemon that runs has the environment of the first shell.
        assert codexctl(home, "send", "x", **proxies).code == 1
        assert model.asked == []
        assert codexctl(home, "stop").code == 0
        assert codexctl(home, "send", "x", **proxies).out == "Through a proxy.\n"
        home.use_model("http://127.0.0.3:1/v1", provider_more=ONCE)
        assert "at http://127.0.0.3:1/v1: [Errno" in codexctl(home, "send", "x").err
