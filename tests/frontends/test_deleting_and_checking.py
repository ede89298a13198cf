"""codexctl delete and fsck, on the real daemon."""

from __future__ import annotations

from pathlib import Path

from codexd.models.scripted.scripts import Say
from daemon_house import Home

from .codexctl import codexctl, playing


def conversation(home: Home) -> tuple[str, Path]:
    """A thread of one turn, and its log."""
    with playing(Say(("Hello.",))) as model:
        home.use_model(model.base_url)
        sent = codexctl(home, "send", "hello")
    assert sent.code == 0, sent.err
    (log,) = home.logs()
    return log.stem, log


def test_a_thread_is_deleted_only_when_it_is_meant(home: Home) -> None:
    home.start()
    thread, log = conversation(home)
    unsure = codexctl(home, "delete", thread)
    assert unsure.code == 2
    assert "nothing was deleted" in unsure.err
    assert log.exists()
    sure = codexctl(home, "delete", thread, "--yes")
    assert (sure.code, sure.out) == (0, f"deleted {thread}\n")
    assert not log.exists()
    gone = codexctl(home, "delete", thread, "--yes")
    assert (gone.code, gone.err) == (2, f"codexctl: thread not found: {thread}\n")


def test_damage_is_found_said_and_mended(home: Home) -> None:
    daemon = home.start()
    thread, log = conversation(home)
    whole = codexctl(home, "fsck")
    assert whole.code == 0
    assert whole.out.startswith("2 logs with ")
    assert whole.out.endswith(" checked: all whole\n")
    daemon.stop()
    lines = log.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"data":', b'"dada":', 1)
    log.write_bytes(b"".join(lines))
    blob = log.parents[4] / "blobs" / "ab" / ("ab" + "0" * 62)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"not that")
    home.start()
    found = codexctl(home, "fsck")
    assert found.code == 1
    assert f"{thread}: record 3 is broken and others follow it" in found.out
    assert f"blob ab{'0' * 62}: its 8 bytes have another hash" in found.out
    assert "2 damaged" in found.out
    assert "codexctl fsck --salvage" in found.out
    mended = codexctl(home, "fsck", thread, "--salvage", "--json")
    assert mended.code == 0
    (fault,) = mended.json["found"]
    assert fault["salvaged"]["lost"] == 1
    assert Path(fault["salvaged"]["kept"]).read_bytes() == b"".join(lines)
    swept = codexctl(home, "fsck", "--sweep")
    assert swept.code == 1  # the blob was damaged before it went
    assert "1 large outputs that nothing names were removed (8 bytes)" in swept.out
    assert codexctl(home, "fsck").code == 0
