"""`codexd schema`: writes the types of the protocol for those who write clients. I/O: files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from codexd.protocol.display.visible import visible_line

JSON_NAME, TS_NAME = "codexd.schema.json", "codexd.ts"
EXIT_SYSTEM = 71  # sysexits.h: the files could not be written
PROBLEM_CHARACTERS_MAX = 400


def main(arguments: Sequence[str], version: str) -> int:
    """Write what was asked for; the exit code."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    if wanted.json is None and wanted.ts is None:
        parser.error("expected --json DIR or --ts DIR, found neither; nothing was written")
    from codexd.protocol.schema.catalogue import protocol_messages

    messages = protocol_messages()
    files: dict[Path, bytes] = {}
    if wanted.json is not None:
        from codexd.protocol.schema.json_schema import encoded, json_schema

        files[Path(wanted.json) / JSON_NAME] = encoded(json_schema(messages))
    if wanted.ts is not None:
        from codexd.protocol.schema.typescript import typescript

        files[Path(wanted.ts) / TS_NAME] = typescript(messages, version).encode()
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            print(visible_line(os.fspath(path), PROBLEM_CHARACTERS_MAX))
    except OSError as problem:
        said = visible_line(str(problem), PROBLEM_CHARACTERS_MAX)
        print(f"codexd: expected a folder to write to: {said}", file=sys.stderr)
        return EXIT_SYSTEM
    return 0


class _Parser(argparse.ArgumentParser):
    """argparse, except that arguments in messages are drawn as foreign text."""

    def error(self, message: str) -> NoReturn:
        super().error(visible_line(message, PROBLEM_CHARACTERS_MAX))


def _parser() -> _Parser:
    parser = _Parser(
        prog="codexd schema",
        description="Write the types of all messages of the socket, for programs that speak the protocol. "
        "They are those of this version of codexd, and the same files each time.",
        epilog="The document of JSON Schema has every type under `$defs`. Both have ClientRequest, ClientResponse, "
        "ServerNotification, ServerRequest and ServerMessage as unions on `method`.",
    )
    parser.add_argument("--json", metavar="DIR", help=f"write JSON Schema to DIR/{JSON_NAME}")
    parser.add_argument("--ts", metavar="DIR", help=f"write TypeScript to DIR/{TS_NAME}")
    return parser
