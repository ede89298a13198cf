"""A server's list of tools is foreign: read, bounded, and declared to models without anything that is not seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.core.values.tool_actions import McpHints
from codexd.mcp.catalog import (
    CATALOG_BYTES_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    SCHEMA_BYTES_MAX,
    TOOLS_MAX,
    Catalog,
    declaration,
    read_catalog,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def listed(**members: Any) -> Catalog:
    return read_catalog([json.dumps({"name": "t", "inputSchema": SCHEMA, **members}).encode()])


def declared(catalog: Catalog) -> dict[str, Any]:
    (tool,) = catalog.tools
    read: dict[str, Any] = json.loads(declaration(tool, "mcp__s__t"))
    return read


def test_a_tool_is_declared_with_the_schema_that_its_server_gives() -> None:
    catalog = listed(
        description="Does it.",
        title="T",
        annotations={"readOnlyHint": True, "destructiveHint": False, "openWorldHint": True},
        outputSchema={"type": "object"},
    )
    assert declared(catalog) == {
        "type": "function",
        "name": "mcp__s__t",
        "description": "Does it.",
        "strict": False,
        "parameters": SCHEMA,
    }
    (tool,) = catalog.tools
    assert (tool.title, tool.hints) == ("T", McpHints(True, False, None, True))
    assert json.loads(bytes(tool.listed))["outputSchema"] == {"type": "object"}
    assert catalog.left_out is None


@pytest.mark.parametrize("schema", [{}, {"type": "object"}])
def test_a_schema_without_properties_gets_none_since_providers_want_them(
    schema: dict[str, str],
) -> None:
    assert declared(listed(inputSchema=schema))["parameters"] == {
        "type": "object",
        "properties": {},
    }


def test_what_is_not_seen_is_written_out_for_the_model_and_names_stay() -> None:
    hidden = "a\u202eb\u200b\x1b[2J"
    catalog = listed(
        name=hidden,
        description=hidden,
        title=hidden,
        inputSchema={
            "type": "object",
            "properties": {hidden: {"type": "string", "description": hidden, "const": hidden}},
        },
    )
    (tool,) = catalog.tools
    shown = declared(catalog)
    ((name, field),) = shown["parameters"]["properties"].items()
    assert tool.name == name == field["const"] == hidden
    for text in (shown["description"], field["description"], str(tool.title)):
        assert "\\u{202e}" in text
        assert not {"\u202e", "\u200b", "\x1b"} & set(text)


def test_a_long_description_is_cut() -> None:
    assert len(declared(listed(description="x" * 10_000))["description"]) == (
        DESCRIPTION_CHARACTERS_MAX
    )


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"name": ""}, "its name has 0 characters"),
        ({"name": "n" * 300}, "its name has 300 characters"),
        ({"inputSchema": {"type": "string"}}, "not described as an object"),
        ({"inputSchema": [1]}, "not described as an object"),
        ({"inputSchema": {"x": "y" * SCHEMA_BYTES_MAX}}, f"more than {SCHEMA_BYTES_MAX}"),
        ({"description": 3}, "cannot be read"),
    ],
)
def test_a_tool_that_cannot_be_offered_is_left_out_with_a_reason(
    members: dict[str, Any], why: str
) -> None:
    catalog = listed(**members)
    assert catalog.tools == ()
    assert catalog.left_out is not None
    assert why in catalog.left_out


def entries(count: int, **members: Any) -> list[bytes]:
    return [
        json.dumps({"name": f"t{n}", "inputSchema": {}, **members}).encode() for n in range(count)
    ]


def test_of_ten_thousand_tools_the_first_are_used() -> None:
    catalog = read_catalog(entries(10_000))
    assert [tool.name for tool in catalog.tools] == [f"t{n}" for n in range(TOOLS_MAX)]
    assert catalog.left_out is not None
    assert catalog.left_out.startswith(
        f"{10_000 - TOOLS_MAX} of its tools are left out: t200: only"
    )
    assert catalog.left_out.endswith("; and 9795 more.")


def test_the_tools_of_one_server_together_are_bounded() -> None:
    catalog = read_catalog(entries(100, description="x" * 4000, inputSchema={"x": "y" * 30_000}))
    size = sum(len(bytes(tool.schema)) + len(tool.description) for tool in catalog.tools)
    assert 0 < size <= CATALOG_BYTES_MAX


def test_a_tool_that_is_listed_twice_is_used_once() -> None:
    catalog = read_catalog(entries(1) * 2)
    assert len(catalog.tools) == 1
    assert catalog.left_out == "1 of its tools are left out: t0: listed twice."


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_read_without_an_exception(entries: list[bytes]) -> None:
    read_catalog(entries)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_schema_is_declared_as_an_object_or_left_out(schema: object) -> None:
    catalog = listed(inputSchema=schema)
    for tool in catalog.tools:
        parameters = json.loads(declaration(tool, "n"))["parameters"]
        assert parameters["type"] == "object"
        assert "properties" in parameters
