"""The providers that need no table in config.toml: a name is enough. A table of the name changes what it says.

Local providers are in the order of the search. Source: each server's documentation, for the port
that it listens on by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# What read_provider fills in where a user's table says nothing.
Table = Mapping[str, object]

LOCAL: Final[Mapping[str, Table]] = {
    "ollama": {"name": "Ollama", "base_url": "http://127.0.0.1:11434/v1", "wire_api": "chat"},
    "lmstudio": {"name": "LM Studio", "base_url": "http://127.0.0.1:1234/v1", "wire_api": "chat"},
    "llamacpp": {"name": "llama.cpp", "base_url": "http://127.0.0.1:8080/v1", "wire_api": "chat"},
    "vllm": {"name": "vLLM", "base_url": "http://127.0.0.1:8000/v1", "wire_api": "chat"},
}

# What a person does so that a local server answers.
HOW_TO_START: Final[Mapping[str, str]] = {
    "ollama": "`ollama serve`, with a model from `ollama pull`",
    "lmstudio": "`lms server start`, with a model loaded",
    "llamacpp": "`llama-server -m MODEL.gguf --jinja`",
    "vllm": "`vllm serve MODEL --enable-auto-tool-choice --tool-call-parser PARSER`",
}

BUILT_IN: Final[Mapping[str, Table]] = {
    "openai": {
        "name": "OpenAI",
        "base_url": "https://api.openai.com/v1",
        "env_key": "OPENAI_API_KEY",
        "env_key_instructions": "Create a key at https://platform.openai.com/api-keys.",
        "requires_openai_auth": True,
    },
    **LOCAL,
    "openrouter": {
        "name": "OpenRouter",
        "base_url": "https://openrouter.ai/api/v1",
        "env_key": "OPENROUTER_API_KEY",
        "env_key_instructions": "Create a key at https://openrouter.ai/settings/keys.",
        "wire_api": "chat",
    },
    "deepseek": {
        "name": "DeepSeek",
        "base_url": "https://api.deepseek.com/v1",
        "env_key": "DEEPSEEK_API_KEY",
        "env_key_instructions": "Create a key at https://platform.deepseek.com/api_keys.",
        "wire_api": "chat",
    },
    "groq": {
        "name": "Groq",
        "base_url": "https://api.groq.com/openai/v1",
        "env_key": "GROQ_API_KEY",
        "env_key_instructions": "Create a key at https://console.groq.com/keys.",
        "wire_api": "chat",
    },
    "mistral": {
        "name": "Mistral",
        "base_url": "https://api.mistral.ai/v1",
        "env_key": "MISTRAL_API_KEY",
        "env_key_instructions": "Create a key at https://console.mistral.ai/api-keys.",
        "wire_api": "chat",
    },
    # Where it is, only its user knows: without a base_url of theirs it is not there.
    "azure": {
        "name": "Azure OpenAI",
        "env_key": "AZURE_OPENAI_API_KEY",
        "env_key_instructions": "The resource's page in the Azure portal has keys.",
    },
}


def usable_names() -> tuple[str, ...]:
    """Those that work without a table."""
    return tuple(name for name, table in BUILT_IN.items() if "base_url" in table)
