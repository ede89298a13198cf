"""The texts of providers and gateways that refuse or fail, as data: each row with its source.

A code is a member `code`, `type` or `status` of an error. A wording is a sentence of an error's message: the row
has the parts of it that stay the same, in lower case, and all must be there. Numbers of one provider that
mean something else to another provider have the name of the member that holds them in front.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from codexd.core.values.items import ErrorInfo

# Permanent errors.
FINAL_CODES: Final[Mapping[str, ErrorInfo]] = {
    # The prompt is too long.
    "context_length_exceeded": "contextWindowExceeded",  # OpenAI API: error codes
    "string_above_max_length": "contextWindowExceeded",  # OpenAI API, of an input
    "exceed_context_size_error": "contextWindowExceeded",  # llama.cpp, tools/server
    "model_max_prompt_tokens_exceeded": "contextWindowExceeded",  # GitHub Copilot
    "request_too_large": "contextWindowExceeded",  # Anthropic API: errors
    "1261": "contextWindowExceeded",  # Z.ai API: error codes
    "base_resp 1039": "contextWindowExceeded",  # MiniMax API: error codes
    # There is no money, or no more of a plan.
    "insufficient_quota": "usageLimitExceeded",  # OpenAI API: error codes
    "billing_hard_limit_reached": "usageLimitExceeded",  # OpenAI API
    "usage_limit_reached": "usageLimitExceeded",  # Codex's gateway
    "usage_not_included": "usageLimitExceeded",  # Codex's gateway
    "billing_error": "usageLimitExceeded",  # Anthropic API: errors
    "exceeded_current_quota_error": "usageLimitExceeded",  # Moonshot API: errors
    "insufficient_balance": "usageLimitExceeded",  # DeepSeek API: error codes
    "1113": "usageLimitExceeded",  # Z.ai API: error codes
    "base_resp 1008": "usageLimitExceeded",  # MiniMax API: error codes
    # The rest.
    "invalid_api_key": "unauthorized",  # OpenAI API: error codes
    "authentication_error": "unauthorized",  # Anthropic API: errors
    "invalid_authentication_error": "unauthorized",  # Moonshot API: errors
    "permission_error": "unauthorized",  # Anthropic API: errors
    "base_resp 1004": "unauthorized",  # MiniMax API: error codes
    "invalid_prompt": "badRequest",  # OpenAI API, `response.failed`
    "invalid_request_error": "badRequest",  # OpenAI API: error types
    "INVALID_ARGUMENT": "badRequest",  # google.rpc.Code
    "base_resp 2013": "badRequest",  # MiniMax API: error codes
    "cyber_policy": "cyberPolicy",  # Codex's gateway
    "model_not_found": "modelNotFound",  # OpenAI API: error codes
}

# Errors that pass.
PASSING_CODES: Final[Mapping[str, ErrorInfo]] = {
    "rate_limit_exceeded": "rateLimitExceeded",  # OpenAI API: error codes
    "rate_limit_error": "rateLimitExceeded",  # Anthropic API: errors
    "rate_limit_reached_error": "rateLimitExceeded",  # Moonshot API: errors
    "RESOURCE_EXHAUSTED": "rateLimitExceeded",  # google.rpc.Code
    "ThrottlingException": "rateLimitExceeded",  # Amazon Bedrock: InvokeModel
    "base_resp 1002": "rateLimitExceeded",  # MiniMax API: error codes
    "1302": "rateLimitExceeded",  # Z.ai API: error codes
    "1305": "rateLimitExceeded",  # Z.ai API: error codes
    "server_is_overloaded": "serverOverloaded",  # Codex's gateway
    "slow_down": "serverOverloaded",  # Codex's gateway
    "overloaded_error": "serverOverloaded",  # Anthropic API: errors
    "engine_overloaded_error": "serverOverloaded",  # Moonshot API: errors
    "UNAVAILABLE": "serverOverloaded",  # google.rpc.Code
    "server_error": "internalServerError",  # OpenAI API: error types
    "internal_server_error": "internalServerError",  # vLLM
    "api_error": "internalServerError",  # Anthropic API: errors
    "timeout_error": "internalServerError",  # Anthropic API: errors
    "upstream_error": "internalServerError",  # gateways: One API and its descendants
    "INTERNAL": "internalServerError",  # google.rpc.Code
    "DEADLINE_EXCEEDED": "internalServerError",  # google.rpc.Code
    "base_resp 1000": "internalServerError",  # MiniMax API: error codes
    "base_resp 1001": "internalServerError",  # MiniMax API: error codes
    "base_resp 1013": "internalServerError",  # MiniMax API: error codes
}

# HTTP statuses of errors that pass, beside those that are 5xx.
PASSING_STATUSES: Final[Mapping[int, ErrorInfo]] = {
    429: "rateLimitExceeded",
    500: "internalServerError",
    503: "serverOverloaded",
    529: "serverOverloaded",  # Anthropic API: errors
}
STATUSES_TRIED_AGAIN: Final = (408, 409, 425, 429)  # RFC 9110, RFC 8470, RFC 6585

# The prompt is longer than the model's window. Few servers have a code for it, each has a sentence.
TOO_LONG: Final[tuple[tuple[str, ...], ...]] = (
    ("context length",),  # OpenAI, DeepSeek, vLLM, SGLang, LiteLLM, OpenRouter, LM Studio
    ("context window",),  # Codex's gateway, LiteLLM
    ("context size",),  # llama.cpp
    ("context limit",),  # Anthropic: "input length and `max_tokens` exceed context limit"
    ("exceed_context",),  # llama.cpp
    ("context the overflows",),  # LM Studio
    ("reduce the length of",),  # OpenAI, Groq, Cerebras
    ("prompt is too long",),  # Anthropic, Fireworks
    ("prompt too long",),  # Ollama, Z.ai
    ("prompt exceeds max length",),  # Z.ai
    ("input token count", "exceeds the maximum"),  # Gemini
    ("prompt token count", "exceeds the limit"),  # GitHub Copilot
    ("maximum prompt length",),  # xAI
    ("input is too long",),  # Amazon Bedrock
    ("input tokens exceed",),  # Amazon Bedrock
    ("exceeded model token limit",),  # Moonshot
    ("too large for model with",),  # Mistral
    ("`inputs` tokens", "max_new_tokens"),  # Hugging Face TGI, Together
    ("`inputs` must have less than",),  # Hugging Face TGI
    ("range of input length should be",),  # Alibaba Cloud Model Studio
    ("exceed max message tokens",),  # Volcengine Ark
    ("longer than the maximum model length",),  # vLLM
    ("input length", "exceeds the maximum allowed length"),  # SGLang
    ("exceeds maximum input length",),  # TensorRT-LLM
    ("size limit exceeded by", "tokens"),  # Cohere
    ("request too large for model",),  # Groq
)
# A request that has more tokens than a minute's limit: it is refused as often as it is sent.
TOO_LONG_FOR_A_MINUTE: Final[tuple[tuple[str, ...], ...]] = (
    ("request too large for",),  # Groq, OpenAI
)
# The statuses of the sentences above; with another status they have another meaning.
STATUSES_OF_TOO_LONG: Final = (400, 413, 422, 500)
STATUSES_OF_TOO_LONG_FOR_A_MINUTE: Final = (413, 429)

# An image that cannot be read, or a model that reads none: OpenAI's codes are invalid_image_* and
# image_parse_error, llama.cpp answers HTTP 500 with a sentence, others refuse the part by its type.
ABOUT_IMAGES: Final[tuple[tuple[str, ...], ...]] = (
    ("image",),
    ("multimodal",),
    ("multi-modal",),
)
# Each image would do, and there are more than the server takes in one request.
TOO_MANY_IMAGES: Final[tuple[tuple[str, ...], ...]] = (
    ("too many image",),  # Anthropic, OpenAI
    ("at most", "image", "in one prompt"),  # vLLM
    ("maximum number of image",),  # Gemini, Groq
    ("maximum of", "images"),  # Azure OpenAI
)

# Finish reasons of chat completions: why a response ended early, in the terms of the Responses API.
CUT_OFF: Final[Mapping[str, str]] = {
    "length": "max_output_tokens",  # OpenAI API
    "max_tokens": "max_output_tokens",  # Anthropic, Gemini, by their gateways
    "MAX_TOKENS": "max_output_tokens",  # Gemini
    "model_length": "max_output_tokens",  # Mistral
    "content_filter": "content_filter",  # OpenAI API
    "sensitive": "content_filter",  # Z.ai
    "SAFETY": "content_filter",  # Gemini
}
# Finish reasons that are failures of the server: another attempt may help.
BROKEN_OFF: Final = ("error", "abort", "network_error", "insufficient_system_resource")
# Parts of finish reasons: the model's call could not be read by its own server.
MALFORMED: Final = ("MALFORMED", "malformed")  # Gemini: MALFORMED_FUNCTION_CALL
# Finish reasons of an answer that is whole; one that has nothing in it, and ends for another reason, has failed.
FINISHED: Final = (
    "stop",
    "STOP",
    "tool_calls",
    "function_call",
    "end_turn",
    "stop_sequence",
    "eos",
)


def says(message: str, wordings: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a message has one of the wordings."""
    message = message.lower()
    return any(all(part in message for part in wording) for wording in wordings)
