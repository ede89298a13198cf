"""`fuzzyFileSearch`: files by some letters of their paths, the best first, with Codex's figures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from codexd.server.files.matching import folded, match, words_of
from daemon_client import Refused, connected
from daemon_house import Daemon
from trio_test import trio_test

# Measured beside Codex 0.171.
AS_CODEX = [
    ("main", "MAIN", "file", 196717, (0, 1, 2, 3)),
    ("main", "src/deep/main_test.py", "file", 65645, (9, 10, 11, 12)),
    ("mn", "src/main.py", "file", 65582, (4, 7)),
    ("zz", "zz10.txt", "file", 65595, (0, 1)),
    ("src/ma", "src/main.py", "file", 159, (0, 1, 2, 3, 4, 5)),
    ("src/ma", "src/deep/main_test.py", "file", 152, (0, 1, 2, 3, 9, 10)),
    ("SRC", "src", "directory", 131156, (0, 1, 2)),
    ("hidden", "src/.hidden_main", "file", 65688, (5, 6, 7, 8, 9, 10)),
    ("src main", "src/main.py", "file", 193, (0, 1, 2, 4, 5, 6, 7)),
]


@pytest.mark.parametrize(("query", "path", "kind", "score", "indices"), AS_CODEX)
def test_a_match_has_codexs_score(
    query: str, path: str, kind: str, score: int, indices: tuple[int, ...]
) -> None:
    found = match(words_of(query), path, folded(path), kind)
    assert found is not None
    assert (found.score, found.indices) == (score, indices)


def test_letters_that_are_not_there_in_this_order_do_not_match() -> None:
    for query, path in (("nm", "main"), ("mainx", "main.py"), ("a b", "a"), ("aa", "a")):
        assert match(words_of(query), path, path, "file") is None
    path = "İx/Ünder"
    found = match(words_of("üN"), path, folded(path), "file")
    assert found is not None
    assert found.indices == (3, 4), "the place of a character, though its lower case is two"


def repository(folder: Path) -> Path:
    for name in ("src/deep/main_test.py", "src/main.py", "ignored.log", "gone_main", ".hid/main"):
        folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(name).touch()
    folder.joinpath(".gitignore").write_text("*.log\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    folder.joinpath("gone_main").unlink()
    folder.joinpath("link").symlink_to("src")
    return folder


@trio_test
async def test_what_git_ignores_is_not_found_and_the_best_comes_first(daemon: Daemon) -> None:
    root = repository(daemon.home.work.resolve() / "repository")
    plain = daemon.home.work.resolve() / "plain"
    plain.joinpath("sub").mkdir(parents=True)
    for name in ("x.log", *(f"sub/many{number}" for number in range(70))):
        plain.joinpath(name).touch()

    async with connected(daemon.home.socket) as client:

        async def found(query: str, *roots: Path, **more: Any) -> list[str]:
            answer = await client.call(
                "fuzzyFileSearch", query=query, roots=list(map(str, roots)), **more
            )
            return [f"{file['root']}/{file['path']}" for file in answer["files"]]

        assert await found("main", root) == [
            f"{root}/{path}" for path in (".hid/main", "src/deep/main_test.py", "src/main.py")
        ]
        assert await found("log", root, plain) == [f"{plain}/x.log"]
        assert len(await found("many", plain, cancellationToken="t")) == 50
        assert await found("sub", plain) == [f"{plain}/sub", *(await found("sub", plain))[1:]]
        assert await found("", root) == await found("x", Path("/none"), Path("rel")) == []
        root.joinpath(".git", "config").write_text("[core]\n\tworktree = /\n")
        assert await found("log", root) == [f"{root}/ignored.log"], "git is not asked"


@trio_test
async def test_a_session_tells_what_each_query_finds_until_it_is_stopped(daemon: Daemon) -> None:
    root = daemon.home.work.resolve() / "session"
    root.mkdir()
    root.joinpath("one_file").touch()
    async with connected(daemon.home.socket) as client:
        updated, completed = (f"fuzzyFileSearch/session{what}" for what in ("Updated", "Completed"))
        name = {"sessionId": "s"}
        assert await client.call("fuzzyFileSearch/sessionStart", **name, roots=[str(root)]) == {}
        await client.until(lambda: bool(client.of(completed, **name)))
        for query, paths in (("o", ["one_file"]), ("x", []), ("onef", ["one_file"])):
            client.notified.clear()
            assert await client.call("fuzzyFileSearch/sessionUpdate", **name, query=query) == {}
            await client.until(lambda: bool(client.of(completed, **name)))
            (told,) = client.of(updated, **name, query=query)
            assert [file["path"] for file in told.params["files"]] == paths
        for _ in range(2):
            assert await client.call("fuzzyFileSearch/sessionStop", **name) == {}
        with pytest.raises(Refused, match="session not found: s"):
            await client.call("fuzzyFileSearch/sessionUpdate", **name, query="o")
        with pytest.raises(Refused, match="at least one search directory"):
            await client.call("fuzzyFileSearch/sessionStart", **name, roots=[])
