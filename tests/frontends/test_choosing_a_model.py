"""codexctl model: what can be chosen, and the model of new threads."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from codexd_frontends.ctl import main

from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]


def model(name: str, *efforts: str, **members: object) -> Json:
    return {
        "id": name,
        "model": name,
        "displayName": name.upper(),
        "description": f"About {name}.",
        "hidden": False,
        "supportedReasoningEfforts": [{"reasoningEffort": e, "description": ""} for e in efforts],
        "defaultReasoningEffort": efforts[0] if efforts else "none",
        "isDefault": False,
        **members,
    }


OWN = "the model's own"
MODELS: Json = {"data": [model("gpt-6-sol", "low", "high", isDefault=True), model("plain\x1b")]}


def config(**members: object) -> Json:
    return {"config": members, "origins": {}, "layers": None}


def asked(fake: FakeDaemon, method: str) -> list[Json]:
    """The params of the requests for a method, so far."""
    found: list[Json] = []
    while not fake.received.empty():
        request = fake.received.get()
        if request["method"] == method:
            found.append(request["params"])
    return found


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, "model", *words])


def test_the_models_are_listed_with_the_one_of_new_threads(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("model/list", MODELS)
        fake.answer("config/read", config(model=None, model_provider="gw"))
        for words, hidden in (((), False), (("list", "--all"), True)):
            assert run(fake, *words) == 0
            assert capfd.readouterr().out.splitlines() == [
                "* gpt-6-sol    About gpt-6-sol. (low*, high)",
                "  plain\\u{1b}  About plain\\u{1b}.",
                "new threads: gpt-6-sol at gw, effort: the model's own",
            ]
            [params] = asked(fake, "model/list")
            assert params == {"includeHidden": hidden, "modelProvider": "gw"}
        assert run(fake, "--json") == 0
    answer = msgspec.json.decode(capfd.readouterr().out)
    assert answer["default"] == {"model": "gpt-6-sol", "effort": None, "provider": "gw"}
    assert len(answer["models"]) == 2


@pytest.mark.parametrize(
    ("words", "effort"),
    [(("--effort", "high"), "high"), (("--no-effort",), None), ((), None)],
)
def test_model_and_effort_are_written_together(
    tmp_path: Path, capfd: Captured, words: tuple[str, ...], effort: str | None
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("model/list", MODELS)
        written = {"status": "ok", "version": "sha256:1", "filePath": "/h/config.toml"}
        fake.answer("config/batchWrite", written)
        assert run(fake, "set", "gpt-6-sol", *words) == 0
        [params] = asked(fake, "config/batchWrite")
    assert [(edit["keyPath"], edit["value"]) for edit in params["edits"]] == [
        ("model", "gpt-6-sol"),
        ("model_reasoning_effort", effort),
    ]
    assert capfd.readouterr().out.splitlines() == [
        f"new threads: gpt-6-sol, effort: {effort or OWN}",
        "written to /h/config.toml",
    ]


def test_an_effort_that_the_model_does_not_have_is_not_written(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("model/list", MODELS)
        assert run(fake, "set", "gpt-6-sol", "--effort", "max") == 2
        assert asked(fake, "config/batchWrite") == []
    assert "expected for gpt-6-sol one of low, high; found 'max'" in capfd.readouterr().err
