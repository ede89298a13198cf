"""Models and providers over the wire: what can be chosen, and what a choice does."""

from __future__ import annotations

import json
from pathlib import Path

from codexd.models.scripted.scripts import Say, Use
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon
from installed_codex import needs_schemas
from trio_test import trio_test
from wire_schemas import check_answer


@needs_schemas
@trio_test
async def test_a_person_may_have_a_catalogue_of_their_own(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    one = {"slug": "mine", "display_name": "Mine", "context_window": 1000, "visibility": "list"}
    file.write_text(json.dumps({"models": [one]}))
    async with scripted_model([(Say(("one",)), Use(1, 0, 1, 0))]) as model:
        daemon.home.use_model(model.base_url, window=None, more=f'model_catalog_json = "{file}"')
        async with connected(daemon.home.socket) as client:
            listed = await client.call("model/list")
            check_answer("model/list", listed)
            assert [(m["id"], m["isDefault"]) for m in listed["data"]] == [("mine", True)]
            thread = await client.start_thread(model="mine")
            await client.run_turn(thread, "1?")
            [used] = client.of("thread/tokenUsage/updated")
            assert used.params["tokenUsage"]["modelContextWindow"] == 950
            assert client.of("warning") == []
            file.write_text("{")  # The last good one stays.
            assert await client.call("model/list") == listed
            daemon.home.use_model(model.base_url)
            theirs = await client.call("model/list", includeHidden=True)
            check_answer("model/list", theirs)
            [default] = [m["id"] for m in theirs["data"] if m["isDefault"]]
            assert default == "gpt-6.2-sol"
            [old] = [m for m in theirs["data"] if m["id"] == "gpt-5.5"]
            assert (old["upgrade"], old["upgradeInfo"]["model"]) == ("gpt-6-sol", "gpt-6-sol")
