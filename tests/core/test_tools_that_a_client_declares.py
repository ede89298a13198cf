"""Tools that a client declares for a thread: in its log for ever, offered to its model, and found by their names."""

from __future__ import annotations

import json

import msgspec

from codexd.core.events.events import (
    Event,
    ThreadStarted,
    ThreadTakenIn,
)
from codexd.core.events.tools import ToolStarted
from codexd.core.state.state import fold
from codexd.core.values.dynamic_names import find_function, flat_name, flattened, offered
from codexd.core.values.dynamic_tools import DynamicFunction, DynamicNamespace
from codexd.core.values.ids import CallId
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import BadCall, DynamicToolCall
from codexd.tools.registry import CallContext, Registry
from golden_logs import check_same_today, golden

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')
LONG = "l" * 70


def function(name: str, *, deferred: bool = False) -> DynamicFunction:
    return DynamicFunction(
        name=name, description=f"Does {name}.", input_schema=SCHEMA, defer_loading=deferred
    )


SPACE = DynamicNamespace(
    name="maps",
    description="Maps.",
    tools=(function("route"), function("later", deferred=True), function(LONG)),
)
DECLARED = (function("weather"), SPACE, function(LONG))
SETTINGS = Settings("/work", "m", "p", approval_policy="untrusted", sandbox="read-only")
STARTED = ThreadStarted(SETTINGS, "sdk", "1", dynamic_tools=(function("weather"), SPACE))
CONTEXT = CallContext("/work", "t", "c")

LINES = golden("dynamic-tools-v1")
EXPECTED: list[Event] = [
    STARTED,
    ToolStarted(CallId("c1"), DynamicToolCall("weather", '{"city":"Ulm"}')),
    ToolStarted(CallId("c2"), DynamicToolCall("route", "{}", "maps"), again="repeat"),
]


def test_logs_with_them_read_as_they_were_meant_and_would_be_written_the_same_today() -> None:
    check_same_today(LINES, EXPECTED)


def test_a_thread_keeps_them_until_it_is_taken_in_from_elsewhere() -> None:
    state = fold([STARTED])
    assert state.dynamic_tools == STARTED.dynamic_tools
    assert fold([ThreadTakenIn("package", SETTINGS)], state).dynamic_tools == ()


def test_a_model_is_offered_all_but_the_deferred_in_their_namespaces() -> None:
    weather, space, long = map(json.loads, offered(DECLARED))
    assert weather == {
        "type": "function",
        "name": "weather",
        "description": "Does weather.",
        "strict": False,
        "parameters": json.loads(bytes(SCHEMA)),
    }
    assert (space["type"], space["name"], space["description"]) == ("namespace", "maps", "Maps.")
    assert [tool["name"] for tool in space["tools"]] == ["route", flat_name(None, LONG)]
    assert long["name"] == flat_name(None, LONG)
    assert len(long["name"]) == 64
    later = DynamicNamespace(name="a", description="", tools=(function("b", deferred=True),))
    assert [*offered((later,))] == []


def test_without_namespaces_they_have_flat_names_that_stay_apart() -> None:
    own = b'{"type":"custom","name":"apply_patch"}'
    flat = flattened((own, *offered(DECLARED)))
    assert flat[0] == own
    names = [json.loads(tool)["name"] for tool in flat]
    long = flat_name("maps", LONG)
    assert names == ["apply_patch", "weather", "maps__route", long, flat_name(None, LONG)]
    assert all(json.loads(tool)["parameters"] for tool in flat[1:])
    assert len({*names}) == len(names)
    assert max(map(len, names)) == 64
    assert flattened((own,)) == (own,)


def test_a_call_finds_its_function_by_either_name_and_no_other_way() -> None:
    names = {
        (None, "weather"): (None, "weather"),
        ("maps", "route"): ("maps", "route"),
        ("maps", "later"): ("maps", "later"),
        (None, "maps__route"): ("maps", "route"),
        (None, LONG[:64]): (None, LONG),  # as APIs cut it
        (None, flat_name("maps", LONG)): ("maps", LONG),
        (None, "route"): None,
        ("maps", "weather"): None,
        ("maps", "maps__route"): None,
        ("other", "route"): None,
    }
    for called, expected in names.items():
        found = find_function(DECLARED, *called)
        assert (found and (found[0], found[1].name)) == expected, called


def test_the_arguments_of_a_call_are_json_and_of_a_bounded_size() -> None:
    registry = Registry()

    def read(name: str, arguments: str, namespace: str | None = None) -> object:
        return registry.read_call(name, arguments, CONTEXT, namespace, DECLARED)

    assert read("weather", '{"city":"Ulm"}') == DynamicToolCall("weather", '{"city":"Ulm"}')
    assert read("weather", " ") == DynamicToolCall("weather", "{}")
    assert read("route", "{}", "maps") == DynamicToolCall("route", "{}", "maps")
    for bad in ("{", "[" * 100_000, '{"a":"' + "x" * 1024 * 1024 + '"}', '"\x00"'):
        answer = read("weather", bad)
        assert isinstance(answer, BadCall), bad[:10]
        assert "weather was not called" in answer.reason
        assert len(answer.reason) < 300
    unknown = read("route", "{}")
    assert isinstance(unknown, BadCall)
    assert unknown.reason.startswith("unsupported call: route.")
    assert isinstance(read("weather", "{}", "other"), BadCall)
