"""`fs/*`: a client reads and changes the files of its person over the socket, in Codex's words."""

from __future__ import annotations

import os
import shutil
import stat
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from codexd.machine.umask import umask_for_commands
from codexd.server.files import disk
from daemon_client import Client, Refused, connected
from daemon_house import Daemon
from trio_test import trio_test


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


async def refused(client: Client, method: str, **params: Any) -> tuple[int, str, str]:
    with pytest.raises(Refused) as error:
        await client.call(method, **params)
    return error.value.code, error.value.message, error.value.data["code"]


async def text_of(client: Client, path: Path) -> str:
    return b64decode((await client.call("fs/readFile", path=str(path)))["dataBase64"]).decode()


FOR_EVER = float("inf")
GONE = (-32603, "No such file or directory (os error 2)", "file_error")


@trio_test
async def test_files_are_written_read_listed_copied_and_removed(daemon: Daemon) -> None:
    work = daemon.home.work.resolve()
    async with connected(daemon.home.socket) as client:
        folder, file = work / "new" / "inner", work / "new" / "inner" / "a"
        for _ in range(2):
            assert await client.call("fs/createDirectory", path=str(folder)) == {}
        assert await client.call("fs/writeFile", path=str(file), dataBase64=b64("long é")) == {}
        await client.call("fs/writeFile", path=f"{folder}/../inner/./a", dataBase64=b64("é"))
        assert await text_of(client, file) == "é"
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask_for_commands()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask_for_commands()
        folder.joinpath("link").symlink_to("a")
        os.mkfifo(folder / "pipe")
        assert (await client.call("fs/readDirectory", path=str(folder)))["entries"] == [
            {"fileName": "a", "isDirectory": False, "isFile": True},
            {"fileName": "link", "isDirectory": False, "isFile": True},
            {"fileName": "pipe", "isDirectory": False, "isFile": False},
        ]
        about = await client.call("fs/getMetadata", path=str(folder / "link"))
        assert about.pop("modifiedAtMs") == file.stat().st_mtime_ns // 1_000_000
        assert about.pop("createdAtMs") >= 0
        assert about == {"isDirectory": False, "isFile": True, "isSymlink": True}
        source, copied = str(folder), work / "copied"
        where = {"sourcePath": source, "destinationPath": str(copied)}
        assert await refused(client, "fs/copy", **where) == (
            -32600,
            "fs/copy requires recursive: true when sourcePath is a directory",
            "not_recursive",
        )
        assert await client.call("fs/copy", **where, recursive=True) == {}
        assert sorted(os.listdir(copied)) == ["a", "link"]
        assert os.readlink(copied / "link") == "a"
        assert await client.call("fs/remove", path=str(copied)) == {}
        assert await client.call("fs/remove", path=str(copied)) == {}
        assert await refused(client, "fs/remove", path=str(copied), force=False) == GONE
        assert not copied.exists()


@trio_test
async def test_what_cannot_be_done_is_said_in_codexs_words(daemon: Daemon) -> None:
    work, own = daemon.home.work, daemon.home.path
    work.joinpath("file").write_text("kept")
    work.joinpath("into-own").symlink_to(own)
    work.joinpath("large").touch()
    os.truncate(work / "large", disk.READ_BYTES_MAX + 1)
    os.mkfifo(work / "pipe")
    async with connected(daemon.home.socket) as client:
        data = {"dataBase64": b64("x")}
        assert await refused(client, "fs/readFile", path=f"{work}/none") == GONE
        _, *relative = await refused(client, "fs/readFile", path="file")
        assert relative == ["path: expected an absolute path, found 'file'", "invalid_params"]
        for method, more in (("fs/readFile", {}), ("fs/writeFile", data)):
            for path in (f"{work}/pipe", "/dev/null"):
                said = await refused(client, method, path=path, **more)
                assert said == (-32600, f"path `{path}` is not a file", "not_a_file")
        too_large = await refused(client, "fs/readFile", path=f"{work}/large")
        assert "limit is 47185920 bytes" in too_large[1]
        assert (await refused(client, "fs/readFile", path="/a\0b"))[0] == -32602
        bad = await refused(client, "fs/writeFile", path=f"{work}/file", dataBase64="!")
        assert bad[1].startswith("fs/writeFile requires valid base64 dataBase64")
        is_folder = await refused(client, "fs/writeFile", path=str(work), **data)
        assert is_folder[1] == "Is a directory (os error 21)"
        for log in (own / "threads" / "x", work / "into-own" / "x"):
            said = await refused(client, "fs/writeFile", path=str(log), **data)
            assert said[2] == "own_folder"
            assert not log.exists()
        for kept in (own, own.parent, own / "config.toml"):
            assert (await refused(client, "fs/remove", path=str(kept)))[2] == "own_folder"
        assert await client.call("fs/remove", path=f"{work}/into-own") == {}
        assert daemon.home.socket.exists()
        onto_itself = {"sourcePath": f"{work}/file", "destinationPath": f"{work}/file"}
        assert await client.call("fs/copy", **onto_itself) == {}
        assert await text_of(client, work / "file") == "kept"


@pytest.mark.slow
@trio_test
async def test_changes_of_what_is_watched_are_told_and_of_nothing_else(daemon: Daemon) -> None:
    work = daemon.home.work.resolve()
    file, folder = work / "file", work / "folder"
    file.write_text("1")
    folder.joinpath("deep").mkdir(parents=True)
    async with connected(daemon.home.socket) as client:
        for name, path in (("f", file), ("d", folder), ("n", work / "not-yet")):
            answer = await client.call("fs/watch", path=str(path), watchId=name)
            assert answer == {"path": str(path)}

        async def told(name: str, path: Path) -> None:
            def has_come() -> bool:
                notes = client.of("fs/changed", watchId=name)
                return any(str(path) in note.params["changedPaths"] for note in notes)

            await client.until(has_come)
            seen.update(p for n in client.of("fs/changed") for p in n.params["changedPaths"])
            client.notified.clear()

        seen = set[str]()
        twice = await refused(client, "fs/watch", path=str(file), watchId="f")
        assert twice[1] == "watchId already exists: f"
        work.joinpath("other").write_text("not watched")
        for text in ("2", "3"):
            work.joinpath("next").write_text(text)
            os.replace(work / "next", file)  # as editors save
            await told("f", file)
        folder.joinpath("deep", "x").touch()  # is not directly in it
        folder.joinpath("made").touch()
        await told("d", folder / "made")
        work.joinpath("not-yet").touch()
        await told("n", work / "not-yet")
        folder.joinpath("deep").rename(work / "deep")
        folder.joinpath("made").unlink()
        folder.rmdir()
        await told("d", folder)
        folder.mkdir()
        await told("d", folder)
        folder.joinpath("again").touch()
        await told("d", folder / "again")
        deep = work / "parent" / "file"
        deep.parent.mkdir()
        deep.touch()
        await client.call("fs/watch", path=str(deep), watchId="p")
        shutil.rmtree(deep.parent)
        await told("p", deep)
        assert not seen & {str(work / "other"), str(folder / "deep" / "x")}
        for _ in range(2):
            assert await client.call("fs/unwatch", watchId="f") == {}
        await client.call("fs/watch", path=str(file), watchId="f")
        gone = await refused(client, "fs/watch", path=f"{work}/no/file", watchId="g")
        assert gone == GONE


def test_a_folder_is_not_copied_into_itself_and_a_slow_copy_ends(tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    tmp_path.joinpath("a", "f").write_text("x")
    with pytest.raises(disk.NotDone, match="itself or one of its descendants"):
        disk.copy(str(tmp_path / "a"), str(tmp_path / "a" / "b"), recursive=True, until=FOR_EVER)
    with pytest.raises(disk.NotDone, match="a part of it was copied"):
        disk.copy(str(tmp_path / "a"), str(tmp_path / "b"), recursive=True, until=0)
