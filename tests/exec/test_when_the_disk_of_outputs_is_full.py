"""A full disk holds a command up, and loses nothing of its output."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from kept import keeping, line, printed
from small_disk import small_disk
from trio_test import trio_test


@pytest.mark.slow
@trio_test
async def test_a_command_waits_for_space_and_its_output_is_whole(tmp_path: Path) -> None:
    with small_disk(tmp_path / "home") as disk:
        async with keeping(tmp_path / "home") as processes:
            await (await processes.start(line("true"))).wait()
            disk.fill()
            running = await processes.start(line("seq 1 30000; echo end; exit 4"))
            stopped = await processes.start(line("seq 1 30000; sleep 1000"))
            small = await processes.start(line("echo x"))
            async with trio.open_nursery() as nursery:

                async def free() -> None:
                    # What waits is ended all the same.
                    await stopped.end()
                    assert running.exit_code is None
                    disk.free()

                nursery.start_soon(free)
                text = await printed(running)
            assert text == b"".join(b"%d\n" % number for number in range(1, 30_001)) + b"end\n"
            assert await running.wait() == 4
            assert await printed(small) == b"x\n"
