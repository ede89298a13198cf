"""The variables of this shell that the commands of a turn get: its session, and not that of the daemon's shell.

The model for this is `update-environment` of tmux(1). No variable of the list holds a secret by its nature; a
proxy may have a password, which the daemon keeps out of its logs as it does with any secret.

The keys of providers go beside them, by names that the daemon says: for requests of the turn, and for no command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final

# More names, for commands that need others: separated by commas or blanks.
MORE: Final = "CODEXD_PASS_ENV"
# The key that pays for a turn of `exec` in place of a login, as in Codex; other commands leave it alone.
EXEC_KEY: Final = "CODEX_API_KEY"

NAMES: Final[tuple[str, ...]] = tuple(
    """
    PATH MANPATH
    SSH_AUTH_SOCK SSH_AGENT_PID SSH_ASKPASS SSH_CONNECTION SSH_CLIENT SSH_TTY GPG_AGENT_INFO GPG_TTY KRB5CCNAME
    DISPLAY WAYLAND_DISPLAY XAUTHORITY WINDOWID DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR XDG_SESSION_ID
    XDG_SESSION_TYPE BROWSER
    VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONPATH PYTHONHOME PYENV_VERSION PIPENV_ACTIVE POETRY_ACTIVE
    UV_PROJECT_ENVIRONMENT
    CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL CONDA_PROMPT_MODIFIER MAMBA_ROOT_PREFIX
    NVM_DIR NVM_BIN NVM_INC NODE_PATH NODE_ENV NODE_OPTIONS VOLTA_HOME FNM_DIR FNM_MULTISHELL_PATH
    RBENV_VERSION GEM_HOME GEM_PATH RUBY_ROOT RUBY_VERSION BUNDLE_GEMFILE
    JAVA_HOME SDKMAN_DIR GRADLE_HOME MAVEN_HOME ANDROID_HOME ANDROID_SDK_ROOT
    GOROOT GOPATH GOFLAGS GOOS GOARCH RUSTUP_TOOLCHAIN CARGO_TARGET_DIR CC CXX CFLAGS CXXFLAGS LDFLAGS
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH LIBRARY_PATH CPATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH
    IN_NIX_SHELL NIX_PATH NIX_PROFILES GUIX_ENVIRONMENT DIRENV_DIR DIRENV_FILE DEVBOX_SHELL_ENABLED MISE_ENV
    AWS_PROFILE AWS_DEFAULT_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE
    CLOUDSDK_ACTIVE_CONFIG_NAME CLOUDSDK_CORE_PROJECT GOOGLE_CLOUD_PROJECT GOOGLE_APPLICATION_CREDENTIALS
    AZURE_CONFIG_DIR KUBECONFIG DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS_VERIFY
    TF_WORKSPACE
    GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS
    GIT_CONFIG_GLOBAL EDITOR VISUAL TZ
    http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO
    """.split()  # noqa: SIM905  # a table
)


def passed_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """The variables with their values; None for those that this shell does not have.

    A value that is not UTF-8 cannot be passed, and is left as the daemon has it.
    """
    more = [name for name in re.split(r"[,\s]+", environ.get(MORE, "")) if name]
    values = {name: environ.get(name) for name in (*NAMES, *more)}
    return {name: value for name, value in values.items() if _is_utf8(name + (value or ""))}


def session_of_turn(
    key_variables: Iterable[str],
    environ: Mapping[str, str] = os.environ,
    *,
    of_exec: bool = False,
) -> dict[str, object]:
    """What a turn brings along of this shell: variables for its commands, and keys for requests to providers."""
    names = [name for name in key_variables if of_exec or name != EXEC_KEY]
    keys = {name: environ[name] for name in names if environ.get(name)}
    given = {name: value for name, value in keys.items() if _is_utf8(name + value)}
    passed: dict[str, object] = {"updateEnvironment": passed_variables(environ)}
    return passed | ({"providerKeys": given} if given else {})


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
