"""What a person chooses for a session: its mode, its model, how much the model thinks, and whether it plans. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from codexd.protocol.wire.rpc import INVALID_PARAMS
from codexd_frontends.acp.translation.wire import Declined, Update
from codexd_frontends.client.messages import Received
from codexd_frontends.screen.drawn import one_line

NAME_CHARACTERS_MAX: Final = 80
DESCRIPTION_CHARACTERS_MAX: Final = 400


class Mode(NamedTuple):
    """A mode of the editor: an approval policy and a permission profile of the daemon. Ids as Codex's own adapter has them."""

    id: str
    name: str
    description: str
    approval: str
    profile: str
    sandbox: str  # the type that the profile leads to


MODES: Final = (
    Mode(
        "read-only",
        "Read only",
        "Commands may read files; you are asked before anything is changed",
        "on-request",
        ":read-only",
        "readOnly",
    ),
    Mode(
        "workspace-write",
        "Workspace",
        "Files of the project may be changed; you are asked before anything goes beyond it",
        "on-request",
        ":workspace",
        "workspaceWrite",
    ),
    Mode(
        "agent-full-access",
        "Full access",
        "Commands may do what you may, and you are not asked",
        "never",
        ":danger-full-access",
        "dangerFullAccess",
    ),
)
# The settings that a session was opened with, where no mode stands for them.
CONFIGURED: Final = "configured"


class Effort(Received, frozen=True, kw_only=True):
    """How much a model may think."""

    reasoning_effort: str
    description: str = ""


class Model(Received, frozen=True, kw_only=True):
    """A model of the picker."""

    model: str
    display_name: str = ""
    description: str = ""
    supported_reasoning_efforts: tuple[Effort, ...] = ()
    default_reasoning_effort: str = ""


class Models(Received, frozen=True, kw_only=True):
    """A page of model/list."""

    data: tuple[Model, ...]
    next_cursor: str | None = None


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A collaboration mode; these names are not camelCase on the wire."""

    name: str
    mode: str
    reasoning_effort: str | None = None


class Presets(msgspec.Struct, frozen=True):
    """The answer to collaborationMode/list."""

    data: tuple[Preset, ...] = ()


class _Sandbox(msgspec.Struct, frozen=True):
    type: str = ""


class _Plan(msgspec.Struct, frozen=True):
    mode: str = "default"


class Chosen(Received, frozen=True, kw_only=True):
    """The settings of a thread, of an answer or a notification."""

    cwd: str = ""
    approval_policy: Any = None
    sandbox_policy: Raw = Raw(b"{}")
    model: str = ""
    model_provider: str = ""
    effort: str | None = None
    collaboration_mode: _Plan = _Plan()

    @property
    def mode(self) -> str:
        """The mode that has these settings."""
        kind = msgspec.json.decode(self.sandbox_policy, type=_Sandbox).type
        found = (m.id for m in MODES if (m.approval, m.sandbox) == (self.approval_policy, kind))
        return next(found, CONFIGURED)


class Opened(Received, frozen=True, kw_only=True):
    """The settings in the answer to thread/start, resume and fork, where some have other names."""

    cwd: str = ""
    approval_policy: Any = None
    sandbox: Raw = Raw(b"{}")
    model: str = ""
    model_provider: str = ""
    reasoning_effort: str | None = None

    @property
    def chosen(self) -> Chosen:
        return Chosen(
            cwd=self.cwd,
            approval_policy=self.approval_policy,
            sandbox_policy=self.sandbox,
            model=self.model,
            model_provider=self.model_provider,
            effort=self.reasoning_effort,
        )


class SettingsNote(Received, frozen=True, kw_only=True):
    """thread/settings/updated."""

    thread_settings: Chosen


class Choices:
    """The choices of one session."""

    def __init__(self, chosen: Chosen, models: Sequence[Model], presets: Sequence[Preset]) -> None:
        self.chosen = chosen
        self._begun = chosen
        self.models, self.presets = tuple(models), tuple(presets)

    def members(self) -> dict[str, Any]:
        """What the answers that open a session say of them."""
        return {
            "modes": {"currentModeId": self.chosen.mode, "availableModes": self._modes()},
            "models": {
                "currentModelId": self.chosen.model,
                "availableModels": [
                    {"modelId": o["value"], "name": o["name"], "description": o["description"]}
                    for o in self._models()
                ],
            },
            "configOptions": self.options(),
        }

    def options(self) -> list[Update]:
        """All of them, as configuration options."""
        modes = [
            {"value": m["id"], "name": m["name"], "description": m["description"]}
            for m in self._modes()
        ]
        options = [
            _select("mode", "Mode", "mode", self.chosen.mode, modes),
            _select("model", "Model", "model", self.chosen.model, self._models()),
        ]
        efforts = self._efforts()
        if efforts:
            options.append(
                _select("reasoning_effort", "Reasoning", "thought_level", self.effort, efforts)
            )
        if self.presets:
            presets = [
                {"value": p.mode, "name": _line(p.name), "description": None} for p in self.presets
            ]
            preset = self.chosen.collaboration_mode.mode
            options.append(_select("collaboration_mode", "Collaboration", None, preset, presets))
        return options

    @property
    def effort(self) -> str:
        """The effort in force."""
        model = self._model()
        return self.chosen.effort or (model.default_reasoning_effort if model else "")

    def change(self, option: str, value: str) -> dict[str, Any]:
        """The params of thread/settings/update that choose a value. Raises: Declined."""
        known = next((o for o in self.options() if o["id"] == option), None)
        if known is None:
            raise _unknown("option", option, [o["id"] for o in self.options()])
        values = [choice["value"] for choice in known["options"]]
        if value not in values:
            raise _unknown(f"value of {option}", value, values)
        match option:
            case "mode":
                return self._change_mode(value)
            case "model":
                return {"model": value}
            case "reasoning_effort":
                return {"effort": value}
            case _:
                return self._change_preset(value)

    def take(self, chosen: Chosen) -> list[Update]:
        """The settings as they are now, by whomever; what the editor is told of them."""
        mode, options = self.chosen.mode, self.options()
        self.chosen = chosen
        if self.options() == options:
            return []
        changed = {"sessionUpdate": "config_option_update", "configOptions": self.options()}
        if chosen.mode == mode:
            return [changed]
        return [{"sessionUpdate": "current_mode_update", "currentModeId": chosen.mode}, changed]

    def expect(self, option: str, value: str) -> None:
        """Take a change that the daemon has accepted; its notification follows and is what counts."""
        match option:
            case "mode":
                mode = _mode(value)
                policy, sandbox = self._begun.approval_policy, self._begun.sandbox_policy
                if mode is not None:
                    policy = mode.approval
                    sandbox = Raw(msgspec.json.encode({"type": mode.sandbox}))
                self.chosen = replace(self.chosen, approval_policy=policy, sandbox_policy=sandbox)
            case "model":
                self.chosen = replace(self.chosen, model=value)
            case "reasoning_effort":
                self.chosen = replace(self.chosen, effort=value)
            case _:
                self.chosen = replace(self.chosen, collaboration_mode=_Plan(value))

    def _change_mode(self, value: str) -> dict[str, Any]:
        mode = _mode(value)
        if mode is None:
            begun = self._begun
            return {"approvalPolicy": begun.approval_policy, "sandboxPolicy": begun.sandbox_policy}
        return {"approvalPolicy": mode.approval, "permissions": mode.profile}

    def _change_preset(self, value: str) -> dict[str, Any]:
        preset = next(p for p in self.presets if p.mode == value)
        settings = {
            "model": self.chosen.model,
            "reasoning_effort": preset.reasoning_effort or self.chosen.effort,
            "developer_instructions": None,
        }
        return {"collaborationMode": {"mode": value, "settings": settings}}

    def _modes(self) -> list[Update]:
        modes = [{"id": m.id, "name": m.name, "description": m.description} for m in MODES]
        if CONFIGURED in (self.chosen.mode, self._begun.mode):
            about = "The approval policy and the sandbox that the session was opened with"
            modes.insert(0, {"id": CONFIGURED, "name": "As configured", "description": about})
        return modes

    def _models(self) -> list[Update]:
        listed = [
            {
                "value": model.model,
                "name": _line(model.display_name or model.model),
                "description": one_line(model.description, DESCRIPTION_CHARACTERS_MAX) or None,
            }
            for model in self.models
        ]
        if self._model() is None:
            current = self.chosen.model
            listed.insert(0, {"value": current, "name": _line(current), "description": None})
        return listed

    def _model(self) -> Model | None:
        return next((m for m in self.models if m.model == self.chosen.model), None)

    def _efforts(self) -> list[Update]:
        model = self._model()
        if model is None:
            return []
        listed = [
            {
                "value": effort.reasoning_effort,
                "name": _line(effort.reasoning_effort),
                "description": one_line(effort.description, DESCRIPTION_CHARACTERS_MAX) or None,
            }
            for effort in model.supported_reasoning_efforts
        ]
        known = [choice["value"] for choice in listed]
        if listed and self.effort not in known:
            listed.append({"value": self.effort, "name": _line(self.effort), "description": None})
        return listed


def _mode(value: str) -> Mode | None:
    return next((mode for mode in MODES if mode.id == value), None)


def _select(
    option: str, name: str, category: str | None, value: str, choices: list[Update]
) -> Update:
    select: Update = {
        "id": option,
        "name": name,
        "type": "select",
        "currentValue": value,
        "options": choices,
    }
    return select if category is None else select | {"category": category}


def _line(text: str) -> str:
    return one_line(text, NAME_CHARACTERS_MAX)


def _unknown(what: str, found: str, known: list[str]) -> Declined:
    listed = ", ".join(map(_line, known))
    return Declined(
        INVALID_PARAMS,
        f"expected a {what} of {listed}, found {_line(found)}; nothing was changed",
        "unknown_choice",
    )
