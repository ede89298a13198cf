"""What a provider refuses is sorted: whether to try again, when, and the text for the person."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from codexd.core.values.items import ErrorInfo
from codexd.models.client import ModelError
from codexd.models.complaints import read_complaint
from codexd.models.errors import (
    RETRY_AFTER_MS_MAX,
    failed,
    not_connected,
    refused,
    scrubbed,
)
from codexd.models.provider import read_provider
from codexd.models.rate_limits import (
    limits_in_event,
    limits_in_headers,
    retry_after_ms,
    wait_named_in,
)

OPENAI = read_provider("openai", {})
NOW = 1_763_683_200.0


def refusal(status: int, body: object = b"", **headers: str) -> ModelError:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refused(OPENAI, status, named, encoded, now=NOW)


def complaint(message: str = "No.", **members: Any) -> dict[str, Any]:
    return {"error": {"message": message} | members}


def gateway(status: int) -> ErrorInfo:
    return {"responseStreamConnectionFailed": {"httpStatusCode": status}}


@pytest.mark.parametrize(
    ("status", "body", "info", "retry"),
    [
        (400, complaint(), "badRequest", False),
        (400, complaint(code="context_length_exceeded"), "contextWindowExceeded", False),
        (400, complaint(code="invalid_prompt"), "badRequest", False),
        (
            400,
            complaint("the request exceeds the available context size"),
            "contextWindowExceeded",
            False,
        ),
        (400, complaint(type="exceed_context_size_error"), "contextWindowExceeded", False),
        (
            400,
            complaint("This model's maximum context length is 4096 tokens.", code=400),
            "contextWindowExceeded",
            False,
        ),
        (
            422,
            {"message": "Prompt is too large for model with 32768"},
            "contextWindowExceeded",
            False,
        ),
        (500, complaint("the context length of only 4096 tokens"), "contextWindowExceeded", False),
        (429, complaint("maximum context length of the plan"), "rateLimitExceeded", True),
        (401, complaint(code="invalid_api_key"), "unauthorized", False),
        (403, complaint(), "unauthorized", False),
        (404, complaint(code="model_not_found"), "modelNotFound", False),
        (404, complaint("The model `x` does not exist"), "modelNotFound", False),
        (404, b"<h1>Not found</h1>", "other", False),
        (408, b"", gateway(408), True),
        (409, b"", gateway(409), True),
        (413, complaint(), "contextWindowExceeded", False),
        (422, complaint(), "badRequest", False),
        (429, complaint(), "rateLimitExceeded", True),
        (429, complaint(code="rate_limit_exceeded"), "rateLimitExceeded", True),
        (429, complaint(code="insufficient_quota"), "usageLimitExceeded", False),
        (429, complaint(type="insufficient_quota"), "usageLimitExceeded", False),
        (429, complaint(type="usage_limit_reached"), "usageLimitExceeded", False),
        (429, complaint(type="usage_not_included"), "usageLimitExceeded", False),
        (429, complaint(code="slow_down"), "serverOverloaded", True),
        (500, complaint(type="server_error"), "internalServerError", True),
        (500, complaint(code="context_length_exceeded"), "contextWindowExceeded", False),
        (502, b"<html>Bad gateway</html>", gateway(502), True),
        (503, b"", "serverOverloaded", True),
        (504, b"", gateway(504), True),
        (529, b"", "serverOverloaded", True),
        (302, b"", "other", False),
    ],
)
def test_an_answer_that_is_no_success_is_sorted(
    status: int, body: object, info: ErrorInfo, retry: bool
) -> None:
    error = refusal(status, body)
    assert (error.info, error.retry) == (info, retry)
    assert error.at == "request"
    assert error.details == f"HTTP {status}"


@pytest.mark.parametrize(
    ("code", "info", "retry"),
    [
        ("context_length_exceeded", "contextWindowExceeded", False),
        ("insufficient_quota", "usageLimitExceeded", False),
        ("usage_not_included", "usageLimitExceeded", False),
        ("rate_limit_exceeded", "rateLimitExceeded", True),
        ("server_is_overloaded", "serverOverloaded", True),
        ("slow_down", "serverOverloaded", True),
        ("server_error", "internalServerError", True),
        ("invalid_prompt", "badRequest", False),
        ("cyber_policy", "cyberPolicy", False),
        ("never_heard_of", "other", False),
        (None, "internalServerError", True),
    ],
)
def test_a_response_that_fails_is_sorted_by_its_code(
    code: str | None, info: ErrorInfo, retry: bool
) -> None:
    error = failed(read_complaint(msgspec.json.encode(complaint("Oh no.", code=code))))
    assert (error.info, error.retry) == (info, retry)
    assert (error.message, error.at) == ("Oh no.", "stream")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error":{"message":"Invalid image.","code":"invalid_image"}}'),
        (
            400,
            b'{"error":{"message":"The data you sent is not valid.","code":"image_parse_error"}}',
        ),
        (400, b'{"error":{"message":"this model does not support image input"}}'),
        (400, b'{"error":{"message":"Invalid value: \'input_image\'.","code":"invalid_value"}}'),
        (422, b'{"detail":"unknown variant `image_url`, expected `text`"}'),
        (500, b'{"error":{"code":500,"message":"image input is not supported - hint: mmproj"}}'),
    ],
)
def test_an_error_that_speaks_of_images_may_be_about_those(status: int, body: bytes) -> None:
    assert refused(OPENAI, status, {}, body, now=NOW).about_images


def test_a_response_that_fails_for_an_image_is_a_bad_request() -> None:
    error = failed(read_complaint(b'{"error":{"message":"Oh no.","code":"invalid_image_format"}}'))
    assert (error.about_images, error.info, error.at) == (True, "badRequest", "stream")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error":{"message":"Invalid schema.","code":"invalid_schema"}}'),
        (401, b'{"error":{"message":"No key for images."}}'),
        (429, b'{"error":{"message":"Too many images per minute.","code":"rate_limit_exceeded"}}'),
        (400, b'{"error":{"message":"image","code":"context_length_exceeded"}}'),
    ],
)
def test_other_errors_are_not_about_images(status: int, body: bytes) -> None:
    assert not refused(OPENAI, status, {}, body, now=NOW).about_images


def test_the_message_is_the_providers_and_not_its_json() -> None:
    assert refusal(400, complaint("Unknown parameter: 'x'.")).message == "Unknown parameter: 'x'."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"a"}}', "a"),
        (b'{"error":"a"}', "a"),
        (b'{"message":"a"}', "a"),
        (b'{"detail":"a"}', "a"),
        (b"plain  \n text", "plain text"),
        (b'{"detail":[{"loc":1}]}', '{"detail":[{"loc":1}]}'),
        (b"[1]", "[1]"),
        (b'{"error":{"message":7}}', '{"error":{"message":7}}'),
        (b'"\xff"', '"�"'),
        (b"", ""),
    ],
)
def test_errors_have_many_shapes(body: bytes, message: str) -> None:
    assert read_complaint(body).message == message


def test_a_refused_key_is_answered_with_the_variable_to_look_at() -> None:
    assert refusal(401, complaint("Incorrect API key provided.")).message == (
        "OpenAI does not accept the key (HTTP 401): Incorrect API key provided. "
        "Check the key in the environment variable OPENAI_API_KEY."
    )
    keyless = read_provider("local", {"base_url": "http://localhost:8080/v1"})
    error = refused(keyless, 401, {}, b"", now=NOW)
    assert error.message == (
        "local does not accept the key (HTTP 401): no reason given. "
        "No env_key is configured in model_providers.local."
    )


def local(at: float) -> str:
    return time.strftime("on %Y-%m-%d at %H:%M %Z", time.localtime(at)).rstrip()


def test_a_usage_limit_says_when_it_is_lifted() -> None:
    body = complaint(type="usage_limit_reached", plan_type="plus", resets_at=NOW + 7500)
    assert refusal(429, body).message == (
        f"The usage limit of the plan plus is reached. It is lifted in 2 h 5 min, {local(NOW + 7500)}. "
        "The plan pro has a higher limit, and credits lift it: https://chatgpt.com/codex/settings/usage. (No.)"
    )
    body = complaint(type="usage_limit_reached", resets_in_seconds=90)
    assert refusal(429, body).message == (
        f"The usage limit is reached. It is lifted in 1 min 30 s, {local(NOW + 90)}. (No.)"
    )
    assert refusal(429, complaint(type="usage_limit_reached")).message == (
        "The usage limit is reached. (No.)"
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-codex-primary-used-percent": "100", "x-codex-primary-reset-at": str(NOW + 60)}, 60),
        ({"x-codex-primary-used-percent": "100", "x-codex-primary-reset-after-seconds": "61"}, 61),
        (
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-reset-after-seconds": "62",
                "x-codex-secondary-used-percent": "99",
                "x-codex-secondary-reset-after-seconds": "900",
            },
            62,
        ),
        ({"retry-after": "63"}, 63),
    ],
)
def test_a_usage_limit_is_lifted_as_the_headers_say_where_the_body_does_not(
    headers: dict[str, str], seconds: int
) -> None:
    body = complaint(type="usage_limit_reached", plan_type="team")
    message = refusal(429, body, **headers).message
    assert f"It is lifted in 1 min{f' {seconds - 60} s' if seconds > 60 else ''}, " in message
    assert f"{local(NOW + seconds)}. An administrator of the workspace can grant more." in message


@pytest.mark.parametrize(
    ("headers", "after_ms"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7_000),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "0.25"}, 250),
        ({"retry-after-ms": "40", "retry-after": "9"}, 40),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30_000),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Mon, 99 Nov 2026 99:99:99 GMT"}, None),
    ],
)
def test_the_provider_says_when_to_try_again(headers: dict[str, str], after_ms: int | None) -> None:
    assert retry_after_ms(headers, NOW) == after_ms
    assert refused(OPENAI, 429, headers, b"", now=NOW).after_ms == after_ms


@pytest.mark.parametrize(
    ("text", "after_ms"),
    [
        ("Please try again in 1.898s. Visit the docs.", 1898),
        ("Please try again in 250ms.", 250),
        ("Please try again in 6m0s.", 360_000),
        ("please TRY AGAIN IN 1h2m3s", 3_723_000),
        ("Try again in 20 seconds.", 20_000),
        ("Try again in 2 minutes", 120_000),
        ("Try again in a while.", None),
        ("Try again.", None),
    ],
)
def test_the_wait_is_read_from_the_sentence(text: str, after_ms: int | None) -> None:
    assert wait_named_in(text) == after_ms


def test_a_wait_in_the_sentence_counts_where_no_header_names_one() -> None:
    body = complaint("Please try again in 2s.")
    assert refusal(429, body).after_ms == 2000
    assert refusal(429, body, retry_after="1").after_ms == 1000


def test_a_very_long_wait_ends_the_turn_and_says_when() -> None:
    patient = refusal(429, complaint(), retry_after=str(RETRY_AFTER_MS_MAX // 1000))
    assert patient.retry
    error = refusal(429, complaint(), retry_after="3661")
    assert not error.retry
    assert error.message == (
        "OpenAI answered HTTP 429: No. It wants to be asked again in 1 h 1 min, not before."
    )


def test_a_redirect_is_not_followed_and_says_where_it_pointed() -> None:
    assert refusal(307, b"", location="https://elsewhere.example/").message == (
        "OpenAI points elsewhere (HTTP 307, to https://elsewhere.example/). "
        "It was not followed: a key is sent to base_url only."
    )


def test_no_secret_is_ever_repeated() -> None:
    body = complaint(
        "Incorrect API key: sk-proj-abc123*****xyz, header Bearer tok.en-1234567 or s3cret-s3cret"
    )
    error = refused(OPENAI, 400, {}, msgspec.json.encode(body), now=NOW, secrets=("s3cret-s3cret",))
    assert error.message == "Incorrect API key: [secret], header [secret] or [secret]"


def test_a_short_header_value_is_no_secret_worth_garbling_a_message() -> None:
    assert scrubbed("1 of 10 items", ("1",)) == "1 of 10 items"


def test_a_long_message_is_cut() -> None:
    error = refusal(400, b"x" * 50_000)
    assert error.message == "x" * 2000 + "… (50000 characters in all)"


def test_a_provider_that_cannot_be_reached_is_named_with_its_address() -> None:
    error = not_connected(OPENAI, "Connection refused")
    assert error.message == ("Cannot reach OpenAI at https://api.openai.com/v1: Connection refused")
    assert (error.info, error.at, error.retry) == (
        {"httpConnectionFailed": {"httpStatusCode": None}},
        "request",
        True,
    )


# What is said of limits on the way.


def test_the_headers_that_speak_of_limits_are_kept_verbatim() -> None:
    headers = {
        "X-Codex-Primary-Used-Percent": "12.50",
        "x-codex-primary-window-minutes": "300",
        "x-codex-secondary-reset-at": "",
        "x-codex-secondary-reset-after-seconds": "60",
        "x-codex-credits-has-credits": "True",
        "x-codex-plan-type": "pro",
        "x-codex-other-primary-used-percent": "1",
        "x-codex-other-limit-name": "Other",
        "x-codex-primary-over-secondary-limit-percent": "0",
    }
    noise = {"x-request-id": "r", "content-type": "text/plain", "x-used-percent": "3", "date": "-"}
    kept = {name.lower(): value for name, value in headers.items()}
    assert limits_in_headers((headers | noise).items()) == kept
    assert refused(OPENAI, 429, kept | noise, b"", now=NOW).rate_limits == kept


def test_limits_are_bounded() -> None:
    many = limits_in_headers((f"x-l{n}-plan-type", "y" * 999) for n in range(999))
    assert len(many) == 64
    assert {len(value) for value in many.values()} == {256}


def test_limits_in_the_stream_become_the_same_headers() -> None:
    event = {
        "type": "codex.rate_limits",
        "metered_limit_name": "codex_other",
        "rate_limits": {"secondary": {"used_percent": 5, "window_minutes": 10080}},
    }
    assert limits_in_event(msgspec.json.encode(event)) == {
        "x-codex-other-secondary-used-percent": "5.0",
        "x-codex-other-secondary-window-minutes": "10080",
    }
    assert limits_in_event(b'{"rate_limits":7}') == {}
    assert limits_in_event(b'{"rate_limits":null}') == {}


@pytest.mark.parametrize(
    ("code", "info", "retry"),
    [
        (429, "rateLimitExceeded", True),
        (500, "internalServerError", True),
        (502, "internalServerError", True),
        (503, "serverOverloaded", True),
        (401, "unauthorized", False),
        (400, "badRequest", False),
    ],
)
def test_a_status_for_a_code_within_a_stream_says_whether_it_passes(
    code: int, info: ErrorInfo, retry: bool
) -> None:
    error = failed(read_complaint(msgspec.json.encode(complaint("Oh no.", code=code))))
    assert (error.message, error.info, error.at, error.retry) == ("Oh no.", info, "stream", retry)


def test_a_gateways_message_has_the_message_of_its_provider() -> None:
    body = complaint("Provider returned error", code=400, metadata={"raw": "bad tool", "x": 1})
    assert refusal(400, body).message == "Provider returned error: bad tool"
