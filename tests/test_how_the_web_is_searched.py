"""A provider's web search is declared as config.toml, the sandbox and the provider say; as Codex declares it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from account_house import providers_of
from codexd.catalog.web_search import web_search_declaration, web_search_mode
from codexd.config.effective import effective
from codexd.config.file import parse_config
from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import Turn
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.limits import Traits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.settings import SandboxMode, Settings, Tuning
from codexd.core.values.tool_actions import BadCall
from codexd.tools.harmless.web_search import WebSearchTool
from codexd.tools.registry import CallContext


def config(text: str) -> Config:
    return parse_config(text.encode(), "config.toml").config


def declared(text: str, sandbox: SandboxMode = "workspace-write") -> Any:
    found = web_search_declaration(config(text), sandbox)
    return None if found is None else json.loads(found)


@pytest.mark.parametrize(
    ("text", "access"),
    [
        ('web_search = "cached"', {"external_web_access": False}),
        ('web_search = "live"', {"external_web_access": True}),
        (
            'web_search = "indexed"',
            {"external_web_access": True, "indexed_web_access": True},
        ),
        ("[tools]\nweb_search = true", {"external_web_access": True}),
        ("", {"external_web_access": False}),
    ],
)
def test_each_mode_is_declared_as_codex_declares_it(text: str, access: dict[str, bool]) -> None:
    assert declared(text) == {"type": "web_search", **access}


@pytest.mark.parametrize("text", ['web_search = "disabled"', "[tools]\nweb_search = false"])
def test_a_person_can_switch_it_off(text: str) -> None:
    assert declared(text) is None
    assert declared(text, "danger-full-access") is None


def test_without_a_sandbox_pages_are_read_as_they_are_now() -> None:
    assert web_search_mode(config(""), "danger-full-access") == "live"
    assert web_search_mode(config('web_search = "cached"'), "danger-full-access") == "cached"
    assert web_search_mode(config(""), "read-only") == "cached"


def test_the_table_says_where_and_how_it_searches() -> None:
    text = (
        '[tools.web_search]\ncontext_size = "high"\nallowed_domains = ["a.org"]\n'
        'location = { country = "DE", city = "B" }\n'
    )
    assert declared(text) == {
        "type": "web_search",
        "external_web_access": False,
        "filters": {"allowed_domains": ["a.org"]},
        "user_location": {"type": "approximate", "country": "DE", "city": "B"},
        "search_context_size": "high",
    }
    assert (
        json.loads(effective(parse_config(text.encode(), "c.toml")))["tools"]["web_search"][
            "context_size"
        ]
        == "high"
    )
    # Codex's clients know the table only.
    older = json.loads(effective(parse_config(b"[tools]\nweb_search = true", "c.toml")))
    assert older["tools"]["web_search"] is None


PROVIDERS = """
[model_providers.plain]
base_url = "https://models.example.org/v1"
[model_providers.with-search]
base_url = "https://models.example.org/v1"
quirks = { web_search = true }
[model_providers.chats]
base_url = "https://api.openai.com/v1"
wire_api = "chat"
[model_providers.theirs]
base_url = "https://api.openai.com/v1"
"""


@pytest.mark.parametrize(
    ("provider", "has_it"),
    [
        ("openai", True),
        ("theirs", True),
        ("with-search", True),
        ("plain", False),
        ("chats", False),
        ("ollama", False),
        ("nobody", False),
    ],
)
def test_it_is_offered_where_the_provider_has_it(
    tmp_path: Path, provider: str, has_it: bool
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(PROVIDERS)
    tool = WebSearchTool(providers_of(LiveConfig(file)).web_search)
    settings = Settings("/w", "m", provider, "never", "read-only")
    thread = ThreadState(settings)
    assert (tool.offered(Traits(), thread) is not None) is has_it
    reviewer = ThreadState(settings, reviews=ReviewOf(ThreadId("t"), TurnId("u")))
    assert tool.offered(Traits(), reviewer) is None
    assert tool.offered(Traits(), ThreadState()) is None


def test_it_is_left_out_where_the_effort_is_minimal() -> None:
    tool = WebSearchTool(lambda settings: b"{}")
    settings = Settings("/w", "m", "p", "never", "read-only", "high")
    for effort, offered in (("minimal", None), ("low", b"{}"), (None, b"{}")):
        turn = Turn(TurnId("t"), "user", settings, tuning=Tuning(effort))
        assert tool.offered(Traits(), ThreadState(settings, turn=turn)) == offered


def test_a_model_that_calls_it_as_a_function_is_told_that_it_cannot() -> None:
    tool = WebSearchTool(lambda settings: None)
    answer = tool.read_call('{"query":"x"}', CallContext("/w", "th", "c"))
    assert isinstance(answer, BadCall)
    assert "the provider's own tool" in answer.reason
