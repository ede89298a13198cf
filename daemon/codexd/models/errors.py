"""Errors of requests, classified: whether to try again, when, and the text for the person.

    a status that is not 2xx      refused()             at="request"
    an error inside the stream    failed()              at="stream"
    no connection, no answer      not_connected(), not_answered()
    a stream that breaks          disconnected(), silent(), unreadable(), broken_off()
    an answer without bounds      too_large()           final: another answer would be as large

`provider_words.py` has the meaning of codes and sentences; many chat servers use an HTTP status as a code.
Messages are bounded and hold no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from codexd.core.values.items import ErrorInfo
from codexd.core.values.shown import shown_variable
from codexd.models import provider_words as words
from codexd.models.client import FailedAt, ModelError
from codexd.models.complaints import (
    ProviderError,
    find_complaint,
    is_page,
    page_text,
    plain_text,
    read_complaint,
    unpacked,
)
from codexd.models.provider import Provider
from codexd.models.provider_words import says
from codexd.models.rate_limits import (
    limit_text,
    limits_in_headers,
    retry_after_ms,
    span,
    wait_named_in,
)

# A longer wait is reported at once.
RETRY_AFTER_MS_MAX = 120_000
# A screenful of a provider's text; error pages of proxies are longer.
MESSAGE_CHARACTERS_MAX = 2_000
# What is shorter than this is no key, and blotting it out would make messages unreadable.
SECRET_CHARACTERS_MIN = 8

# Errors whose sentence may speak of images.
_MAY_BE_ABOUT_IMAGES: Final = ("badRequest", "internalServerError", "other")
# The codes that a sentence about a long prompt does not overrule.
_NEVER_TOO_LONG: Final = (
    "rateLimitExceeded",
    "usageLimitExceeded",
    "unauthorized",
    "cyberPolicy",
    "modelNotFound",
)

_KEY_LIKE = re.compile(r"\b(?:sk|sess|rk)-[\w*.-]{6,}+|(?i:\bbearer\s{1,16}+)[\w*.~+/=-]{6,}+")


def refused(
    provider: Provider,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    secrets: tuple[str, ...] = (),
    advice: str | None = None,
) -> ModelError:
    """The error for an answer that is not a success. `now` is in Unix seconds; header names in lower case.

    `advice` is what a person does about credentials that are refused; None: it depends on the provider's table.
    """
    complaint = read_complaint(unpacked(body, headers.get("content-encoding", "")))
    said = scrubbed(complaint.message, secrets) or "no reason given"
    error = _refused(provider, status, headers, complaint, said, now, advice)
    return _with_images_in_mind(error, complaint)


def _refused(
    provider: Provider,
    status: int,
    headers: Mapping[str, str],
    complaint: ProviderError,
    said: str,
    now: float,
    advice: str | None,
) -> ModelError:
    limits = limits_in_headers(headers.items())
    known = _known(complaint, status)
    out_of_money = known is not None and known[0] == "usageLimitExceeded"
    if status == 403 and complaint.is_page:
        return _final(_page_refusal(provider, said), "other", status, limits)
    if status in (401, 403) and not out_of_money:
        text = _unauthorized_text(provider, status, said, advice)
        return _final(text, "unauthorized", status, limits)
    if _is_too_long(complaint, status):
        return _final(said, "contextWindowExceeded", status, limits)
    if status == 413:
        return _too_large_a_request(provider, said, limits)
    if known is not None and not known[1] and (status == 429 or complaint.code or out_of_money):
        text = limit_text(complaint, said, headers, now) if out_of_money else said
        return _final(text, known[0], status, limits)
    passes = known is not None and known[1]
    if status in words.STATUSES_TRIED_AGAIN or status >= 500 or passes:
        info = words.PASSING_STATUSES.get(
            status, {"responseStreamConnectionFailed": {"httpStatusCode": status}}
        )
        if known is not None and passes:
            info = known[0]
        text = f"{provider.name} answered HTTP {status}: {said}"
        after_ms = retry_after_ms(headers, now)
        if after_ms is None:
            after_ms = wait_named_in(complaint.message)
        return _passing(text, info, "request", after_ms, limits, f"HTTP {status}")
    return _refused_for_good(provider, status, headers, said, limits)


def _too_large_a_request(provider: Provider, said: str, limits: dict[str, str]) -> ModelError:
    """A body over the server's limit, in bytes: whatever the text says, a shorter history fits."""
    text = f"{provider.name} does not take a request of this size (HTTP 413): {said}"
    error = _final(text, "contextWindowExceeded", 413, limits)
    error.about_images = error.too_many_images = True
    return error


def failed(complaint: ProviderError, *, secrets: tuple[str, ...] = ()) -> ModelError:
    """The error for `response.failed` or an `error` event."""
    return _with_images_in_mind(_failed(complaint, secrets), complaint)


def _failed(complaint: ProviderError, secrets: tuple[str, ...]) -> ModelError:
    said = scrubbed(complaint.message, secrets)
    code = complaint.code or complaint.type
    details = f"code {str(code)[:100]}"
    text = said or f"the model's response failed ({code or 'no reason given'})"
    known = _known(complaint, None)
    if _is_too_long(complaint, complaint.status):
        return ModelError(text, info="contextWindowExceeded", at="stream", details=details)
    if complaint.status is not None and known is None:
        known = _sorted_by_status(complaint.status)
    if known is None and code is not None:
        return ModelError(text, info="other", at="stream", details=details)
    info, passes = known or ("internalServerError", True)
    if passes:
        return _passing(text, info, "stream", wait_named_in(complaint.message), {}, None)
    return ModelError(text, info=info, at="stream", details=details)


def broken_off(finish_reason: str) -> ModelError:
    """The response names as its finish reason that the server failed."""
    reason = finish_reason[:100]
    return _stream_error(f"The provider broke the response off (finish_reason {reason}).")


def window_full(finish_reason: str) -> ModelError:
    """The response has nothing but a finish reason that says that the window is full."""
    text = f"The model's context window is full (finish_reason {finish_reason[:100]})."
    return ModelError(text, info="contextWindowExceeded", at="stream")


def not_connected(provider: Provider, reason: str) -> ModelError:
    """No connection came about: refused, no such host, no TLS. Nothing was sent."""
    text = f"Cannot reach {provider.name} at {provider.base_url}: {reason[:MESSAGE_CHARACTERS_MAX]}"
    return _without_status(text, "httpConnectionFailed", "request")


def not_answered(provider: Provider, reason: str) -> ModelError:
    """The request was sent, or partly, and no answer began."""
    text = f"{provider.name} did not answer: {reason[:MESSAGE_CHARACTERS_MAX]}"
    return _without_status(text, "responseStreamConnectionFailed", "request")


def not_a_stream(
    provider: Provider, content_type: str, body: bytes, secrets: tuple[str, ...]
) -> ModelError:
    """A success that is no event stream: a sign-in page, an error, or a server that does not stream."""
    if (complaint := find_complaint(body)) is not None:
        return failed(complaint, secrets=secrets)
    said = page_text(body) if is_page(body) else plain_text(body)
    return ModelError(
        f"{provider.name} at {provider.base_url} answered with {content_type[:100]} where a stream of "
        f"events was expected: {scrubbed(said, secrets)}",
        info="other",
    )


def packed(provider: Provider, encoding: str) -> ModelError:
    """A success whose body is packed in a way that is not read here."""
    text = (
        f"{provider.name} at {provider.base_url} answered with a packed stream ({encoding[:40]}) where a plain "
        "one was asked for: it was not read"
    )
    return ModelError(text, info="other")


def said_instead(stray: bytes, secrets: tuple[str, ...]) -> ModelError:
    """The stream had a text in place of events, such as the error of a proxy."""
    said = page_text(stray) if is_page(stray) else plain_text(stray)
    return disconnected(scrubbed(said, secrets))


def disconnected(reason: str) -> ModelError:
    """The stream ended before the response did."""
    return _stream_error(f"The stream ended before the response was complete: {reason}")


def silent(idle_ms: int) -> ModelError:
    """Nothing came for as long as the provider's idle timeout allows."""
    return _stream_error(
        f"The model fell silent: nothing came for {idle_ms / 1000:g} s "
        "(stream_idle_timeout_ms). The connection was closed."
    )


def unreadable(reason: str) -> ModelError:
    """The stream holds something that is not what the API sends."""
    return _stream_error(f"The model's stream cannot be read: {reason}")


def too_large(reason: str) -> ModelError:
    """The answer is larger than any that is kept. Another attempt would bring the same."""
    text = (
        f"The model's answer is too large: {reason}. The rest was not read; what had come by then is kept, "
        "and the thread can go on."
    )
    return ModelError(text[:MESSAGE_CHARACTERS_MAX], info="other", at="stream")


def _stream_error(text: str) -> ModelError:
    return _without_status(text[:MESSAGE_CHARACTERS_MAX], "responseStreamDisconnected", "stream")


def _without_status(text: str, info: str, at: FailedAt) -> ModelError:
    """An error that passes, without an HTTP status."""
    return ModelError(text, info={info: {"httpStatusCode": None}}, at=at, retry=True)


def scrubbed(text: str, secrets: tuple[str, ...]) -> str:
    """The text without secrets, and cut to what a person reads."""
    for secret in secrets:
        if len(secret) >= SECRET_CHARACTERS_MIN:
            text = text.replace(secret, "[secret]")
    text = _KEY_LIKE.sub("[secret]", text)
    if len(text) > MESSAGE_CHARACTERS_MAX:
        return f"{text[:MESSAGE_CHARACTERS_MAX]}… ({len(text)} characters in all)"
    return text


def _sorted_by_code(complaint: ProviderError) -> tuple[ErrorInfo, bool] | None:
    """The meaning of the code, else of the type, and whether it is temporary."""
    for word in filter(None, (complaint.code, complaint.type)):
        if word in words.FINAL_CODES:
            return words.FINAL_CODES[word], False
        if word in words.PASSING_CODES:
            return words.PASSING_CODES[word], True
    return None


def _known(complaint: ProviderError, status: int | None) -> tuple[ErrorInfo, bool] | None:
    """The same, and by the status and the sentence, where it speaks of money: few codes do."""
    if status == 402 or says(complaint.message, words.OUT_OF_MONEY):
        return "usageLimitExceeded", False
    return _sorted_by_code(complaint)


def _sorted_by_status(status: int) -> tuple[ErrorInfo, bool]:
    """The same for an error inside a stream that has an HTTP status for a code."""
    if status in (401, 403):
        return "unauthorized", False
    if status in words.STATUSES_TRIED_AGAIN or status >= 500:
        return words.PASSING_STATUSES.get(status, "internalServerError"), True
    return "badRequest", False


def _is_too_long(complaint: ProviderError, status: int | None) -> bool:
    """Whether the prompt is longer than the model's window, by a code or by its text.

    `status` is None for an error within a stream that names none.
    """
    message, known = complaint.message, _sorted_by_code(complaint)
    if status in (None, *words.STATUSES_OF_TOO_LONG_FOR_A_MINUTE) and says(
        message, words.TOO_LONG_FOR_A_MINUTE
    ):
        return True
    if status not in (None, *words.STATUSES_OF_TOO_LONG):
        return False
    if known is not None and known[0] == "contextWindowExceeded":
        return True
    return (known is None or known[0] not in _NEVER_TOO_LONG) and says(message, words.TOO_LONG)


def _page_refusal(provider: Provider, said: str) -> str:
    return (
        f"{provider.name} was not reached: a server before it at {provider.base_url} refused the request "
        f"(HTTP 403) with a page: {said}"
    )


def _unauthorized_text(provider: Provider, status: int, said: str, advice: str | None) -> str:
    hint = advice or (
        f"Check the key in the environment variable {shown_variable(provider.env_key)}."
        if provider.env_key
        else f"No env_key is configured in model_providers.{provider.key}."
    )
    # HTTP 403 may also be a country, a model or a text that is not allowed.
    what = "does not accept the key" if status == 401 else "refuses the request or the key"
    return f"{provider.name} {what} (HTTP {status}): {said.rstrip('.')}. {hint}"


def _refused_for_good(
    provider: Provider,
    status: int,
    headers: Mapping[str, str],
    said: str,
    limits: dict[str, str],
) -> ModelError:
    if status == 404:
        text = (
            f"{provider.name} has no such model or address (HTTP 404, {provider.base_url}): {said}"
        )
        info = "modelNotFound" if "model" in said.lower() else "other"
        return _final(text, info, status, limits)
    if 300 <= status < 400:
        where = scrubbed(headers.get("location", "nowhere"), ())
        text = (
            f"{provider.name} points elsewhere (HTTP {status}, to {where}). "
            "It was not followed: a key is sent to base_url only."
        )
        return _final(text, "other", status, limits)
    return _final(said, "badRequest", status, limits)


def _final(text: str, info: ErrorInfo, status: int, limits: dict[str, str]) -> ModelError:
    return ModelError(text, info=info, details=f"HTTP {status}", rate_limits=limits)


def _passing(
    text: str,
    info: ErrorInfo,
    at: FailedAt,
    after_ms: int | None,
    limits: dict[str, str],
    details: str | None,
) -> ModelError:
    """An error that passes; final after all where the provider wants more patience than a person has."""
    patient = after_ms is None or after_ms <= RETRY_AFTER_MS_MAX
    if not patient and after_ms is not None:
        text = f"{text} It wants to be asked again in {span(after_ms / 1000)}, not before."
    return ModelError(
        text,
        info=info,
        at=at,
        retry=patient,
        after_ms=after_ms,
        details=details,
        rate_limits=limits,
    )


def _with_images_in_mind(error: ModelError, complaint: ProviderError) -> ModelError:
    """The error, with whether images may be the cause."""
    said = f"{complaint.message} {complaint.code or ''}"
    if error.info in _MAY_BE_ABOUT_IMAGES and says(said, words.ABOUT_IMAGES):
        error.about_images = True
        error.too_many_images = says(said, words.TOO_MANY_IMAGES)
        if error.info == "other":
            error.info = "badRequest"
    return error
