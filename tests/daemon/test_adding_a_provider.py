"""A new provider is one row in `models/builtin.py`, and one in `models/quirks.py` where it is particular: no more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import codexd
import codexd_eventstore
from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from daemon_screen import answers
from trio_test import trio_test

ROW = """
    "toy": {{
        "name": "Toy",
        "base_url": "{base_url}",
        "env_key": "TOY_API_KEY",
        "wire_api": "chat",
    }},
"""
QUIRKS = """
    "toy": Quirks(system_role="developer"),
"""


def copied(folder: Path) -> Path:
    """The daemon's sources in a folder, where they may be edited."""
    for package in (codexd, codexd_eventstore):
        (source,) = package.__path__
        shutil.copytree(source, folder / package.__name__)  # Compiled files are copied too.
    return folder / "codexd" / "models"


def add_row(table: Path, name: str, row: str) -> None:
    """Add a row at the beginning of a table."""
    text = table.read_text()
    (start,) = [line for line in text.splitlines(keepends=True) if line.startswith(f"{name}: ")]
    table.write_text(text.replace(start, start + row))


@pytest.mark.slow
@trio_test
async def test_two_rows_are_all_that_a_provider_takes(tmp_path: Path) -> None:
    async with scripted_model([Say(("From a ", "toy."))]) as model:
        models = copied(tmp_path)
        add_row(models / "builtin.py", "BUILT_IN", ROW.format(base_url=model.base_url))
        add_row(models / "quirks.py", "QUIRKS", QUIRKS)
        with Home(PYTHONPATH=str(tmp_path), TOY_API_KEY="the key of the toy") as home:
            home.configure('model = "scripted"\nmodel_provider = "toy"\n')
            home.start()
            async with connected(home.socket) as client:
                turn = await client.run_turn(await client.start_thread(), "Hi")
                assert turn["status"] == "completed"
                assert answers(client) == ["From a toy."]
        requests = [request for request in model.requests if request.path == "/v1/chat/completions"]
        assert {request.headers["authorization"] for request in requests} == {
            "Bearer the key of the toy"
        }
        [first, *_] = json.loads(requests[0].body)["messages"]
        assert first["role"] == "developer"
