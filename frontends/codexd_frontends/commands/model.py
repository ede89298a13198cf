"""codexctl model: the models that can be chosen, and the one of new threads."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.config import ConfigReadResponse, ConfigWriteResponse
from codexd.protocol.models import Model, ModelListResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line

DESCRIPTION_CHARACTERS_MAX = 120


class _Chosen(msgspec.Struct, frozen=True):
    """What config.toml says of new threads; null: nothing."""

    model: str | None = None
    model_reasoning_effort: str | None = None
    model_provider: str | None = None


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """List the models, or write the model of new threads."""
    with connect(console) as daemon:
        if arguments.action == "set":
            return _set(daemon, arguments, console)
        return _list(daemon, arguments, console)


def _list(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> Exit:
    chosen = _chosen(daemon)
    models = _models(daemon, chosen.model_provider, hidden=getattr(arguments, "hidden", False))
    default = chosen.model or next((model.id for model in models if model.is_default), None)
    members = {
        "models": msgspec.to_builtins(models),
        "default": {
            "model": default,
            "effort": chosen.model_reasoning_effort,
            "provider": chosen.model_provider,
        },
    }
    console.result(members, *_lines(models, default, chosen))
    return DONE


def _lines(models: tuple[Model, ...], default: str | None, chosen: _Chosen) -> list[str]:
    width = max((len(one_line(model.id)) for model in models), default=0)
    lines = [
        f"{'*' if model.id == default else ' '} {one_line(model.id):<{width}}  "
        f"{one_line(model.description, DESCRIPTION_CHARACTERS_MAX)}{_efforts(model)}"
        for model in models
    ]
    return [*lines, _said(default, chosen.model_provider, chosen.model_reasoning_effort)]


def _said(model: str | None, provider: str | None, effort: str | None) -> str:
    at = f" at {one_line(provider)}" if provider else ""
    how = one_line(effort or "the model's own")
    return f"new threads: {one_line(model or 'no model')}{at}, effort: {how}"


def _efforts(model: Model) -> str:
    efforts = [option.reasoning_effort for option in model.supported_reasoning_efforts]
    marked = [f"{e}*" if e == model.default_reasoning_effort else e for e in efforts]
    return f" ({one_line(', '.join(marked))})" if marked else ""


def _set(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> Exit:
    _refuse_effort(daemon, arguments.model, arguments.effort)
    keys = (("model", arguments.model), ("model_reasoning_effort", arguments.effort))
    edits = [{"keyPath": key, "value": value, "mergeStrategy": "replace"} for key, value in keys]
    written = daemon.call("config/batchWrite", {"edits": edits}, ConfigWriteResponse)
    said = [
        _said(arguments.model, None, arguments.effort),
        f"written to {one_line(written.file_path)}",
    ]
    if written.overridden_metadata is not None:
        said.append(f"it has no effect: {one_line(written.overridden_metadata.message)}")
    members = {
        "model": arguments.model,
        "effort": arguments.effort,
        **msgspec.json.decode(msgspec.json.encode(written)),  # a value of any shape is among them
    }
    console.result(members, *said)
    return DONE


def _refuse_effort(daemon: Daemon, name: str, effort: str | None) -> None:
    """Raises: UsageError, where the catalogue knows that the model has no such effort."""
    models = _models(daemon, None, hidden=True)
    known = next((model for model in models if model.id == name), None)
    if known is None or effort is None:
        return
    efforts = [option.reasoning_effort for option in known.supported_reasoning_efforts]
    if effort not in efforts:
        offered = f"one of {', '.join(efforts)}" if efforts else "none, since it does not reason"
        raise UsageError(
            f"--effort: expected for {name} {offered}; found {effort!r}; nothing was written"
        )


def _models(daemon: Daemon, provider: str | None, *, hidden: bool) -> tuple[Model, ...]:
    params = {"includeHidden": hidden, "modelProvider": provider}
    return daemon.call("model/list", params, ModelListResponse).data


def _chosen(daemon: Daemon) -> _Chosen:
    read = daemon.call("config/read", {}, ConfigReadResponse)
    return msgspec.json.decode(read.config, type=_Chosen)
