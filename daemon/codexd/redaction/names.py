"""Which environment variables hold secrets, by their names and by the form of their values.

A name is checked by its segments: `GITHUB_TOKEN` is secret, `TOKENIZERS_PARALLELISM` is not. A variable with
a secret name is still no secret if its value is a path, a switch, a number or an address.
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
