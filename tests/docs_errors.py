"""The reference page on errors: each `data.code`, and the number that it is sent with. See docs_reference.py.

The codes are found where errors are made: `Rejected(code, message)`, `state_error(message, code)`, and `ErrorData(code)`
within an `RpcError(number, message, data)`, and `NotDone(message, code)` of the files of clients. A code that is not a constant is followed to the constants of its function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from checkout import sources, tree
from codexd.protocol.wire import rpc

Names = dict[str, list[ast.expr]]  # what each may stand for


def errors_page(made: str) -> str:
    """docs/reference/errors.md"""
    numbers: dict[str, int] = {}
    for code, number in _errors():
        known = numbers.setdefault(code, number)
        assert known == number, f"{code} is sent as {known} and as {number}"
    rows = [f"| `{code}` | {number} |" for code, number in sorted(numbers.items())]
    return "\n".join(
        [
            made,
            "# Errors",
            "",
            "Each error has a number of JSON-RPC, a sentence for a person, and `data.code`, a word for programs that does not change.",
            "The numbers are in [the protocol](protocol.md#errors).",
            "An answer with `server_overloaded` has `data.codexErrorInfo` too, by which the SDKs of Codex try again.",
            "",
            "| `data.code` | number |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _errors() -> Iterator[tuple[str, int]]:
    """The code and the number of each place that makes an error, in the order of the files."""
    modules = [tree(path) for path in sources()]
    shared = _constants(modules)
    for module in modules:
        constants = shared | _assigned(*module.body)
        for scope in _scopes(module):
            names = constants if scope is module else constants | _assigned(*ast.walk(scope))
            for call in _own_calls(scope):
                yield from _made(call, names)


def _made(call: ast.Call, names: Names) -> Iterator[tuple[str, int]]:
    number, codes = rpc.INVALID_REQUEST, list[ast.expr]()
    match _name(call.func), call.args:
        case ("Rejected", [code, *_]) | ("state_error" | "NotDone", [_, code, *_]):
            codes = [code]
        case "RpcError", [numbered, _, data]:
            number = getattr(rpc, _name(numbered))
            codes = [
                found.args[0]
                for found in _meant(data, names)
                if isinstance(found, ast.Call) and found.args
            ]
    for code in codes:
        for word in _meant(code, names):
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                yield word.value, number


def _meant(value: ast.expr, names: Names) -> list[ast.expr]:
    """What an expression may be, where names and alternatives lead to it."""
    if isinstance(value, ast.IfExp):
        return _meant(value.body, names) + _meant(value.orelse, names)
    if isinstance(value, ast.Name) and value.id in names:
        return [word for known in names[value.id] for word in _meant(known, names)]
    return [value]


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
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting += ast.iter_child_nodes(node)


def _constants(modules: Iterable[ast.Module]) -> Names:
    """The constants of all modules, which others import by their names."""
    found: Names = {}
    for module in modules:
        assigned = _assigned(*module.body)
        found |= {name: values for name, values in assigned.items() if name.isupper()}
    return found


def _assigned(*nodes: ast.AST) -> Names:
    """What names stand for, where these nodes assign them."""
    found: Names = {}
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
