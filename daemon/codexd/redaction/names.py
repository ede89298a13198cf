"""Values that are secret because of their names: environment variables, and `PASSWORD=…`, `?token=…`, `api_key: …`.

A name is checked by its segments: `GITHUB_TOKEN` is secret, `TOKENIZERS_PARALLELISM` is not. A variable with
a secret name is still no secret if its value is a path, a switch, a number or an address.

In a text the name alone is not enough: programs are full of `token=token`. So the value is checked as well, more
strictly if the line may be from a program and not from a shell or a settings file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

# Shorter values occur in other text by chance, and protect little: `test`, `admin`, `1234`.
SECRET_CHARACTERS_MIN: Final = 8

_SECRET_SEGMENTS: Final = frozenset(
    """
    APIKEY AUTH AUTHTOKEN COOKIE CREDENTIAL CREDENTIALS CREDS JWT KEY KEYS PASS PASSPHRASE PASSWD PASSWORD
    PASSWORDS PAT PRIVATEKEY PWD SECRET SECRETKEY SECRETS TOKEN TOKENS
    """.split()  # noqa: SIM905
)
# The last segment decides: a secret's file, name or length is not the secret.
_HARMLESS_ENDS: Final = frozenset(
    """
    ALGORITHM ALIAS BACKEND BYTES COMMAND COUNT DIR DIRECTORY ENABLED ENDPOINT EXPIRES EXPIRY FILE FINGERPRINT
    FOLDER FORMAT HEADER HELPER HOST ISSUER LENGTH LIFETIME LIMIT METHOD MODE NAME PATH PORT PROMPT PROVIDER
    REALM REGION SCHEME SCOPE SERVER SIZE SOCK SOCKET STORE TIMEOUT TTL TYPE URI URL USER USERNAME VERSION
    """.split()  # noqa: SIM905
)
# Whole names that look secret and are not: working folders, a public key's fingerprint.
_HARMLESS_NAMES: Final = frozenset({"PWD", "OLDPWD", "GPG_KEY", "SSH_AUTH_SOCK", "XAUTHORITY"})
# Words for "none" and "stored elsewhere", and the values of examples in manuals.
_HARMLESS_VALUES: Final = frozenset(
    """
    disabled enabled required optional default keychain keyring undefined placeholder redacted changeme
    password anonymous unlimited
    """.split()  # noqa: SIM905
)

_SEGMENT: Final = re.compile(r"[A-Z]{1,64}(?![a-z])|[A-Z]?[a-z]++|[0-9]++")
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9.,:_]*+")
# A slash alone proves nothing: keys in base64 have slashes too, but no whole first part in lower case.
_PATH: Final = re.compile(
    r"(?:~|\.{1,2})?/(?:\.?[a-z][a-z0-9_.-]*+|Users|Volumes|Library|Applications)(?:/.*)?"
)
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+://[^@]*+")


def secrets_in(
    variables: Mapping[str, str], *, named: Collection[str] = (), spared: Collection[str] = ()
) -> dict[str, str]:
    """The secrets among variables, by name: those `named`, and those that look secret and are not `spared`."""
    return {
        name: value
        for name, value in variables.items()
        if name not in spared
        and len(value) >= SECRET_CHARACTERS_MIN
        and (name in named or (is_secret_name(name) and not is_harmless_value(value)))
    }


def segments_of(name: str) -> list[str]:
    """The parts of a name, in capitals: `apiKey2` has API, KEY and 2."""
    return [segment.upper() for segment in _SEGMENT.findall(name)]


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name is expected to hold a secret."""
    segments = segments_of(name)
    if name in _HARMLESS_NAMES or not segments or "PUBLIC" in segments:
        return False
    if segments[-1] in _HARMLESS_ENDS:
        return False
    return not _SECRET_SEGMENTS.isdisjoint(segments) or "".join(segments[-2:]) in _SECRET_SEGMENTS


def is_harmless_value(value: str) -> bool:
    """Whether a value is clearly no secret: a word for "none", a number, a path, an address."""
    value = value.strip()
    return (
        value.lower() in _HARMLESS_VALUES
        or _NUMBER.fullmatch(value) is not None
        or _PATH.fullmatch(value) is not None
        or _ADDRESS.fullmatch(value) is not None
    )


# The last part of such a name, or its last two parts: `key` alone is often the key of a table.
_ENDS: Final = frozenset(
    """
    PASSWORD PASSWD PASSPHRASE PASS PWD SECRET TOKEN APIKEY AUTHTOKEN SECRETKEY ACCESSKEY PRIVATEKEY SIGNINGKEY
    ENCRYPTIONKEY MASTERKEY ACCOUNTKEY AUTHKEY PAT MYSQLPWD PGPASSWORD
    """.split()  # noqa: SIM905
)
# Tokens that mark a position, and are no secrets.
_PLACES: Final = frozenset(
    "NEXT PAGE CONTINUATION CURSOR SYNC START END EOS BOS PAD UNK STOP PUBLIC PER".split()  # noqa: SIM905
)
_NAME_BYTES_MAX: Final = 80
_NAME_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
# Names in place of a value, and values of examples.
_PROGRAM_NAME: Final = re.compile(r"[A-Za-z_]++(?:\.[A-Za-z_]++)*+")
_CAPITALS: Final = re.compile(r"[A-Z]++(?:[_-][A-Z]++)++")
_EXAMPLES: Final = ("your", "example", "change", "xxx", "***", "...", "insert", "replace", "dummy")
# Query parameters with common names, so their value must look like a key.
_VAGUE: Final = frozenset({"key", "auth", "sig", "signature"})
_VAGUE_CHARACTERS_MIN: Final = 16


def is_assigned_secret(text: bytes, found: re.Match[bytes]) -> bool:
    """Whether the matched value is a secret, by its name and by its form."""
    value = found["secret"].decode(errors="replace")
    if len(value) < SECRET_CHARACTERS_MIN or _is_example(value):
        return False
    prefix = found[0][: found.start("secret") - found.start()]
    if prefix[:1] in (b"?", b"&"):  # of a URL
        name = prefix[1:-1].decode().lower()
        return name not in _VAGUE or (len(value) >= _VAGUE_CHARACTERS_MIN and _is_mixed(value))
    tail = prefix[: len(prefix) - len(prefix.lstrip(_NAME_LETTERS))]
    name = _begun(text, found.start()) + tail.decode()
    if not _is_named(name):
        return False
    if name.isupper() and prefix[len(tail) :].startswith(b"="):  # as in a shell or a settings file
        is_dotted = "." in value and _PROGRAM_NAME.fullmatch(value) is not None
        return _CAPITALS.fullmatch(value) is None and not is_dotted
    return _is_mixed(value)


def is_mixed(text: bytes, found: re.Match[bytes]) -> bool:
    """Whether the matched value has both digits and letters, as few words have."""
    value = found["secret"].decode(errors="replace")
    return _is_mixed(value) and not _is_example(value)


def _begun(text: bytes, at: int) -> str:
    """The part of the name before the match, if a match begins within a name."""
    lead = text[max(0, at - _NAME_BYTES_MAX) : at]
    word = lead[len(lead.rstrip(_NAME_LETTERS)) :]
    before = lead[len(lead) - len(word) - 1 : len(lead) - len(word)]
    if before == b"\\":
        word = word[1:] if word[:1] in b"bfnrt" else word  # of an escape
    elif before in (b"[", b";"):
        # Of a colour.
        word = word[word.find(b"m") + 1 :] if word[:1].isdigit() else word.lstrip(b"mK")
    return word.decode()


def _is_named(name: str) -> bool:
    segments = segments_of(name)
    if not segments or (not is_secret_name(name) and "".join(segments) not in _ENDS):
        return False
    if not _PLACES.isdisjoint(segments):
        return False
    return segments[-1] in _ENDS or "".join(segments[-2:]) in _ENDS


def _is_example(value: str) -> bool:
    lower = value.lower()
    return is_harmless_value(value) or lower.startswith(_EXAMPLES) or len(frozenset(value)) < 3


def _is_mixed(value: str) -> bool:
    return any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value)
