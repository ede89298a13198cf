"""Reads the text of a `.rules` file of Codex: literal calls of its three functions, and nothing that is evaluated.

The syntax is that of Codex's execution policy (codex-rs/execpolicy/README.md), a part of Starlark, which is read here
as Python's: calls with literal strings and lists. Variables, loops, functions and f-strings are refused with their
line. A rule for a host holds for all protocols, as Codex's does. Pure.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from codexd.core.rules.prefix_rules import PrefixRule, RuleDecision, base_name, rules_of
from codexd.core.values.tool_actions import HostDecision, NetworkProtocol, ReachHost

# A thousand short rules, which a person reads. The event loop waits 60 ms for a file of this size, when it has changed.
RULES_BYTES_MAX: Final = 64 * 1024
_DECISIONS: Final[tuple[RuleDecision, ...]] = ("allow", "prompt", "forbidden")
# By function: its parameters in their order; those that must be given come first.
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "prefix_rule": ("pattern", "decision", "match", "not_match", "justification", "reviewer"),
    "host_executable": ("name", "paths"),
    "network_rule": ("host", "protocol", "decision", "justification"),
}
_REQUIRED: Final[Mapping[str, int]] = {"prefix_rule": 1, "host_executable": 2, "network_rule": 3}


class InvalidRules(ValueError):
    """A file of rules cannot be used."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message, self.line = message, line


# Hosts, and what holds for each.
HostRules = tuple[tuple[str, HostDecision], ...]
# By Codex's word; `prompt` is what happens without a rule.
_HOST_DECISIONS: Final[Mapping[str, HostDecision | None]] = {
    "allow": "allow",
    "deny": "deny",
    "forbidden": "deny",
    "prompt": None,
}
_RULE_PROTOCOLS: Final[Mapping[NetworkProtocol, str]] = {
    "http": "http",
    "https": "https",
    "socks5Tcp": "socks5_tcp",
}


class FileRules(msgspec.Struct, frozen=True):
    """The rules of a file."""

    rules: tuple[PrefixRule, ...] = ()
    executables: Mapping[str, frozenset[str]] = {}
    hosts: HostRules = ()


def read_rules(text: str, file: str, home: str) -> FileRules:
    """The rules in a text. `file` is its name for people, `home` what `~/` stands for. Raises: InvalidRules."""
    reading = _Reading(file, home)
    try:
        lines = ast.parse(text).body
    except SyntaxError as error:
        raise InvalidRules(f"it cannot be read: {error.msg}", error.lineno or 0) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidRules(f"it cannot be read: {error}") from error
    for statement in lines:
        try:
            reading.take(statement)
        except InvalidRules as problem:
            raise InvalidRules(problem.message, problem.line or statement.lineno) from problem
    return reading.rules()


def rule_line(prefix: tuple[str, ...]) -> str:
    """The line of a file that allows the commands with this beginning, as Codex writes it."""
    words = ", ".join(msgspec.json.encode(word).decode() for word in prefix)
    return f'prefix_rule(pattern=[{words}], decision="allow")'


def host_rule_line(action: ReachHost, decision: HostDecision) -> str:
    """The line of a file that allows or denies a host, as Codex writes it."""
    host, protocol = msgspec.json.encode(action.host).decode(), _RULE_PROTOCOLS[action.protocol]
    return f'network_rule(host={host}, protocol="{protocol}", decision="{decision}")'


class _Reading:
    """Takes the statements of a file one by one."""

    def __init__(self, file: str, home: str) -> None:
        self._file, self._home = file, home
        self._rules: list[PrefixRule] = []
        self._executables: dict[str, frozenset[str]] = {}
        self._hosts: list[tuple[str, HostDecision]] = []
        # The examples need the executables of the whole file.
        self._examples: list[Callable[[], None]] = []

    def take(self, statement: ast.stmt) -> None:
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return  # A text that stands alone is a comment.
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
            raise InvalidRules(
                "expected a call of prefix_rule, host_executable or network_rule with literal arguments, "
                "found something else"
            )
        name = value.func.id
        if name not in _PARAMETERS:
            raise InvalidRules(
                f"expected prefix_rule, host_executable or network_rule, found {name}"
            )
        given = _arguments(name, value)
        if name == "prefix_rule":
            self._take_rule(given, statement.lineno)
        elif name == "host_executable":
            self._take_executable(given)
        else:
            self._take_host(given)

    def rules(self) -> FileRules:
        for check in self._examples:
            check()
        return FileRules(tuple(self._rules), self._executables, tuple(self._hosts))

    def _take_rule(self, given: Mapping[str, Any], line: int) -> None:
        decision = given.get("decision", "allow")
        if decision not in _DECISIONS:
            raise InvalidRules(
                f"`decision`: expected allow, prompt or forbidden, found {decision!r}"
            )
        justification = given.get("justification")
        if justification is not None and not _is_text(justification):
            raise InvalidRules(f"`justification`: expected a text, found {justification!r}")
        rule = PrefixRule(
            pattern=_pattern(given["pattern"]),
            decision=decision,
            justification=justification,
            file=self._file,
            line=line,
        )
        self._rules.append(rule)
        matching = _examples("match", given.get("match"))
        others = _examples("not_match", given.get("not_match"))
        if matching or others:
            self._examples.append(lambda: self._check(rule, matching, others))

    def _check(
        self,
        rule: PrefixRule,
        matching: tuple[tuple[str, ...], ...],
        others: tuple[tuple[str, ...], ...],
    ) -> None:
        rules = rules_of((rule,), self._executables)
        for words, is_meant in (*((w, True) for w in matching), *((w, False) for w in others)):
            if bool(rules.matching(words)) != is_meant:
                expected = "begins" if is_meant else "does not begin"
                raise InvalidRules(
                    f"expected an example that {expected} with `{rule.prefix}`, found `{shlex.join(words)}`",
                    rule.line,
                )

    def _take_host(self, given: Mapping[str, Any]) -> None:
        from codexd.core.values.hosts import BadHost, read_written_host

        word = given["decision"]
        if not isinstance(word, str) or word not in _HOST_DECISIONS:
            raise InvalidRules(f"`decision`: expected allow, prompt or deny, found {word!r}")
        try:
            host = read_written_host(str(given["host"]))
        except BadHost as error:
            raise InvalidRules(f"`host`: {error}") from error
        decision = _HOST_DECISIONS[word]
        if decision is not None:
            self._hosts.append((host, decision))

    def _take_executable(self, given: Mapping[str, Any]) -> None:
        name, paths = given["name"], given["paths"]
        if not _is_text(name) or "/" in name:
            raise InvalidRules(f"`name`: expected the name of a program, found {name!r}")
        if not isinstance(paths, list) or not all(map(_is_text, paths)):
            raise InvalidRules("`paths`: expected a list of paths")
        whole = [f"{self._home}{path[1:]}" if path.startswith("~/") else path for path in paths]
        for path in whole:
            if not path.startswith("/") or base_name(path) != name:
                raise InvalidRules(
                    f"`paths`: expected absolute paths that end in /{name}, found {path!r}"
                )
        self._executables[name] = frozenset(whole)


def _arguments(function: str, call: ast.Call) -> dict[str, Any]:
    """The arguments by their names, which must be literal."""
    parameters = _PARAMETERS[function]
    if len(call.args) > len(parameters):
        raise InvalidRules(f"{function}: expected {len(parameters)} arguments, found more")
    nodes: dict[str, ast.expr] = dict(zip(parameters, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in parameters or keyword.arg in nodes:
            raise InvalidRules(
                f"{function}: expected each of {', '.join(parameters)} once at most, found {keyword.arg or '**'}"
            )
        nodes[keyword.arg] = keyword.value
    missing = [name for name in parameters[: _REQUIRED[function]] if name not in nodes]
    if missing:
        raise InvalidRules(f"{function}: `{missing[0]}` is missing")
    given = {}
    for name, node in nodes.items():
        try:
            given[name] = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            raise InvalidRules(
                f"`{name}`: expected literal texts and lists, found an expression", node.lineno
            ) from error
    return {name: value for name, value in given.items() if value is not None}


def _pattern(value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or not value:
        raise InvalidRules("`pattern`: expected a list of words, one at least")
    pattern = []
    for place in value:
        possible = place if isinstance(place, list) else [place]
        if not possible or not all(map(_is_text, possible)):
            raise InvalidRules(
                f"`pattern`: expected a word, or a list of words of which any may stand there, found {place!r}"
            )
        pattern.append(tuple(possible))
    return tuple(pattern)


def _examples(name: str, value: object) -> tuple[tuple[str, ...], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidRules(f"`{name}`: expected a list of commands")
    examples = []
    for example in value:
        try:
            words = shlex.split(example) if isinstance(example, str) else example
        except ValueError as error:
            raise InvalidRules(f"`{name}`: {example!r} is no command: {error}") from error
        if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
            raise InvalidRules(
                f"`{name}`: expected commands as texts or lists of words, found {example!r}"
            )
        examples.append(tuple(words))
    return tuple(examples)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value
