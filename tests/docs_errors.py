"""The reference page on errors: each `data.code`, and with what words it is sent. See docs_reference.py.

The codes are found where errors are made: `Rejected(code, message)`, `state_error(message, code)`, and `ErrorData(code)`
within an `RpcError(number, message, data)`. A code that is not a constant is followed to the constants of its function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from checkout import sources, tree
from codexd.protocol.wire import rpc

# Of an error that any method may have, the number is not beside its code.
_STATE = rpc.INVALID_REQUEST
_MESSAGE_CHARACTERS_MAX = 200


class Made(NamedTuple):
    """A place that makes an error."""

    code: str
    number: int
    message: str  # with … for what differs; empty: another error's own words


def errors_page(made: str) -> str:
    """docs/reference/errors.md"""
    rows: dict[str, tuple[int, list[str]]] = {}
    for error in errors():
        number, messages = rows.setdefault(error.code, (error.number, []))
        assert number == error.number, f"{error.code} is sent as {number} and as {error.number}"
        if error.message and error.message not in messages:
            messages.append(error.message)
    table = [
        f"| `{code}` | {number} | {'<br>'.join(messages) or '…'} |"
        for code, (number, messages) in sorted(rows.items())
    ]
    return "\n".join(
        [
            made,
            "# Errors",
            "",
            "Each error has a number of JSON-RPC, a sentence for a person, and `data.code`, a word for programs that does not change.",
            "The numbers are in [the protocol](protocol.md#errors).",
            "In the words, … stands for what differs from case to case.",
            "An answer with `server_overloaded` has `data.codexErrorInfo` too, by which the SDKs of Codex try again.",
            "",
            "| `data.code` | number | words |",
            "|---|---|---|",
            *table,
            "",
        ]
    )


def errors() -> Iterator[Made]:
    """All places, in the order of the files."""
    modules = [tree(path) for path in sources()]
    shared = _constants(modules)
    for module in modules:
        constants = shared | _assigned(*module.body)
        for scope in _scopes(module):
            names = constants if scope is module else constants | _assigned(*ast.walk(scope))
            for call in _own_calls(scope):
                yield from _made(call, names)


def _made(call: ast.Call, names: dict[str, list[ast.expr]]) -> Iterator[Made]:
    match _name(call.func), call.args:
        case "Rejected", [code, message, *_]:
            number = _STATE
        case "state_error", [message, code, *_]:
            number = _STATE
        case "RpcError", [numbered, message, data]:
            number = getattr(rpc, _name(numbered), 0)
            found = _words(data, names) if isinstance(data, ast.Name) else [data]
            for each in found:
                if isinstance(each, ast.Call) and each.args:
                    for word in _words(each.args[0], names):
                        yield from _one(word, number, message, names)
            return
        case _:
            return
    for word in _words(code, names):
        yield from _one(word, number, message, names)


def _one(
    word: ast.expr, number: int, message: ast.expr, names: dict[str, list[ast.expr]]
) -> Iterator[Made]:
    if isinstance(word, ast.Constant) and isinstance(word.value, str):
        texts = [_text(found) for found in _words(message, names)]
        yield Made(word.value, number, next(filter(None, texts), ""))


def _words(value: ast.expr, names: dict[str, list[ast.expr]]) -> list[ast.expr]:
    """What an expression may be, where names and alternatives lead to it."""
    if isinstance(value, ast.IfExp):
        return _words(value.body, names) + _words(value.orelse, names)
    if isinstance(value, ast.Name) and value.id in names:
        return [word for known in names[value.id] for word in _words(known, names)]
    return [value]


def _text(value: ast.expr) -> str:
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    text = "".join(
        str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts
    ).strip()
    text = " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
    return "" if set(text) <= set("…: ") else text[:_MESSAGE_CHARACTERS_MAX]


def _name(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return value.attr
    return value.id if isinstance(value, ast.Name) else ""


def _scopes(module: ast.AST) -> Iterator[ast.AST]:
    yield module
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _own_calls(scope: ast.AST) -> Iterator[ast.Call]:
    """The calls of a scope, without those of functions within it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting = list(ast.iter_child_nodes(node)) + waiting


def _constants(modules: Iterable[ast.Module]) -> dict[str, list[ast.expr]]:
    """The constants of all modules, which others import by their names."""
    found: dict[str, list[ast.expr]] = {}
    for module in modules:
        assigned = _assigned(*module.body)
        found |= {name: values for name, values in assigned.items() if name.isupper()}
    return found


def _assigned(*nodes: ast.AST) -> dict[str, list[ast.expr]]:
    """What names stand for, where these nodes assign them."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        for target in targets:
            if isinstance(target, ast.Name) and not isinstance(value, ast.Name):
                found.setdefault(target.id, []).append(value)
    return found
