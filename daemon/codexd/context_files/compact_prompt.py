"""The compaction prompt: from config.toml, from a file that it names, or codexd's own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from codexd.config.keys import Config
from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.machine.foreign_files import read_file

log = logging.getLogger(__name__)

# A prompt is a page at most; a wrong file must not fill the context window that is to be emptied.
PROMPT_BYTES_MAX: Final = 64 * 1024


def compact_prompt(config: Config, config_file: Path) -> str | Path:
    """The configured compaction prompt, or the file that has it."""
    if config.compact_prompt is not None and config.compact_prompt.strip():
        return config.compact_prompt
    named = config.experimental_compact_prompt_file
    if named is None:
        return COMPACTION_PROMPT
    return config_file.parent / Path(named).expanduser()


def read_prompt(file: Path) -> str:
    """The prompt in a file. If the file cannot be used, warns and returns codexd's own prompt."""
    try:
        content = read_file(file, PROMPT_BYTES_MAX + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        return _own_instead(file, str(error))
    if len(content) > PROMPT_BYTES_MAX:
        return _own_instead(file, f"expected at most {PROMPT_BYTES_MAX} bytes, found more")
    if not text.strip():
        return _own_instead(file, "expected a question, found nothing")
    return text


def _own_instead(file: Path, problem: str) -> str:
    log.warning(
        "`experimental_compact_prompt_file`: %s: %s; the daemon's own question is asked",
        file,
        problem,
    )
    return COMPACTION_PROMPT
