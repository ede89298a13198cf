"""Which model servers run on this machine, what they have, and which model is taken: from their answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexd.models.builtin import BUILT_IN, HOW_TO_START, LOCAL, usable_names
from codexd.models.http.local import LocalModel, choose, read_models, read_native, with_details
from codexd.models.provider import read_provider
from codexd.models.quirks import QUIRKS


def listed(*models: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"object": "list", "data": models} | more).encode()


LLAMA_CPP = listed(
    {"id": "qwen3.gguf", "object": "model", "meta": {"n_ctx": 32768, "n_ctx_train": 40960}},
    models=[{"name": "qwen3.gguf"}],
)
VLLM = listed({"id": "Qwen/Qwen3-8B", "object": "model", "max_model_len": 40960, "permission": []})
OLLAMA = listed({"id": "qwen3:8b", "owned_by": "library"}, {"id": "gpt-oss:20b"})
OLLAMA_RUNS = json.dumps(
    {"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "context_length": 16384, "size": 5}]}
).encode()
LM_STUDIO = listed({"id": "gemma"}, {"id": "nomic-embed"}, {"id": "qwen3"})
LM_STUDIO_SAYS = listed(
    {"id": "gemma", "type": "vlm", "state": "not-loaded", "max_context_length": 131072},
    {"id": "nomic-embed", "type": "embeddings", "state": "loaded", "max_context_length": 2048},
    {
        "id": "qwen3",
        "type": "llm",
        "state": "loaded",
        "max_context_length": 40960,
        "loaded_context_length": 8192,
    },
)


def known(server: str, models: bytes, says: bytes = b"") -> tuple[LocalModel, ...]:
    found = read_models(models)
    assert found is not None
    return with_details(found, read_native(server, says))


def test_llama_cpp_says_how_its_model_was_loaded() -> None:
    assert known("llamacpp", LLAMA_CPP) == (LocalModel("qwen3.gguf", 32768, True),)


def test_vllm_says_how_long_a_prompt_may_be() -> None:
    assert known("vllm", VLLM) == (LocalModel("Qwen/Qwen3-8B", 40960),)


def test_ollama_says_it_of_models_that_run() -> None:
    assert known("ollama", OLLAMA, OLLAMA_RUNS) == (
        LocalModel("qwen3:8b", 16384, True),
        LocalModel("gpt-oss:20b"),
    )


def test_lm_studio_says_it_at_an_address_of_its_own() -> None:
    models = known("lmstudio", LM_STUDIO, LM_STUDIO_SAYS)
    assert models == (
        LocalModel("gemma", 131072),
        LocalModel("nomic-embed", 2048),
        LocalModel("qwen3", 8192, True),
    )
    assert choose(models, None) == models[2]


def test_a_loaded_model_goes_before_a_preferred_model_and_that_before_the_first() -> None:
    first, embeds = LocalModel("llama3"), LocalModel("nomic-embed-text")
    preferred, loaded = LocalModel("openai/gpt-oss-20b"), LocalModel("qwen3", None, True)
    assert choose([embeds, first, preferred, loaded], None) == loaded
    assert choose([embeds, first, preferred], None) == preferred
    assert choose([embeds, first], None) == first
    assert choose([embeds], None) is None
    assert choose([first, preferred], "llama3") == first
    assert choose([first], "huge") is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"data":null}', b'{"data":[{}]}', b"\xff"]
)
def test_an_invalid_list_of_models_is_empty(body: bytes) -> None:
    assert read_models(body) is None
    assert read_native("ollama", body) == ()
    assert read_native("lmstudio", body) == ()


@pytest.mark.parametrize("name", usable_names())
def test_a_built_in_provider_needs_no_table(name: str) -> None:
    provider = read_provider(name, {})
    assert provider.key == name
    assert provider.wire_api == ("responses" if name == "openai" else "chat")
    assert provider.quirks == QUIRKS[name]
    assert (provider.env_key is None) == (name in LOCAL)
    assert name not in LOCAL or provider.base_url.startswith("http://127.0.0.1:")


def test_every_local_server_comes_with_how_to_start_it() -> None:
    assert HOW_TO_START.keys() == LOCAL.keys()
    assert BUILT_IN.keys() - usable_names() == {"azure"}
