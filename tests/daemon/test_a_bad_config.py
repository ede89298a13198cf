"""A config.toml that cannot be used is reported with file, line and key, and stops no running work."""

from __future__ import annotations

import pytest

from codexd.models.scripted.scripts import Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Daemon, Home
from trio_test import trio_test

OK = Say(("ok",))
BAD = '# a comment\nmodel = "m"\napproval_policy = "sometimes"\n'


@trio_test
async def test_the_daemon_logs_it_at_the_start_and_clients_that_start_a_thread_get_it(
    home: Home,
) -> None:
    home.configure(BAD)
    daemon = home.start()
    place = f"{home.path}/config.toml:3"
    daemon.wait_said(place)
    daemon.wait_said("approval_policy")
    async with connected(home.socket) as client:
        for method in ("thread/start", "config/read"):
            refusal = await client.refused(method)
            assert refusal.code == -32603
            assert refusal.data["code"] == "invalid_config"
            assert place in refusal.message
            assert "`approval_policy`" in refusal.message
        assert (await client.call("thread/list"))["data"] == []
        home.configure('model_provider = "scripted"\n[model_providers.scripted]\nbase_url = 5\n')
        refusal = await client.refused("thread/start")
        assert f"{home.path}/config.toml:3" in refusal.message
        assert "`model_providers.scripted.base_url`" in refusal.message
        home.configure('model = "m"\nmodel = "n"\n')
        assert "config.toml:2" in (await client.refused("thread/start")).message
        async with scripted_model([OK]) as model:
            home.use_model(model.base_url)
            turn = await client.run_turn(await client.start_thread(), "hello")
            assert turn["status"] == "completed"


@trio_test
async def test_while_the_daemon_runs_threads_continue_with_the_last_good_config(
    daemon: Daemon,
) -> None:
    async with scripted_model([OK, OK, OK]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            assert (await client.run_turn(thread, "one"))["status"] == "completed"
            daemon.home.configure(BAD)
            assert (await client.run_turn(thread, "two"))["status"] == "completed"
            assert "approval_policy" in (await client.refused("thread/start")).message
            assert (await client.run_turn(thread, "three"))["status"] == "completed"
            await client.call("account/read")
            await client.call("model/list")


@trio_test
async def test_a_provider_that_is_gone_from_the_config_fails_the_turn_with_the_reason(
    daemon: Daemon,
) -> None:
    async with scripted_model([OK]) as model:
        daemon.home.use_model(model.base_url, provider="passing")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            daemon.home.use_model(model.base_url, provider="staying")
            turn = await client.run_turn(thread, "hello")
            assert turn["status"] == "failed"
            assert "passing" in turn["error"]["message"]
            daemon.home.use_model(model.base_url, provider="passing")
            assert (await client.run_turn(thread, "again"))["status"] == "completed"


@trio_test
async def test_a_change_of_the_file_holds_from_the_next_request_on(daemon: Daemon) -> None:
    async with scripted_model([OK]) as first, scripted_model([OK]) as second:
        daemon.home.use_model(first.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "one")
            daemon.home.use_model(second.base_url)
            await client.run_turn(thread, "two")
            assert (len(first.requests), len(second.requests)) == (1, 1)


@trio_test
async def test_secrets_of_the_config_are_not_read_out(daemon: Daemon) -> None:
    daemon.home.use_model(
        "http://127.0.0.1:1/v1", provider_more='http_headers = {"x-key" = "secret-value"}'
    )
    async with connected(daemon.home.socket) as client:
        read = await client.call("config/read")
        assert read["config"]["model_provider"] == "scripted"
        assert "secret-value" not in repr(read)


@pytest.mark.slow
@trio_test
async def test_a_mistake_is_told_when_it_is_saved_and_again_only_when_it_is_another(
    home: Home,
) -> None:
    home.configure('modle = "m"\n')
    daemon = home.start()
    daemon.wait_said("config.toml:1: unknown key `modle`, did you mean `model`?")
    async with connected(home.socket) as client:
        # Who comes is told what is wrong already.
        told = (await client.until_notified("configWarning")).params
        assert "did you mean `model`?" in told["summary"]
        status = await client.call("server/status")
        assert ["`modle`" in problem for problem in status["configProblems"]] == [True]
        home.configure(BAD)
        told = (await client.until_notified("configWarning", times=2)).params
        assert told["summary"].startswith("Invalid configuration; the last one")
        assert "`approval_policy`: expected" in told["details"]
        assert (told["path"], told["range"]["start"]["line"]) == (f"{home.path}/config.toml", 3)
        status = await client.call("server/status")
        assert "approval_policy" in status["configProblems"][0]
        # A file that is put in its place, as editors do, is seen as well.
        beside = home.path / "config.toml.new"
        beside.write_text('model = "m"\nzzz = 1\n')
        beside.replace(home.path / "config.toml")
        told = (await client.until_notified("configWarning", times=3)).params
        assert "unknown key `zzz`" in told["summary"]
        assert len(client.of("configWarning")) == 3
        # A mistake that another edit moves to another line is the same.
        beside.write_text('\n\nmodel = "m"\nzzz = 1\nyyy = 2\n')
        beside.replace(home.path / "config.toml")
        told = (await client.until_notified("configWarning", times=4)).params
        assert "unknown key `yyy`" in told["summary"]
        assert len(client.of("configWarning")) == 4
        daemon.wait_said("the configuration can be used again")
