"""The base instructions of a new thread: the client's, else the config's, else the daemon's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from codexd.config.file import ReadConfig
from codexd.machine.foreign_files import read_file
from codexd.machine.patience import patiently
from codexd.protocol.threads import ThreadStartParams
from codexd.protocol.wire.rpc import RpcError, invalid_params

# Base instructions are a few pages; a file given by mistake is not to fill the model's window.
INSTRUCTIONS_BYTES_MAX = 256 * 1024
# A client's instructions are recorded and sent with each request; the bound of a person's message.
GIVEN_CHARACTERS_MAX = 1024 * 1024


async def own_instructions(read: ReadConfig, params: ThreadStartParams) -> str | None:
    """Base instructions of the thread's own; None: the daemon's. Raises: RpcError."""
    if params.base_instructions is not None or read.config.model_instructions_file is None:
        _check_given("baseInstructions", params.base_instructions)
        return params.base_instructions
    file = _beside(read.file, read.config.model_instructions_file)
    try:
        content = await patiently(str(file), partial(read_file, file, INSTRUCTIONS_BYTES_MAX + 1))
        text = content.decode()
    except OSError as error:
        raise _unusable(read, f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _unusable(read, f"expected UTF-8 in {file}, found other bytes") from error
    if len(content) > INSTRUCTIONS_BYTES_MAX:
        raise _unusable(
            read, f"expected at most {INSTRUCTIONS_BYTES_MAX} bytes in {file}, found more"
        )
    if not text.strip():
        raise _unusable(read, f"expected instructions in {file}, found nothing")
    return text


def developer_instructions(read: ReadConfig, params: ThreadStartParams) -> str | None:
    """The additions for the thread. Raises: RpcError."""
    given = params.config.developer_instructions if params.config is not None else None
    _check_given("developerInstructions", params.developer_instructions or given)
    return params.developer_instructions or given or read.config.developer_instructions


def _check_given(name: str, text: str | None) -> None:
    if text is not None and len(text) > GIVEN_CHARACTERS_MAX:
        raise invalid_params(
            f"{name}: expected at most {GIVEN_CHARACTERS_MAX} characters, found {len(text)}; "
            "the thread was not started"
        )


def _beside(config_file: str, named: str) -> Path:
    """A file that config.toml names: relative to the folder that it lies in."""
    return Path(config_file).parent / Path(named).expanduser()


def _unusable(read: ReadConfig, problem: str) -> RpcError:
    return invalid_params(
        f"{read.file}: `model_instructions_file`: {problem}; the thread was not started"
    )
