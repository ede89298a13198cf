"""A prompt that is too long is recognised, in all texts, codes and shapes of providers and gateways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexd.models.complaints import read_complaint
from codexd.models.errors import failed, refused
from codexd.models.provider import read_provider
from codexd.models.provider_words import FINAL_CODES, PASSING_CODES, TOO_LONG, TOO_LONG_FOR_A_MINUTE

PROVIDER = read_provider("openai", {})
OPENAI_WORDS = (
    "This model's maximum context length is 9000 tokens. However, you requested 12000 tokens."
)
GEMINI_WORDS = "The input token count (70211) exceeds the maximum number of tokens allowed (65536)."


def error(message: str, **members: Any) -> dict[str, Any]:
    return {"error": {"message": message, **members}}


REFUSALS: dict[str, tuple[int, Any]] = {
    "LiteLLM": (400, error(OPENAI_WORDS, code="400")),
    "DeepSeek": (400, error(OPENAI_WORDS, code="invalid_request_error")),
    "vLLM": (400, {"object": "error", "message": OPENAI_WORDS, "code": 400}),
    "a server's own code": (400, error(OPENAI_WORDS, code="bad_prompt")),
    "Gemini": (400, error(GEMINI_WORDS, code=400, status="INVALID_ARGUMENT")),
    "Gemini, in a list": (400, [error(GEMINI_WORDS, code=400, status="INVALID_ARGUMENT")]),
    "Copilot": (
        400,
        error(
            "prompt token count of 140234 exceeds the limit of 128000",
            code="model_max_prompt_tokens_exceeded",
        ),
    ),
    "Copilot, by its code": (400, error("No.", code="model_max_prompt_tokens_exceeded")),
    "xAI": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        },
    ),
    "Bedrock": (400, {"message": "Input is too long for requested model."}),
    "Moonshot": (
        400,
        error(
            "Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)",
            type="invalid_request_error",
        ),
    ),
    "Z.ai": (400, error("Prompt exceeds max length", code="1261")),
    "Z.ai, by its code": (400, error("No.", code="1261")),
    "a gateway to Anthropic": (
        400,
        error("prompt is too long: 210000 tokens > 200000 maximum", code="invalid_request_error"),
    ),
    "Mistral": (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 "
            "maximum context length",
            "code": "3051",
        },
    ),
    "TGI": (
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. "
            "Given: 9000 `inputs` tokens and 100 `max_new_tokens`",
            "error_type": "validation",
        },
    ),
    "Groq": (
        413,
        error("Request too large for model `llama`", type="tokens", code="rate_limit_exceeded"),
    ),
    "OpenAI, of a minute's limit": (
        429,
        error("Request too large for gpt-4o", type="tokens", code="rate_limit_exceeded"),
    ),
    "a page of FastAPI": (400, {"detail": [{"msg": "prompt too long"}]}),
    "an error in an error": (400, error("", error={"message": OPENAI_WORDS})),
    "Cloudflare": (400, {"success": False, "errors": [{"message": OPENAI_WORDS, "code": 5007}]}),
    "LiteLLM, by a class": (400, error("litellm.ContextWindowExceededError: AnthropicException")),
    "Baidu": (400, {"error_code": 336007, "error_msg": "prompt tokens too long"}),
    "Vertex AI": (
        400,
        error(
            "Unable to submit request because the input token count is 9 but model only supports up to 8.",
            status="INVALID_ARGUMENT",
        ),
    ),
    "GitHub Models": (413, error("Request body too large for gpt-4.1 model. Max size: 8 tokens.")),
    "GitHub Models, by its code": (400, error("No.", code="tokens_limit_reached")),
    "DeepInfra": (400, {"detail": "Requested input length 9 exceeds maximum input length 8"}),
    "OpenAI, of a deployment": (
        400,
        error("Input tokens exceed the configured limit of 8 tokens."),
    ),
    "a body as a text": (400, error(json.dumps(error("prompt is too long: 9 tokens > 8 maximum")))),
    "OpenRouter": (
        400,
        error(
            "Provider returned error",
            metadata={"raw": json.dumps(error("Range of input length should be [1, 8]"))},
        ),
    ),
    "members with capitals": (400, {"Error": {"Message": OPENAI_WORDS}}),
}


@pytest.mark.parametrize(("status", "body"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_recognised(status: int, body: Any) -> None:
    found = refused(PROVIDER, status, {}, json.dumps(body).encode(), now=0.0)
    assert (found.info, found.retry) == ("contextWindowExceeded", False)


@pytest.mark.parametrize("body", [body for _, body in REFUSALS.values()], ids=REFUSALS)
def test_so_is_the_same_error_within_a_stream(body: Any) -> None:
    found = failed(read_complaint(json.dumps(body).encode()))
    assert (found.info, found.retry) == ("contextWindowExceeded", False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error("max_tokens is too large: 9000.", code="invalid_value")),
        (400, error(OPENAI_WORDS, code="insufficient_quota")),
        (404, error("no model with this context length", code="model_not_found")),
        (429, error("Rate limit reached for tokens per minute.", code="rate_limit_exceeded")),
        (429, error("The context window of your plan is used up.")),
        (403, error("The context window of 1M tokens is not in your plan.")),
    ],
)
def test_other_refusals_are_not(status: int, body: Any) -> None:
    found = refused(PROVIDER, status, {}, json.dumps(body).encode(), now=0.0)
    assert found.info != "contextWindowExceeded"


def test_the_phrases_are_data_in_lower_case_and_no_code_is_of_two_kinds() -> None:
    parts = [part for wording in (*TOO_LONG, *TOO_LONG_FOR_A_MINUTE) for part in wording]
    assert parts == [part.lower() for part in parts]
    assert not set(FINAL_CODES) & set(PASSING_CODES)
