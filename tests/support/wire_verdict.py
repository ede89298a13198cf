"""Whether what daemons under test have sent is valid: by the schemas of Codex's versions, and by codexd's own types.

Of a method that a version of Codex has, each message must be valid by that version's schema. Every message must be
valid by the types that `codexd schema` writes, and have no member that those do not name.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]  # it has no types, and its stubs are a package more

from codexd.protocol.methods import METHODS
from codexd.protocol.schema.catalogue import protocol_messages
from codexd.protocol.schema.json_schema import json_schema
from installed_codex import VERSIONS, Version
from wire_schemas import branches, their_name
from wire_spool import Kept

REASON_CHARACTERS_MAX = 300
# Codex's names of results that are not those of its params, of methods whose answer is the same for all.
_RESULTS = {
    "remoteControl/status/read": "RemoteControlStatusReadResponse",
    "account/gatewayOAuth/cancel": "GatewayOAuthCancelResponse",
    "account/securitySetup/read": "GetAccountSecuritySetupResponse",
}
# Methods that a test adds to the table by itself.
_OF_TESTS = {"thread/greet"}
# The member of a message that its schema is about; of an error, all of it.
_MEMBER = {"answer": "result", "notification": "params", "request": "params"}
_OWN_UNIONS = {
    "answer": "ClientResponse",
    "notification": "ServerNotification",
    "request": "ServerRequest",
}


class Fault(NamedTuple):
    """A message that is not valid."""

    by: str  # whose schema refuses it
    kept: Kept
    why: str

    def __str__(self) -> str:
        what = f"{self.kept.kind} {self.kept.method}".strip()
        return f"{what} is not valid by {self.by}: {self.why}\n    sent in {self.kept.test}"


class Verdict(NamedTuple):
    """What became of a run."""

    kinds: Counter[str]  # messages of different shapes, by their kind and method
    own: frozenset[str]  # methods that no version of Codex has
    members: frozenset[str]  # names of members that no version of Codex has in their places
    faults: list[Fault]

    def __str__(self) -> str:
        head = (
            f"{sum(self.kinds.values())} messages of different shapes, of {len(self.kinds)} kinds; "
            f"{len(self.own)} methods are codexd's own: {', '.join(sorted(self.own))}; "
            f"and in messages of Codex's methods these members: {', '.join(sorted(self.members))}"
        )
        return "\n".join([head, *map(str, self.faults)])


def judge(messages: Sequence[Kept], versions: Sequence[Version] = VERSIONS) -> Verdict:
    """Check them by codexd's own types, and by those of Codex's versions whose schemas are here."""
    installed = [version for version in versions if version.is_here]
    messages = [kept for kept in messages if kept.method not in _OF_TESTS]
    faults = [fault for kept in messages for fault in _faults(kept, installed)]
    known = frozenset[str]().union(*map(branches, installed))
    return Verdict(
        Counter(f"{kept.kind} {kept.method}".strip() for kept in messages),
        frozenset(kept.method for kept in messages if kept.kind != "error") - known,
        frozenset[str]().union(*(_own_members(kept, installed) for kept in messages)),
        faults,
    )


def _faults(kept: Kept, installed: Sequence[Version]) -> Iterator[Fault]:
    own = _own_validator(kept.kind, kept.method)
    why = "it has no such method" if own is None else _refusal(own, _own_part(kept))
    if why is not None:
        yield Fault("`codexd schema`", kept, why)
    for version in installed:
        if kept.method in branches(version) if kept.kind != "error" else _has_id(kept):
            theirs = _validator(version, _their_name(version, kept))
            part = kept.message[_MEMBER[kept.kind]] if kept.kind in _MEMBER else kept.message
            if (why := _refusal(theirs, part)) is not None:
                yield Fault(f"Codex {version.name}", kept, why)


def _own_members(kept: Kept, installed: Sequence[Version]) -> frozenset[str]:
    """The members of a message that no version of those that have its method names."""
    knowing = [version for version in installed if kept.method in branches(version)]
    if not knowing or kept.kind == "error":
        return frozenset()
    part = kept.message[_MEMBER[kept.kind]]
    schemas = [_validator(version, _their_name(version, kept)).schema for version in knowing]
    return frozenset.intersection(*(frozenset(_unnamed(part, [it], it)) for it in schemas))


def _unnamed(value: Any, schemas: Sequence[Any], whole: Any) -> Iterator[str]:
    """The members of a value that no alternative of its schema names."""
    forms = [form for schema in schemas for form in _forms(schema, whole)]
    if isinstance(value, list):
        items = [form["items"] for form in forms if isinstance(form.get("items"), dict)]
        for part in value:
            yield from _unnamed(part, items, whole)
    elif isinstance(value, dict):
        named = [form["properties"] for form in forms if "properties" in form]
        for name, member in value.items() if named else ():
            known = [properties[name] for properties in named if name in properties]
            if known:
                yield from _unnamed(member, known, whole)
            else:
                yield name


def _forms(schema: Any, whole: Any) -> Iterator[dict[str, Any]]:
    """The alternatives that a schema stands for."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield from _forms(whole["definitions"][schema["$ref"].rpartition("/")[2]], whole)
    for several in ("anyOf", "oneOf", "allOf"):
        for alternative in schema.get(several, ()):
            yield from _forms(alternative, whole)
    yield schema


def _has_id(error: Kept) -> bool:
    """Codex answers nothing to what it cannot read; JSON-RPC wants an error whose id is null."""
    return error.message["id"] is not None


def _refusal(validator: Any, value: Any) -> str | None:
    """Why a value is not valid; None if it is."""
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is None:
        return None
    place = "/".join(map(str, error.absolute_path)) or "(whole)"
    return f"{place}: {error.message[:REASON_CHARACTERS_MAX]}"


def _own_part(kept: Kept) -> Any:
    if kept.kind != "answer":
        return kept.message
    return {"method": kept.method, "result": kept.message["result"]}


@functools.cache
def _own_defs() -> dict[str, Any]:
    """codexd's own types, and no member beside them."""
    defs: dict[str, Any] = json_schema(protocol_messages())["$defs"]
    for schema in defs.values():
        for form in (schema, *schema.get("anyOf", ())):
            if "properties" in form:
                form["additionalProperties"] = False
    return defs


@functools.cache
def _own_validator(kind: str, method: str) -> Any:
    defs = _own_defs()
    if kind == "error":
        schema: Any = {"$ref": "#/$defs/ErrorResponse"}
    else:
        forms = defs[_OWN_UNIONS[kind]]["anyOf"]
        named = [form for form in forms if form["properties"]["method"]["const"] == method]
        if not named:
            return None
        (schema,) = named
    return jsonschema.Draft202012Validator({**schema, "$defs": defs})


def _their_name(version: Version, kept: Kept) -> str:
    if kept.kind == "error":
        return "JSONRPCError"
    params: str = branches(version)[kept.method].get("params", {}).get("$ref", "")
    named = params.rpartition("/")[2]
    if kept.kind != "answer":
        return named
    ours = METHODS[kept.method].response.__name__ if kept.method in METHODS else ""
    ours = _RESULTS.get(kept.method) or their_name(ours)
    return ours if _file(version, ours) is not None else named.replace("Params", "Response")


def _file(version: Version, name: str) -> Path | None:
    places = (version.schemas / part / f"{name}.json" for part in ("v2", "v1", "."))
    return next((path for path in places if path.is_file()), None)


@functools.cache
def _validator(version: Version, name: str) -> Any:
    file = _file(version, name)
    assert file is not None, f"expected a schema {name} of Codex {version.name}, found none"
    return jsonschema.Draft7Validator(json.loads(file.read_bytes()))
