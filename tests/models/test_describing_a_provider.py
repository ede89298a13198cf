"""A table of `[model_providers]` becomes a provider, or an error that says which key is wrong and why."""

from __future__ import annotations

from typing import Any

import pytest

from codexd.models.client import ModelError, RetryBudget
from codexd.models.provider import InvalidProvider, Provider, read_provider, request_headers
from codexd.models.quirks import QUIRKS, UNKNOWN, Quirks

OPENAI = read_provider("openai", {})
URL = "https://api.example.com/v1"


def test_an_address_is_enough() -> None:
    provider = read_provider("mine", {"base_url": f"{URL}/"})
    assert provider == Provider(key="mine", name="mine", base_url=URL)
    assert provider.budget == RetryBudget(request_max_retries=4, stream_max_retries=5)
    assert provider.stream_idle_timeout_ms == 300_000


def test_every_setting_is_read() -> None:
    table: dict[str, Any] = {
        "name": "Mine",
        "base_url": URL,
        "env_key": "MY_KEY",
        "env_key_instructions": "Ask Ann.",
        "wire_api": "responses",
        "query_params": {"api-version": "2026 a"},
        "http_headers": {"X-Team": "7"},
        "env_http_headers": {"X-Project": "PROJECT"},
        "request_max_retries": 0,
        "stream_max_retries": 1,
        "stream_idle_timeout_ms": 2,
        "requires_openai_auth": False,
    }
    provider = read_provider("mine", table)
    assert provider == Provider(key="mine", **table)
    assert provider.url_of("responses") == f"{URL}/responses?api-version=2026+a"


def test_openai_is_built_in_and_may_be_changed_in_part() -> None:
    assert read_provider("openai", {}) == OPENAI
    assert OPENAI.url_of("responses") == "https://api.openai.com/v1/responses"
    changed = read_provider("openai", {"stream_max_retries": 9})
    assert (changed.stream_max_retries, changed.env_key) == (9, "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("table", "field", "reason"),
    [
        ({}, "base_url", "expected the API's address, found nothing"),
        ({"base_url": 7}, "base_url", "Expected `str`, got `int`"),
        ({"base_url": "api.example.com"}, "base_url", "found 'api.example.com'"),
        ({"base_url": "ftp://example.com"}, "base_url", "expected an address"),
        ({"base_url": "http://"}, "base_url", "expected an address"),
        ({"base_url": "http://a b/"}, "base_url", "expected an address"),
        ({"base_url": "http://host:port/"}, "base_url", "expected an address"),
        ({"base_url": "http://[::1/"}, "base_url", "expected an address"),
        ({"base_url": "http://u:p@host/"}, "base_url", "without user, query or fragment"),
        ({"base_url": "http://host/?a=b"}, "base_url", "query_params"),
        ({"base_url": URL, "wire_api": "grpc"}, "wire_api", "\"chat\", found 'grpc'"),
        ({"base_url": URL, "quirks": 7}, "quirks", "expected a table, found 7"),
        ({"base_url": URL, "request_max_retries": "4"}, "request_max_retries", "Expected `int`"),
        ({"base_url": URL, "request_max_retries": -1}, "request_max_retries", "from 0 to 100"),
        ({"base_url": URL, "stream_max_retries": 101}, "stream_max_retries", "found 101"),
        ({"base_url": URL, "stream_idle_timeout_ms": 0}, "stream_idle_timeout_ms", "from 1 to"),
        ({"base_url": URL, "http_headers": {"a b": "c"}}, "http_headers", "'a b' is no header"),
        ({"base_url": URL, "http_headers": {"Host": "c"}}, "http_headers", "set by codexd"),
        ({"base_url": URL, "http_headers": {"x": "1\r\ny: 2"}}, "http_headers", "value of x"),
        ({"base_url": URL, "http_headers": {"x": 1}}, "http_headers", "Expected `str`"),
        ({"base_url": URL, "env_http_headers": {"x y": "V"}}, "env_http_headers", "'x y'"),
        ({"base_url": URL, "api_key": "k"}, "api_key", "unknown field `api_key`"),
        ({"base_url": URL, "key": "k"}, "key", "env_key"),
    ],
)
def test_a_wrong_table_is_refused_by_the_key_that_is_wrong(
    table: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidProvider) as caught:
        read_provider("mine", table)
    assert (caught.value.provider, caught.value.field) == ("mine", field)
    assert str(caught.value).startswith(f"model_providers.mine.{field}: ")
    assert reason in str(caught.value)


def test_a_secret_in_a_bad_header_is_not_repeated() -> None:
    with pytest.raises(InvalidProvider) as caught:
        read_provider("mine", {"base_url": URL, "http_headers": {"x-key": "s3cret\n"}})
    assert "s3cret" not in str(caught.value)


def test_the_key_and_the_headers_come_from_the_environment() -> None:
    provider = read_provider(
        "mine",
        {
            "base_url": URL,
            "env_key": "MY_KEY",
            "http_headers": {"X-Team": "seven"},
            "env_http_headers": {"X-Project": "PROJECT", "X-Unset": "UNSET", "X-Blank": "BLANK"},
        },
    )
    headers = request_headers(provider, {"MY_KEY": " k-123 \n", "PROJECT": "p-9", "BLANK": " "})
    named = dict(headers.pairs)
    assert named.pop("user-agent").startswith("codexd/")
    assert named == {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "x-team": "seven",
        "x-project": "p-9",
        "authorization": "Bearer k-123",
    }
    assert set(headers.secrets) == {"seven", "p-9", "k-123"}


def test_a_provider_without_a_key_gets_none() -> None:
    provider = read_provider("local", {"base_url": "http://localhost:1/v1"})
    assert "authorization" not in dict(request_headers(provider, {"OPENAI_API_KEY": "k"}).pairs)


@pytest.mark.parametrize("env", [{}, {"OPENAI_API_KEY": "  "}])
def test_a_missing_key_is_an_error_that_names_the_variable(env: dict[str, str]) -> None:
    with pytest.raises(ModelError) as caught:
        request_headers(OPENAI, env)
    assert caught.value.message == (
        "No key for the model provider 'OpenAI': the environment variable OPENAI_API_KEY is not set, neither in the "
        "shell that sent this turn nor for the daemon, and there is no login. Nothing was sent. Ways out: run "
        "`codexctl login`; or set OPENAI_API_KEY in your shell and send again with codexctl, without a restart; or "
        "use a model on this machine, with `codexctl send --oss`. Create a key at "
        "https://platform.openai.com/api-keys."
    )
    assert (caught.value.info, caught.value.retry) == ("unauthorized", False)


def test_a_key_that_no_header_can_carry_is_an_error_without_the_key() -> None:
    with pytest.raises(ModelError) as caught:
        request_headers(OPENAI, {"OPENAI_API_KEY": "ключ\r\nx"})
    assert "OPENAI_API_KEY" in caught.value.message
    assert "ключ" not in caught.value.message
    assert not caught.value.retry


AZURE = "https://corp.openai.azure.com/openai/v1"


def test_azure_takes_its_key_in_a_header_of_its_own() -> None:
    provider = read_provider("azure", {"base_url": AZURE})
    assert (provider.env_key, provider.wire_api) == ("AZURE_OPENAI_API_KEY", "responses")
    headers = request_headers(provider, {"AZURE_OPENAI_API_KEY": "k-123"})
    assert dict(headers.pairs)["api-key"] == "k-123"
    assert "authorization" not in dict(headers.pairs)
    assert headers.secrets == ("k-123",)


def test_a_token_for_azure_goes_where_tokens_go() -> None:
    table = {"base_url": AZURE, "env_http_headers": {"Authorization": "TOKEN"}}
    pairs = dict(request_headers(read_provider("corp", table), {"TOKEN": "Bearer t"}).pairs)
    assert pairs["authorization"] == "Bearer t"
    assert "api-key" not in pairs


def test_azure_is_asked_by_deployment_and_version() -> None:
    table = {
        "base_url": "https://corp.openai.azure.com/openai/deployments/mine/",
        "query_params": {"api-version": "2025-04-01-preview"},
        "wire_api": "chat",
    }
    assert read_provider("azure", table).url_of("chat/completions") == (
        "https://corp.openai.azure.com/openai/deployments/mine/chat/completions"
        "?api-version=2025-04-01-preview"
    )


def test_a_server_is_known_by_where_it_is_else_by_its_name() -> None:
    def quirks(name: str, base_url: str, **said: Any) -> Quirks:
        return read_provider(name, {"base_url": base_url, "quirks": said}).quirks

    assert quirks("mine", "https://api.mistral.ai/v1") == QUIRKS["mistral"]
    assert quirks("ollama", "https://openrouter.ai/api/v1") == QUIRKS["openrouter"]
    assert quirks("ollama", "http://10.0.0.1/v1") == QUIRKS["ollama"]
    assert quirks("mine", "http://10.0.0.1/v1") == UNKNOWN
    assert quirks("mine", "http://10.0.0.1/v1", like="groq") == QUIRKS["groq"]
    with pytest.raises(InvalidProvider, match=r"mine\.quirks: .*unknown field `imgs`"):
        quirks("mine", URL, imgs=False)
