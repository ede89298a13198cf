"""How a model is asked for a summary: in the words of config.toml, of a file, or of codexd."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from codexd.config.keys import Config
from codexd.context_files.compact_prompt import PROMPT_BYTES_MAX, compact_prompt, read_prompt
from codexd.core.prompts.compaction import COMPACTION_PROMPT

Log = pytest.LogCaptureFixture


def asked(folder: Path, config: Config) -> str:
    prompt = compact_prompt(config, folder / "config.toml")
    return prompt if isinstance(prompt, str) else read_prompt(prompt)


@pytest.mark.parametrize("prompt", [None, "", " \n"])
def test_the_default_question_is_codexds(tmp_path: Path, prompt: str | None) -> None:
    assert asked(tmp_path, Config(compact_prompt=prompt)) == COMPACTION_PROMPT


def test_an_own_question_counts_before_a_file(tmp_path: Path) -> None:
    config = Config(compact_prompt="Sum up.", experimental_compact_prompt_file="no such file")
    assert asked(tmp_path, config) == "Sum up."


def test_a_file_is_looked_for_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "ask.md").write_text("Was war?\n")
    config = Config(experimental_compact_prompt_file="ask.md")
    assert asked(tmp_path, config) == "Was war?\n"


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff", b"x" * (PROMPT_BYTES_MAX + 1)], ids=range(5)
)
def test_a_file_that_is_of_no_use_is_complained_of(
    tmp_path: Path, caplog: Log, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "ask.md").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        config = Config(experimental_compact_prompt_file="ask.md")
        assert asked(tmp_path, config) == COMPACTION_PROMPT
    assert "ask.md" in caplog.text
    assert "the daemon's own question is asked" in caplog.text


def test_the_question_asks_for_the_needs_of_the_next_model() -> None:
    for word in ("constraint", "decided", "remains", "paths", "call no tools"):
        assert word in COMPACTION_PROMPT
