"""A list by a folder finds its threads through a symlink, too."""

from __future__ import annotations

import pytest

from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test


@pytest.mark.slow
@trio_test
async def test_a_symlink_to_a_threads_folder_finds_the_thread() -> None:
    with Home() as home:
        link = home.root / "link"
        link.symlink_to(home.work)
        home.start()
        async with connected(home.socket) as client:
            started = await client.call("thread/start", cwd=str(home.work))
            await client.call("thread/name/set", threadId=started["thread"]["id"], name="here")
            for folder in (str(home.work), str(link), [str(link)]):
                page = await client.call("thread/list", cwd=folder)
                assert [thread["id"] for thread in page["data"]] == [started["thread"]["id"]]
            assert (await client.call("thread/list", cwd=str(home.root)))["data"] == []
