"""A config.toml of any shape is read, or refused in words: no key and no nesting takes memory without end."""

from __future__ import annotations

import pytest

from codexd.config.file import WARNINGS_MAX, InvalidConfig, parse_config
from codexd.config.layers import toml_text as c
from codexd.config.layers.toml_file import KEY_DOTS_MAX
from peak_memory import HAS_PROC, peak_mib

MANY = 200_000


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * MANY) + " = 1",
        "[" + ".".join(["a"] * MANY) + "]",
        "[[" + " . ".join(["a"] * MANY) + "]]",
        "x = {" + ".".join(['"a"'] * MANY) + " = 1}",
        'x = "#" # " \ny.' + ".".join(["'a'"] * MANY) + " = 1",
        'x = """\\"""" \n' + "a." * MANY + "b = '''",
    ],
    ids=["key", "table", "tables", "inline", "quoted", "unclosed"],
)
def test_a_key_of_many_parts_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(InvalidConfig, match=f"at most {KEY_DOTS_MAX} dots") as refused:
        parse_config(text.encode(), "config.toml")
    assert str(refused.value).startswith(f"config.toml:{1 + text.count(chr(10))}")


@pytest.mark.parametrize(
    "text",
    [
        'developer_instructions = "' + "." * 999 + '"',
        "developer_instructions = '" + "." * 999 + "'",
        'developer_instructions = """\n' + "...\"'#\n" * 999 + '"""',
        "developer_instructions = '''\n" + "...\"'#\n" * 999 + "'''",
        'developer_instructions = """a\\"""' + "." * 999 + '"""',
        'model = "m" # ' + "." * 999,
        "\n".join(f'[projects."/home/ann/a.b.c.{n}"]\ntrust_level = "trusted"' for n in range(99)),
    ],
    ids=["text", "literal", "lines", "literal lines", "escape", "comment", "many tables"],
)
def test_dots_in_texts_are_no_keys(text: str) -> None:
    assert parse_config(text.encode(), "config.toml").warnings == ()


@pytest.mark.parametrize("text", ["a = " + "[" * MANY, "a = " + "[{a=" * MANY])
def test_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="nested without end"):
        parse_config(text.encode(), "config.toml")


def test_some_unknown_keys_are_named_and_the_others_counted() -> None:
    text = "".join(f"[unknown{n}]\n" for n in range(WARNINGS_MAX + 968))
    warnings = parse_config(text.encode(), "config.toml").warnings
    assert len(warnings) == WARNINGS_MAX + 1
    assert warnings[-1] == "config.toml: 968 more unknown keys were ignored."


def test_leaving_texts_out_is_linear_for_any_text() -> None:
    """No repetition of the pattern gives anything back."""
    assert c._TEXT.pattern.count("*") == c._TEXT.pattern.count("*+") == 5
    for text in ('"' * 999_999, "'" * 999_999, '"""' + '"x' * 500_000, "'''" + "'x" * 500_000):
        assert len(c._TEXT.sub("", text)) < 4


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="the kernel tells no peak that is the process's own")
@pytest.mark.parametrize(
    "text",
    [
        "'.'.join(['a'] * 400_000) + ' = 1'",
        "'\\n'.join('.'.join(['a%d' % n] * 60) + ' = 1' for n in range(1_000))",
        "'a = ' + '[' * 900_000",
        "'a = [' + '[],' * 300_000 + ']'",
        "'[[a]]\\n' * 150_000",
    ],
)
def test_its_memory_is_bounded(text: str) -> None:
    prepare = (
        f"from codexd.config.file import InvalidConfig, parse_config\ntext = ({text}).encode()"
    )
    grown = peak_mib(prepare, "try:\n    parse_config(text, 'c')\nexcept InvalidConfig: pass")
    print(f"{text}: {grown} MiB more")
    assert grown < 400
