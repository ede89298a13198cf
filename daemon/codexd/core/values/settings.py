"""What a thread is set to: which model, how hard it thinks, what it may do unasked, and where."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.notice import Notice

# When to ask a person before a tool runs. The words are those of the wire and of config.toml.
ApprovalPolicy = Literal["untrusted", "on-request", "never"]
# What a tool may touch, as it was asked for; `enforced.py` says what comes of it.
SandboxMode = Literal["read-only", "workspace-write", "danger-full-access"]


class Settings(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The settings of a thread; a turn runs with those in force when it started."""

    cwd: str  # absolute
    model: str
    provider: str  # a key of `[model_providers]`
    # No defaults: a log must mean the same when a later version has others.
    approval_policy: ApprovalPolicy
    sandbox: SandboxMode
    effort: str | None = None  # reasoning effort, an open set of words; None: the model's own
    summary: str | None = None  # reasoning summary: auto, concise, detailed, none
    verbosity: str | None = None


class Tuning(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a model is asked to answer, as far as it can be asked; None: nothing is said of it."""

    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None


def tuning_of(settings: Settings) -> Tuning:
    """All that the settings ask for, whatever the model has of it."""
    return Tuning(settings.effort, settings.summary, settings.verbosity)


class Tuned(msgspec.Struct, frozen=True):
    """What of a thread's settings its model can be asked for."""

    tuning: Tuning | None = None  # None: nobody knows the model, and all of it is asked
    complaints: tuple[Notice, ...] = ()  # what it lacks


class SettingsChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Only what is to change; None leaves a setting as it is."""

    cwd: str | None = None
    model: str | None = None
    provider: str | None = None
    approval_policy: ApprovalPolicy | None = None
    sandbox: SandboxMode | None = None
    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None

    def differing(self, settings: Settings) -> SettingsChange | None:
        """What of it would really change `settings`, or None."""
        changed = {
            field: value
            for field in self.__struct_fields__
            if (value := getattr(self, field)) is not None and value != getattr(settings, field)
        }
        return SettingsChange(**changed) if changed else None

    def applied(self, settings: Settings) -> Settings:
        """The settings with the change made."""
        changed = {
            field: value
            for field in self.__struct_fields__
            if (value := getattr(self, field)) is not None
        }
        return msgspec.structs.replace(settings, **changed)
