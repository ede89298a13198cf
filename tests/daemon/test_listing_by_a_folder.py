"""A list by a folder finds its threads by any name of the folder."""

from __future__ import annotations

import pytest

from daemon_client import connected
from daemon_house import Home
from trio_test import trio_test


@pytest.mark.slow
@trio_test
async def test_threads_are_found_through_symlinks_on_both_sides() -> None:
    with Home() as home:
        link = home.root / "link"
        link.symlink_to(home.work)
        home.start()
        async with connected(home.socket) as client:
            real = await client.begin_thread(cwd=str(home.work))
            linked = await client.begin_thread(cwd=str(link))
            for thread in (real, linked):
                await client.call("thread/name/set", threadId=thread, name="here")
            work = str(home.work)
            for folder in (work, str(link), [str(link)], f"{work}/", f"{work}/../w"):
                page = await client.call("thread/list", cwd=folder, limit=1)
                (first,) = page["data"]
                page = await client.call(
                    "thread/list", cwd=folder, limit=1, cursor=page["nextCursor"]
                )
                assert {first["id"], page["data"][0]["id"]} == {real, linked}
                assert page["nextCursor"] is None
            for other in (str(home.root), "\0", ""):
                assert (await client.call("thread/list", cwd=other))["data"] == []
            home.work.rmdir()
            assert len((await client.call("thread/list", cwd=work))["data"]) == 2
