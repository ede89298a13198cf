"""What the source says of a struct: its docstring, and the comment beside each member. Reads files of ours."""

from __future__ import annotations

import ast
import functools
import inspect
import tokenize
from pathlib import Path

import msgspec

StructType = type[msgspec.Struct]


def sentence(struct: StructType) -> str:
    """The docstring on one line, in the words of JSON."""
    return " ".join((inspect.getdoc(struct) or "").split()).replace("None", "null")


def field_notes(struct: StructType, *, none: str = "null") -> dict[str, str]:
    """Field -> the comment beside its declaration, inherited ones included; None in a word of readers."""
    notes: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
            notes |= _notes_of(kind)
    return {field: note.replace("None", none) for field, note in notes.items()}


def _notes_of(kind: type) -> dict[str, str]:
    file = Path(inspect.getfile(kind))
    comments = _comments(file)
    declared = next(
        node
        for node in _tree(file).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    notes: dict[str, str] = {}
    for node in declared.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            notes[node.target.id] = " ".join(comments[line] for line in lines if line in comments)
    return notes


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@functools.cache
def _comments(file: Path) -> dict[int, str]:
    """Line -> the comment on it."""
    with tokenize.open(file) as source:
        return {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.generate_tokens(source.readline)
            if token.type == tokenize.COMMENT
        }
