"""All that codexd writes is private to its user: files 0600, folders 0700, also under a umask that allows all."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import trio

from codexd.models.scripted.server import scripted_model
from daemon_client import Client, connected
from daemon_house import Home
from trio_test import trio_test

ALL_ALLOWED = 0o000


def modes(folder: Path) -> dict[str, str]:
    """Every file and folder whose mode is not the private one."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600):
            found[str(path)] = f"{stat.S_IMODE(mode):04o}"
    return found


async def codexctl(home: Home, *words: str) -> None:
    """Run a command as a person would whose umask allows all."""
    ran = await trio.run_process(
        [sys.executable, "-m", "codexd_frontends.ctl", *words],
        env=home.env,
        cwd=home.work,
        umask=ALL_ALLOWED,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()


async def everything_that_writes(home: Home, client: Client) -> str:
    """Turns, output in blobs, forks, an archive, a search, an export, an import, a scrub."""
    thread = await client.start_thread()
    await client.run_turn(thread, "run head -c 50000 /dev/zero")
    fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
    await client.run_turn(fork, "say 3 words")
    await client.call("thread/archive", threadId=thread)
    await client.call("thread/search", searchTerm="words")
    exported = home.work / "exported"
    await codexctl(home, "export", fork, "-o", str(exported))
    await codexctl(home, "scrub", fork, "words")
    return str(fork)


@trio_test
async def test_after_a_session_with_everything_in_it(home: Home) -> None:
    async with scripted_model() as model:
        home.use_model(model.base_url)
        home.path.joinpath("config.toml").chmod(0o600)
        daemon = home.start_anew(umask=ALL_ALLOWED)
        async with connected(home.socket) as client:
            thread = await everything_that_writes(home, client)
            assert modes(home.path) == {}
            daemon.kill()
        (log,) = [path for path in home.logs() if thread in path.name]
        log.write_bytes(log.read_bytes() + b'{"seq":99,"at":"2026-')  # a torn line, kept beside
        home.start_anew(umask=ALL_ALLOWED)
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "say 1")
            assert modes(home.path) == {}
        assert stat.S_IMODE(home.work.joinpath("exported").stat().st_mode) == 0o600
