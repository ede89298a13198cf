"""codexctl send --oss: to the model that answers on this machine, in a new or an old thread."""

from __future__ import annotations

from codexd.models.scripted.scripts import Say
from daemon_house import Daemon, Home

from .codexctl import codexctl, playing

LOCAL = ("ollama", "lmstudio", "llamacpp", "vllm")


def configured(home: Home, **addresses: str) -> None:
    nowhere = "http://127.0.0.1:1/v1"
    tables = [
        f'[model_providers.{name}]\nbase_url = "{addresses.get(name, nowhere)}"' for name in LOCAL
    ]
    home.configure("\n".join(['approval_policy = "never"', *tables]) + "\n")


def test_the_server_that_answers_is_used_and_named(daemon: Daemon) -> None:
    with playing(Say(("Hello",)), Say(("again",)), Say(("and again",))) as model:
        configured(daemon.home, llamacpp=model.base_url)
        sent = codexctl(daemon.home, "send", "--oss", "Hi")
        assert (sent.code, sent.out) == (0, "Hello\n"), sent.err
        assert sent.err.startswith(f"scripted, llama.cpp at {model.base_url}\nthread ")
        named = codexctl(daemon.home, "send", "--last", "--local-provider", "llamacpp", "More")
        assert (named.code, named.out) == (0, "again\n"), named.err
        known = codexctl(
            daemon.home, "send", "--last", "--provider", "llamacpp", "-m", "scripted", "More"
        )
        assert (known.code, known.out) == (0, "and again\n"), known.err
        listed = codexctl(daemon.home, "list", "--json").lines
        assert "llamacpp" in str(listed)


def test_where_no_server_answers_nothing_is_sent(daemon: Daemon) -> None:
    configured(daemon.home)
    sent = codexctl(daemon.home, "send", "--oss", "Hi")
    assert (sent.code, sent.out) == (2, "")
    assert "no local model was found. Looked for Ollama at http://127.0.0.1:1/v1" in sent.err
    both = codexctl(daemon.home, "send", "--oss", "--provider", "ollama", "Hi")
    assert both.code == 2
    assert "not allowed with argument" in both.err
