"""codexctl mcp add and remove: a table of config.toml comes and goes, and every other byte stays."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.config.edit import NotEdited, with_server, without_server
from codexd.config.file import InvalidConfig

FILE = "/h/config.toml"
OWN = """\
# mine
model = "m"  # the best

[mcp_servers.first]  # the first
command = "one"

[mcp_servers.first.env]
A = '''
[mcp_servers.second]
'''

# about the second
[mcp_servers.second]
url = "https://example.org/mcp"

# about the rest
[tui]
theme = "x"
"""
WITHOUT_FIRST = """\
# mine
model = "m"  # the best

# about the second
[mcp_servers.second]
url = "https://example.org/mcp"

# about the rest
[tui]
theme = "x"
"""


def add(text: str, name: str, **keys: object) -> str:
    return with_server(text.encode(), FILE, name, keys or {"command": "c"}).decode()  # type: ignore[arg-type]


def remove(text: str, name: str) -> str:
    return without_server(text.encode(), FILE, name).decode()


def test_a_server_is_added_at_the_end() -> None:
    added = add(OWN, "new", command="npx", args=("-y", 'a"b\\'), env={"K.1": "v\n", "L": ""})
    assert added == OWN + (
        '\n[mcp_servers.new]\ncommand = "npx"\nargs = ["-y", "a\\"b\\\\"]\n'
        '\n[mcp_servers.new.env]\n"K.1" = "v\\n"\nL = ""\n'
    )
    assert remove(added, "new") == OWN
    assert add("", "a") == '[mcp_servers.a]\ncommand = "c"\n'
    assert add("model = 'm'", "a") == "model = 'm'\n\n[mcp_servers.a]\ncommand = \"c\"\n"


def test_a_server_goes_with_its_tables_and_what_stands_above_the_next_stays() -> None:
    assert remove(OWN, "first") == WITHOUT_FIRST
    assert tomllib.loads(remove(OWN, "second"))["tui"] == {"theme": "x"}
    assert "# about the rest" in remove(OWN, "second")


def test_a_server_of_that_name_is_replaced() -> None:
    replaced = add(OWN, "first", url="https://new.example")
    assert replaced == WITHOUT_FIRST + '\n[mcp_servers.first]\nurl = "https://new.example"\n'


def test_the_ends_of_lines_and_a_mark_at_the_beginning_stay() -> None:
    windows = "\ufeff" + OWN.replace("\n", "\r\n")
    added = add(windows, "new")
    assert added == windows + '\r\n[mcp_servers.new]\r\ncommand = "c"\r\n'
    assert remove(added, "new") == windows


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = { a = { command = "c" } }\n',
        'mcp_servers.a.command = "c"\n',
        '[mcp_servers]\na = { command = "c" }\n',
        '[mcp_servers]\na.command = "c"\n',
    ],
)
def test_what_is_written_in_another_way_is_left_alone(text: str) -> None:
    with pytest.raises(NotEdited, match="by hand"):
        remove(text, "a")
    with pytest.raises(NotEdited):
        add(text, "a")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ü", "a" * 65, "a\n[x]"])
def test_a_name_that_no_tool_could_have_is_refused(name: str) -> None:
    with pytest.raises(NotEdited, match="expected a name"):
        add(OWN, name)


def test_a_file_that_is_broken_is_left_alone() -> None:
    for broken in (b"a =", b"\xff", b"model = 3\n"):
        with pytest.raises(InvalidConfig):
            with_server(broken, FILE, "a", {"command": "c"})
    with pytest.raises(NotEdited, match="No MCP server named 'other' found"):
        remove(OWN, "other")


names = st.text("ab-_0", min_size=1, max_size=4)
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
variables = st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=9)
tables = st.fixed_dictionaries(
    {"command": values.map("c{}".format)},
    optional={
        "args": st.lists(values, max_size=3),
        "env": st.dictionaries(variables, values, min_size=1, max_size=3),
    },
)


@given(st.dictionaries(names, tables, max_size=3), names, tables, st.sampled_from(["", OWN]))
def test_what_is_added_is_read_back_and_what_is_removed_leaves_what_was(
    others: dict[str, dict[str, str]], name: str, table: dict[str, str], text: str
) -> None:
    others.pop(name, None)
    for other, keys in others.items():
        text = add(text, other, **keys)
    added = add(text, name, **table)
    assert tomllib.loads(added)["mcp_servers"][name] == table
    assert remove(added, name) == text
