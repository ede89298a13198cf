"""Tokens of well-known kinds are found at any position; text that only resembles a token is left alone."""

from __future__ import annotations

import json

import pytest

from codexd.core.values.redacted import find_stand_in
from codexd.redaction.redactor import Redactor
from made_up_secrets import CASES

REDACTOR = Redactor()
LEFT_ALONE = [
    "0194d2a0-0000-7000-8000-000000000001",
    "57d702f0c1a2b3c4d5e6f708192a3b4c5d6e7f80",
    "sha256:" + "9f86d081884c7d65" * 4,
    "gAAAAABo" + "x_-Y" * 300,
    "disk-encryption-config-2024-11-21-abcdefgh and task-12345678901234567890",
    "sk-learn-is-no-key-of-anybody",
    "git@github.com:someone/something.git",
    "mail someone@example.com about http://localhost:8080/@scope/package",
    "https://$USER:$PASSWORD@host/ and https://user:***@host/",
    "Authorization: Bearer $TOKEN",
    "the Bearer of this letter, with authorization from above",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN CERTIFICATE-----\n" + "MIIDdzCCAl+gAwIB" * 8 + "\n-----END CERTIFICATE-----",
    "the secret_access_key is in the vault",
    "def ghp_token_of(x): npm_config = hf_hub",
    "eyJ is how JSON begins in base64",
    "password=password, token=token, api_key=api_key, secret=settings.secret_key",
    "def login(password: str, token: str | None = None, max_tokens: int = 4096) -> None: ...",
    "PASSWORD=$1; TOKEN=$(cat token); API_KEY=${KEY}; SECRET=`pass x`; PASSWORD=<password>",
    "DB_PASSWORD=YOUR_PASSWORD TOKEN=process.env.TOKEN PASSWORD_FILE=/run/secrets/db",
    "password = os.environ['PASSWORD1'] or getpass1('x')",
    "?key=value&token=<token>&sort_key=created_at_1&page_token=abc123def456",
    "docker run -u 1000:1000 and chown -R www:www, sort -u file",
    "the login page has a password field, a machine reads it",
    "next_token: a1b2c3d4e5f6, TOKEN_TTL=12345678s, MONKEY=a1b2c3d4e5",
    "call_aB3dEf6hIj9kLm2nOp5qRs8t and resp_0f9e0f9e0f9e0f9e0f9e0f9e0f9e0f9e",
    "module.a1b2c3d4e5.function_of_it.and_of_that",
]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_token_is_replaced_by_its_kind(kind: str, text: str) -> None:
    clean = REDACTOR.text(text)
    stand_in = find_stand_in(clean)
    assert stand_in is not None
    assert stand_in.startswith(f"«secret {kind} sha256:")
    assert REDACTOR.text(clean) == clean


@pytest.mark.parametrize(("kind", "text"), CASES)
@pytest.mark.parametrize(
    "around", ["x={}", '"{}"', "({})", "\\n{}\\n", "\x1b[01;31m\x1b[K{}\x1b[m", "\n{}\n", "\t{} "]
)
def test_in_any_surrounding_text(kind: str, text: str, around: str) -> None:
    clean = REDACTOR.text(around.format(text))
    assert kind in (find_stand_in(clean) or "")


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_in_json_and_in_json_within_json(kind: str, text: str) -> None:
    for inner in (text, json.dumps({"command": f"echo {text}\n"}), json.dumps(json.dumps(text))):
        event = json.dumps({"item": {"arguments": inner, "n": 1}}).encode()
        clean = REDACTOR(event)
        found = json.loads(clean)["item"]["arguments"]
        assert kind in (find_stand_in(found) or "")
        if inner != text:
            json.loads(found)


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_innocent_text_is_given_back_as_the_same_object(text: str) -> None:
    assert REDACTOR.text(text) is text
    event = json.dumps({"text": text}).encode()
    assert REDACTOR(event) is event


def test_the_providers_ciphertext_passes_untouched() -> None:
    for cipher in (
        "sk-" + "aB3_" * 30,
        "ghp_" + "aB3" * 12,
        "eyJ" + "a" * 20 + "." + "b" * 20 + ".c",
    ):
        event = json.dumps({"type": "reasoning", "encrypted_content": cipher}).encode()
        assert REDACTOR(event) is event


def test_an_image_within_an_event_is_not_searched_for_tokens() -> None:
    event = json.dumps({"url": "data:image/png;base64," + "ghp_" + "aB3" * 12}).encode()
    assert REDACTOR(event) is event
    known = Redactor({"KEY": "aB3aB3aB3aB3"})
    assert b"aB3aB3aB3aB3" not in known(event)


def test_invalid_json_loses_its_secrets_and_nothing_else() -> None:
    token = b"ghp_" + b"aB3" * 12
    for content in (b"\x00\xff{" + token + b"\xfe", b'{"open ' + token, b"\x89PNG\r\n" + token):
        clean = REDACTOR(content)
        assert token not in clean
        before, _, after = content.partition(token)
        assert clean.startswith(before)
        assert clean.endswith(after)
