"""A report of a problem: what is in it, where it goes, and what is never in it."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
import trio

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from installed_codex import SCHEMAS
from otlp_sink import posts_to
from trio_test import trio_test
from wire_schemas import check_answer

from .codexctl import codexctl

SECRET = "sk-proj-0123456789abcdefghijABCDEFGHIJ0123456789abcdefghij"


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {found.filename: archive.read(found) for found in archive.infolist()}


@pytest.mark.slow
@trio_test
async def test_a_report_is_shown_saved_and_sent_without_secrets(home: Home, tmp_path: Path) -> None:
    extra, saved = tmp_path / "notes.txt", tmp_path / "report.zip"
    extra.write_text(f"key {SECRET}")
    async with posts_to() as endpoint, scripted_model([Say(("Well",))]) as model:
        more = f'[feedback]\nendpoint = "{endpoint.url}/r"\nheaders = {{ x-k = "{SECRET}" }}\n'
        home.use_model(model.base_url, more=more)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, f"my key is {SECRET}")
            asked = {
                "classification": "bad_result",
                "threadId": thread,
                "includeLogs": True,
                "reason": "it was wrong",
                "tags": {"team": "a", "thread_id": "another"},
            }
            answer = await client.call(
                "feedback/save", **asked, savePath=str(saved), extraLogFiles=[str(extra)]
            )
            again = await client.refused("feedback/save", **asked, savePath=str(saved))
            sent = await client.call("feedback/upload", **asked)
            shown = await client.call("config/read")
            if SCHEMAS is not None:
                check_answer("feedback/save", answer)
                check_answer("feedback/upload", sent)
        assert answer == {**sent, "savedPath": str(saved)}
        assert (sent["threadId"], len(sent["promptHash"])) == (thread, 64)
        assert again.data["code"] == "feedback_not_saved"
        assert SECRET not in json.dumps(shown)
        files = unpacked(await trio.Path(saved).read_bytes())
        assert (await trio.Path(saved).stat()).st_mode & 0o777 == 0o600
        assert set(files) == {
            *("tags.json", "thread.jsonl", "codexd.log", "config.json", "extra/1-notes.txt"),
        }
        tags = json.loads(files["tags.json"])
        assert tags["thread_id"] == thread
        assert (tags["team"], tags["reason"]) == ("a", "it was wrong")
        assert b'"turn.completed"' in files["thread.jsonl"]
        assert b"answers on" in files["codexd.log"]
        (post,) = endpoint.posts
        assert post.headers["x-k"] == SECRET
        assert {*unpacked(post.body)} == {*files} - {"extra/1-notes.txt"}
        for content in (*files.values(), *unpacked(post.body).values()):
            assert SECRET.encode() not in content
        endpoint.status = 500
        plain = await trio.to_thread.run_sync(codexctl, home, "feedback", thread[:13], "--json")
        assert plain.json["sent"] is False
        assert [file["name"] for file in plain.json["files"]] == [
            *("tags.json", "thread.jsonl", "codexd.log", "config.json"),
        ]
        assert len(endpoint.posts) == 1
        refused = await trio.to_thread.run_sync(
            lambda: codexctl(home, "feedback", "--send", "--yes", "--no-logs")
        )
        assert "it answered HTTP 500" in refused.err
        endpoint.status = 200
        told = await trio.to_thread.run_sync(
            codexctl, home, "feedback", "--send", "--yes", "--no-logs"
        )
        assert "  tags.json, " in told.out
        assert f"this is for {endpoint.url}" in told.out
        assert told.out.splitlines()[-1].startswith("sent: no-active-thread-")
        assert {*unpacked(endpoint.posts[-1].body)} == {"tags.json"}


@trio_test
async def test_there_is_no_place_for_reports_unless_a_person_names_one(
    home: Home, tmp_path: Path
) -> None:
    home.configure('model = "x"\n')
    home.start()
    told = await trio.to_thread.run_sync(codexctl, home, "feedback", "--no-logs")
    assert told.out.splitlines()[-1] == (
        "nothing was sent: `endpoint` in the table [feedback] of config.toml names where to; "
        "--save FILE makes a file"
    )
    path = str(tmp_path / "r.zip")
    async with connected(home.socket) as client:
        refused = await client.refused("feedback/upload", classification="bug")
        assert refused.data["code"] == "feedback_not_configured"
        own = str(home.path / "r.zip")
        for save_path in ("r.zip", str(tmp_path / "no" / "r.zip"), own):
            await client.refused("feedback/save", classification="bug", savePath=save_path)
        for extra in (["relative"], [str(tmp_path / "none")], ["/x"] * 17):
            await client.refused(
                "feedback/save", classification="bug", savePath=path, extraLogFiles=extra
            )
        home.configure("[feedback]\nenabled = false\n")
        refused = await client.refused("feedback/save", classification="bug", savePath=path)
        assert refused.data["code"] == "feedback_disabled"
    assert os.listdir(tmp_path) == []
