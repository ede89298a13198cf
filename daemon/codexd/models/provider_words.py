"""The texts of providers and gateways that refuse or fail, as data: each row with its source.

A code is a member `code`, `type` or `status` of an error. A wording is a sentence of an error's message: the row
has the parts of it that stay the same, in lower case, and all must be there. Numbers of one provider that
mean something else to another provider have the name of the member that holds them in front.

Sources: "docs" is a page of the provider's own documentation, "code" is the source of the server, and "seen" is
what users of the provider have reported, word for word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from codexd.core.values.items import ErrorInfo

# Permanent errors.
FINAL_CODES: Final[Mapping[str, ErrorInfo]] = {
    # The prompt is too long.
    "context_length_exceeded": "contextWindowExceeded",  # docs: OpenAI, error codes
    "string_above_max_length": "contextWindowExceeded",  # seen: OpenAI, of an input
    "exceed_context_size_error": "contextWindowExceeded",  # code: llama.cpp, tools/server
    "model_max_prompt_tokens_exceeded": "contextWindowExceeded",  # seen: GitHub Copilot
    "tokens_limit_reached": "contextWindowExceeded",  # seen: GitHub Models
    "request_too_large": "contextWindowExceeded",  # docs: Anthropic, errors
    "1261": "contextWindowExceeded",  # docs: Z.ai, error codes
    "base_resp 1039": "contextWindowExceeded",  # docs: MiniMax, error codes
    # There is no money, or no more of a plan.
    "insufficient_quota": "usageLimitExceeded",  # docs: OpenAI, error codes
    "billing_hard_limit_reached": "usageLimitExceeded",  # seen: OpenAI
    "usage_limit_reached": "usageLimitExceeded",  # code: Codex
    "usage_not_included": "usageLimitExceeded",  # code: Codex
    "billing_error": "usageLimitExceeded",  # docs: Anthropic, errors
    "exceeded_current_quota_error": "usageLimitExceeded",  # docs: Moonshot, errors
    "insufficient_user_quota": "usageLimitExceeded",  # code: One API and its descendants
    "pre_consume_token_quota_failed": "usageLimitExceeded",  # code: One API and its descendants
    "insufficient_balance": "usageLimitExceeded",  # seen: gateways
    "insufficient_credits": "usageLimitExceeded",  # seen: gateways
    "1113": "usageLimitExceeded",  # docs: Z.ai, error codes
    "1304": "usageLimitExceeded",  # docs: Z.ai, error codes
    "1308": "usageLimitExceeded",  # docs: Z.ai, error codes
    "1309": "usageLimitExceeded",  # docs: Z.ai, error codes
    "1310": "usageLimitExceeded",  # docs: Z.ai, error codes
    "base_resp 1008": "usageLimitExceeded",  # docs: MiniMax, error codes
    # The rest.
    "invalid_api_key": "unauthorized",  # docs: OpenAI, error codes
    "authentication_error": "unauthorized",  # docs: Anthropic, errors
    "invalid_authentication_error": "unauthorized",  # docs: Moonshot, errors
    "permission_error": "unauthorized",  # docs: Anthropic, errors
    "base_resp 1004": "unauthorized",  # docs: MiniMax, error codes
    "invalid_prompt": "badRequest",  # docs: OpenAI, `response.failed`
    "invalid_request_error": "badRequest",  # docs: OpenAI, error types
    "INVALID_ARGUMENT": "badRequest",  # docs: google.rpc.Code
    "base_resp 2013": "badRequest",  # docs: MiniMax, error codes
    "cyber_policy": "cyberPolicy",  # code: Codex
    "model_not_found": "modelNotFound",  # docs: OpenAI, error codes
}

# Errors that pass.
PASSING_CODES: Final[Mapping[str, ErrorInfo]] = {
    "rate_limit_exceeded": "rateLimitExceeded",  # docs: OpenAI, error codes
    "rate_limit_error": "rateLimitExceeded",  # docs: Anthropic, errors
    "rate_limit_reached_error": "rateLimitExceeded",  # docs: Moonshot, errors
    "RESOURCE_EXHAUSTED": "rateLimitExceeded",  # docs: google.rpc.Code
    "ThrottlingException": "rateLimitExceeded",  # docs: Amazon Bedrock, InvokeModel
    "base_resp 1002": "rateLimitExceeded",  # docs: MiniMax, error codes
    "1302": "rateLimitExceeded",  # docs: Z.ai, error codes
    "1303": "rateLimitExceeded",  # docs: Z.ai, error codes
    "1305": "rateLimitExceeded",  # docs: Z.ai, error codes
    "server_is_overloaded": "serverOverloaded",  # code: Codex
    "slow_down": "serverOverloaded",  # code: Codex
    "overloaded_error": "serverOverloaded",  # docs: Anthropic, errors
    "engine_overloaded_error": "serverOverloaded",  # docs: Moonshot, errors
    "UNAVAILABLE": "serverOverloaded",  # docs: google.rpc.Code
    "ServiceUnavailableException": "serverOverloaded",  # docs: Amazon Bedrock, InvokeModel
    "1312": "serverOverloaded",  # docs: Z.ai, error codes
    "server_error": "internalServerError",  # docs: OpenAI, error types
    "internal_server_error": "internalServerError",  # code: vLLM
    "api_error": "internalServerError",  # docs: Anthropic, errors
    "timeout_error": "internalServerError",  # docs: Anthropic, errors
    "upstream_error": "internalServerError",  # code: One API and its descendants
    "INTERNAL": "internalServerError",  # docs: google.rpc.Code
    "DEADLINE_EXCEEDED": "internalServerError",  # docs: google.rpc.Code
    "InternalServerException": "internalServerError",  # docs: Amazon Bedrock, InvokeModel
    "ModelErrorException": "internalServerError",  # docs: Amazon Bedrock, InvokeModel
    "1234": "internalServerError",  # docs: Z.ai, error codes
    "base_resp 1000": "internalServerError",  # docs: MiniMax, error codes
    "base_resp 1001": "internalServerError",  # docs: MiniMax, error codes
    "base_resp 1024": "internalServerError",  # docs: MiniMax, error codes
    "base_resp 1033": "internalServerError",  # docs: MiniMax, error codes
}

# HTTP statuses of errors that pass, beside those that are 5xx.
PASSING_STATUSES: Final[Mapping[int, ErrorInfo]] = {
    429: "rateLimitExceeded",
    498: "serverOverloaded",  # docs: Groq, errors
    500: "internalServerError",
    503: "serverOverloaded",
    529: "serverOverloaded",  # docs: Anthropic, errors
}
# docs: RFC 9110, RFC 8470, RFC 6585; 424 is Amazon Bedrock's for an error of the model, and 498 is Groq's
STATUSES_TRIED_AGAIN: Final = (408, 409, 424, 425, 429, 498)

# The prompt is longer than the model's window. Few servers have a code for it, each has a sentence.
TOO_LONG: Final[tuple[tuple[str, ...], ...]] = (
    (
        "context length",
    ),  # docs: OpenAI; code: vLLM, SGLang, LiteLLM; seen: DeepSeek, OpenRouter, LM Studio
    ("maximum context",),  # seen: gateways
    ("context window",),  # code: Codex, LiteLLM; seen: MiniMax, Cloudflare
    ("context_window",),  # seen: gateways
    ("contextwindowexceeded",),  # code: LiteLLM
    ("context size",),  # code: llama.cpp
    ("context limit",),  # docs: Anthropic, "input length and `max_tokens` exceed context limit"
    ("exceed_context",),  # code: llama.cpp
    ("context the overflows",),  # seen: LM Studio
    ("reduce the length of",),  # seen: OpenAI, Groq, Cerebras
    ("prompt is too long",),  # docs: Anthropic; seen: Fireworks
    ("prompt too long",),  # code: Ollama
    ("prompt tokens too long",),  # docs: Baidu Qianfan, error codes
    ("prompt exceeds max length",),  # docs: Z.ai, error codes
    ("input token count", "exceeds the maximum"),  # seen: Gemini
    ("input token count", "only supports up to"),  # seen: Gemini on Vertex AI
    ("prompt token count", "exceeds the limit"),  # seen: GitHub Copilot
    ("maximum prompt length",),  # seen: xAI
    ("input is too long",),  # seen: Amazon Bedrock
    ("input tokens", "exceed"),  # seen: OpenAI, "Input tokens exceed the configured limit of …"
    ("number of tokens", "exceed"),  # seen: gateways
    ("exceeded model token limit",),  # seen: Moonshot
    ("too large for model with",),  # seen: Mistral
    ("`inputs` tokens", "max_new_tokens"),  # code: Hugging Face TGI
    ("`inputs` must have less than",),  # code: Hugging Face TGI
    ("range of input length should be",),  # docs: Alibaba Cloud Model Studio, error codes
    ("exceed max message tokens",),  # seen: Volcengine Ark
    ("longer than the maximum model length",),  # code: vLLM
    ("input length", "exceeds"),  # code: SGLang; seen: DeepInfra
    ("size limit exceeded by", "tokens"),  # seen: Cohere
    ("request too large for model",),  # seen: Groq
    ("request body too large for", "tokens"),  # seen: GitHub Models
)
# A request that has more tokens than a minute's limit: it is refused as often as it is sent.
TOO_LONG_FOR_A_MINUTE: Final[tuple[tuple[str, ...], ...]] = (
    ("request too large for",),  # seen: Groq, OpenAI
)
# There is no money. Gateways say so with HTTP 400, 401, 403 or 429, and rarely with a code.
OUT_OF_MONEY: Final[tuple[tuple[str, ...], ...]] = (
    ("insufficient balance",),  # docs: DeepSeek, error codes; seen: Moonshot, Z.ai
    ("insufficient credit",),  # docs: OpenRouter, errors
    ("insufficient quota",),  # seen: gateways
    ("credit balance is too low",),  # seen: Anthropic
    ("credit limit is insufficient",),  # code: One API and its descendants
    ("quota is not enough",),  # code: One API and its descendants
    ("额度不足",),  # code: One API and its descendants
    ("余额不足",),  # docs: MiniMax, error codes
    ("key limit exceeded",),  # seen: OpenRouter
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
    ("too many image",),  # seen: Anthropic, OpenAI
    ("at most", "image", "in one prompt"),  # code: vLLM
    ("maximum number of image",),  # seen: Gemini, Groq
    ("maximum of", "images"),  # seen: Azure OpenAI
    ("image count exceeds",),  # seen: StepFun
)

# Finish reasons of chat completions, in lower case: why a response ended early, in the terms of the Responses API.
CUT_OFF: Final[Mapping[str, str]] = {
    "length": "max_output_tokens",  # docs: OpenAI
    "max_tokens": "max_output_tokens",  # docs: Anthropic, Gemini
    "max_output_tokens": "max_output_tokens",  # seen: gateways to the Responses API
    "model_length": "max_output_tokens",  # docs: Mistral
    "model_context_window_exceeded": "max_output_tokens",  # docs: Anthropic, Z.ai
    "content_filter": "content_filter",  # docs: OpenAI
    "content_filtered": "content_filter",  # docs: Amazon Bedrock
    "guardrail_intervened": "content_filter",  # docs: Amazon Bedrock
    "refusal": "content_filter",  # docs: Anthropic
    "sensitive": "content_filter",  # docs: Z.ai
    "safety": "content_filter",  # docs: Gemini, as are the rest
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "language": "content_filter",
    "image_safety": "content_filter",
}
# Of these, the window was full: a response that has nothing else is a request that was too long.
WINDOW_FULL: Final = ("model_context_window_exceeded",)
# Finish reasons that are failures of the server: another attempt may help.
BROKEN_OFF: Final = (
    *("error", "abort", "aborted", "cancelled", "timeout"),  # seen: gateways, SGLang, vLLM
    "network_error",  # docs: Z.ai
    "insufficient_system_resource",  # docs: DeepSeek
    *("unexpected_tool_call", "too_many_tool_calls", "missing_thought_signature"),  # docs: Gemini
)
# Parts of finish reasons: the model's call could not be read by its own server.
MALFORMED: Final = (
    "malformed",  # docs: Gemini, MALFORMED_FUNCTION_CALL; Amazon Bedrock, malformed_tool_use
)
# Finish reasons after which the model is to be asked again: it has more to say.
GOES_ON: Final = ("pause_turn",)  # docs: Anthropic
# Finish reasons of an answer that is whole; one that has nothing in it, and ends for another reason, has failed.
FINISHED: Final = (
    "stop",
    "tool_calls",
    "function_call",
    "end_turn",
    "stop_sequence",
    "tool_use",
    "eos",
    "eos_token",
)


def finish_word(reason: str) -> str:
    """A finish reason as the tables above have it: servers write it in capitals, with dashes, and add a detail."""
    return reason.partition(":")[0].strip().lower().replace("-", "_")


def says(message: str, wordings: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a message has one of the wordings."""
    message = message.lower()
    return any(all(part in message for part in wording) for wording in wordings)
