"""Asks a Codex for the keys of its config.toml: `python tests/codex_keys.py /path/to/codex` writes codex_keys.json.

Codex has no list of them to give. It is asked by `config/read`, with one small config.toml after another: a table
that it knows comes back with all of its members, and a wrong value comes back as an error that names the right kind.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KEYS = Path(__file__).parent.parent / "daemon/codexd/config/layers/codex_keys.json"
NOBODYS = "zzz_zzz"  # no key and no value of Codex
# Tables of which Codex wants a member at once; the member is a string.
NEEDED = {"model_providers": 'name = "x"\n', "mcp_servers": 'command = "x"\n'}
# What `config/read` does not show: members of these tables that it leaves out where they are unset.
UNSHOWN: dict[str, Any] = {
    "skills": {
        "config": "list",
        "include_instructions": "boolean",
        "bundled": {"enabled": "boolean"},
    },
    "plugins": {"*": "any"},
    "mcp_enterprise_managed_auth": "any",
    "experimental_thread_store": "any",
    "tools": {
        "client_search_provider": ["standalone", "search_mcp"],
        "experimental_request_user_input": {"enabled": "boolean"},
        "update_plan": {"enabled": "boolean"},
        "web_search": "any",
    },
}
UNSHOWN_OF_SERVERS = [
    "url",
    "bearer_token",
    "bearer_token_env_var",
    "http_headers",
    "http_headers_helper",
    "env_http_headers",
    "env",
    "env_vars",
    "cwd",
    "auth",
    "name",
    "required",
    "startup_timeout_sec",
    "startup_timeout_ms",
    "enabled_tools",
    "disabled_tools",
    "default_tools_approval_mode",
    "tools",
    "supports_parallel_tool_calls",
    "scopes",
    "oauth",
    "oauth_resource",
    "omit_tools_from",
]
DEPTH_MAX = 5


class Codex:
    """A `codex app-server` with a home of its own."""

    def __init__(self, program: str | Path, home: Path) -> None:
        self.home, self.file, self._numbers = home, home / "config.toml", itertools.count(1)
        self._process = subprocess.Popen(
            [program, "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"HOME": str(home), "CODEX_HOME": str(home), "PATH": "/usr/bin:/bin"},
            text=True,
        )
        self.call("initialize", clientInfo={"name": "codex_keys", "version": "1"})

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer, or the error."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            json.dumps({"id": number, "method": method, "params": params}) + "\n"
        )
        self._process.stdin.flush()
        while True:
            message: dict[str, Any] = json.loads(self._process.stdout.readline())
            if message.get("id") == number:
                return message

    def read(self, text: str) -> tuple[dict[str, Any] | None, str]:
        """The settings in force with this config.toml, or the error."""
        self.file.write_text(text)
        answer = self.call("config/read")
        result = answer.get("result")
        return (result["config"], "") if result else (None, answer["error"]["message"])

    def features(self) -> list[str]:
        """The names of all features."""
        self.file.write_text("")
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = self.call("experimentalFeature/list", cursor=cursor)["result"]
            names += [feature["name"] for feature in page["data"]]
            if (cursor := page["nextCursor"]) is None:
                return sorted(names)

    def close(self) -> None:
        self._process.communicate()


def table(path: tuple[str, ...]) -> str:
    """The text that makes a table of this path, and nothing more."""
    head = 'default_permissions = ":workspace"\n' if path[0] == "permissions" else ""
    needed = NEEDED.get(path[0], "") if len(path) == 2 else ""
    return f"{head}[{'.'.join(map(json.dumps, path))}]\n{needed}"


def parent(path: tuple[str, ...]) -> str:
    """The text that leads to a value of this path, which is still to come."""
    head = table(path[:-1]) if path[1:] else ""
    return f"{head}{json.dumps(path[-1])}"


def at(config: dict[str, Any] | None, path: tuple[str, ...]) -> Any:
    """The value at a path; None where there is none."""
    found: Any = config
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def leaf(codex: Codex, path: tuple[str, ...]) -> Any:
    """The kind of a value that is no table: a word, or the list of all values."""

    def with_value(value: str) -> tuple[dict[str, Any] | None, str]:
        return codex.read(f"{parent(path)} = {value}\n")

    said = with_value(f"{{{NOBODYS} = {{{NOBODYS} = 1}}}}")[1]
    values = re.search(
        r"unknown variant `zzz_zzz`, expected (?:one of )?(.*)", with_value(f'"{NOBODYS}"')[1]
    )
    if values:
        return re.findall(r"`([^`]*)`", values[1])
    expected = re.search(r"expected ([^\n]*)", said)
    words = expected[1] if expected else ""
    if "sequence" in words:
        found = at(with_value('["x"]')[0], path)
        return "paths" if found not in (None, ["x"]) else "list"
    if any(with_value(other)[0] is not None for other in ('["x"]', f'{{{NOBODYS} = "x"}}')):
        return "any"  # A value of several kinds.
    kinds = {"path": "path", "bool": "boolean", "f64": "number", "string": "string"}
    for word, kind in kinds.items():
        if word in words:
            return kind
    return "integer" if re.search(r"\b[iu](8|16|32|64|size)\b|usize", words) else "any"


def walk(codex: Codex, path: tuple[str, ...], whole: dict[str, Any]) -> Any:
    """The kind at a path: that of a leaf, or a table by the names of its members; `*` is any other name.

    `whole` gets what is in force where such a table is there and empty.
    """
    config, _ = codex.read(table(path))
    found = at(config, path)
    if not isinstance(found, dict) or len(path) > DEPTH_MAX:
        return leaf(codex, path)
    if at(codex.read(f"{table(path)}{NOBODYS} = 1\n")[0], (*path, NOBODYS)) == 1:
        return "any"
    members = {key: walk(codex, (*path, key), whole) for key in found}
    named = (*path, NOBODYS)
    config, _ = codex.read(table(named))
    is_described = path[0] in NEEDED and path[1:]
    if not is_described and (config is None or at(config, named) is not None):
        members["*"] = walk(codex, named, whole)
    said = codex.read(f'{parent(path)} = "{NOBODYS}"\n')[1]
    if not said or "any variant" in said or "unknown variant" in said:
        return "any"  # A word may stand for the table.
    given = ("name", "command", "args") if path[0] in NEEDED else ()
    defaults = {key: value for key, value in found.items() if key not in given}
    whole[".".join("*" if key == NOBODYS else key for key in path)] = defaults
    return members


def main(program: str) -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as home:
        codex, whole = Codex(program, Path(home)), dict[str, Any]()
        empty, _ = codex.read("")
        assert empty is not None
        keys = {key: walk(codex, (key,), whole) for key in sorted(empty)} | UNSHOWN
        keys["mcp_servers"]["*"] |= dict.fromkeys(UNSHOWN_OF_SERVERS, "any")
        keys["features"] = dict.fromkeys(codex.features(), "any")
        codex.close()
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    made = {"codex": version.stdout.split()[-1], "keys": keys, "unset": empty, "empty": whole}
    # A line for each table, so that a change can be read.
    text = json.dumps(made, indent=1, sort_keys=True)
    KEYS.write_text(re.sub(r"\n {3,}| *\n  +(?=[\]}])", " ", text) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
