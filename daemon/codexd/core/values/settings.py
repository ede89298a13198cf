"""The settings of a thread: model, effort, policies, working directory."""

from __future__ import annotations

from typing import Literal

import msgspec


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """A warning that is recorded once in a thread."""

    about: str  # a stable key of its subject, so that it is not repeated
    message: str


# When a person is asked before a tool runs. The values are those of the wire and of config.toml.
ApprovalPolicy = Literal["untrusted", "on-request", "never"]
# The requested sandbox; `enforced.py` says what is enforced.
SandboxMode = Literal["read-only", "workspace-write", "danger-full-access"]


class SandboxAccess(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a sandbox lets through beyond its mode. The names are Codex's."""

    writable_roots: tuple[str, ...] = ()  # absolute; `workspace-write` may write in them as well
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False  # `workspace-write` may not write in $TMPDIR
    exclude_slash_tmp: bool = False  # nor in /tmp


class ActiveProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """The permission profile that the sandbox mode and its access come from."""

    id: str = ""  # empty: they come from none
    extends: str | None = None  # the profile that it is made from, as config.toml has it
    # Why the sandbox cannot enforce all of it, as the rest of "the profile …": its commands are refused.
    unenforced: str | None = None

    @property
    def problem(self) -> str | None:
        """Why its commands are refused, as a sentence after the word "the"; None if all of it can be enforced."""
        if self.unenforced is None:
            return None
        return f"permission profile {self.id} {self.unenforced}, which codexd cannot enforce"


NO_PROFILE = ActiveProfile()


class Enforcement(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the machine can enforce. The defaults are those of logs from before there was a sandbox."""

    modes: tuple[SandboxMode, ...] = ()
    # Whether commands that cannot be confined run all the same, as a person has configured.
    unsandboxed: bool = True
    # Whether the network of confined commands that have one is a list of domains, as a person has configured.
    domains: bool = False


ModeKind = Literal["default", "plan"]


class Collaboration(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the model works with the person: in plan mode it asks and plans, and changes nothing."""

    mode: ModeKind = "default"
    instructions: str | None = None  # of the client, for the mode; None: the daemon's own


class Settings(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The settings of a thread; a turn runs with those in force when it started."""

    cwd: str  # absolute
    model: str
    provider: str  # a key of `[model_providers]`
    # No defaults: a log must mean the same when a later version has others.
    approval_policy: ApprovalPolicy
    sandbox: SandboxMode
    effort: str | None = None  # reasoning effort, any value; None: the model's default
    summary: str | None = None  # reasoning summary: auto, concise, detailed, none
    verbosity: str | None = None
    service_tier: str = ""  # the speed of answers, by the provider's name; empty: its default
    access: SandboxAccess = SandboxAccess()
    profile: ActiveProfile = NO_PROFILE
    # False: nothing is executed for the thread, neither a command nor a patch, and no file is read for it.
    has_environment: bool = True
    features_off: tuple[str, ...] = ()  # the features whose tools it does not have, sorted
    context_window: int | None = None  # tokens; None: that of the configuration or of the model
    compact_limit: int | None = None  # tokens in context; None: that of the configuration
    # Of the machine, when the thread was started and at each turn: so a log is judged alike on any machine.
    enforcement: Enforcement = Enforcement()
    collaboration: Collaboration = Collaboration()

    @property
    def plans(self) -> bool:
        """Whether it is in plan mode."""
        return self.collaboration.mode == "plan"


class Tuning(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The options of requests to a model, as far as it supports them; None: not sent."""

    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None


def tuning_of(settings: Settings) -> Tuning:
    """The options in the settings, whether or not the model supports them."""
    return Tuning(settings.effort, settings.summary, settings.verbosity)


def tier_of(asked: str | None) -> str:
    """The provider's name of a service tier that a person or a client names; empty for the default."""
    return {None: "", "default": "", "standard": "", "fast": "priority"}.get(asked, asked or "")


def at_tier(settings: Settings, tier: str | None) -> Settings:
    """The settings of a turn that has a service tier of its own; None: it has not."""
    return settings if tier is None else msgspec.structs.replace(settings, service_tier=tier)


class Tuned(msgspec.Struct, frozen=True):
    """The options that a model supports."""

    tuning: Tuning | None = None  # None: the model is unknown, and all options are sent
    complaints: tuple[Notice, ...] = ()  # for options that it does not support


class SettingsChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Changes of settings; None leaves a setting unchanged."""

    cwd: str | None = None
    model: str | None = None
    provider: str | None = None
    approval_policy: ApprovalPolicy | None = None
    sandbox: SandboxMode | None = None
    effort: str | None = None  # empty: the model's default again
    summary: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None  # empty: the provider's default again
    access: SandboxAccess | None = None
    profile: ActiveProfile | None = None
    has_environment: bool | None = None
    features_off: tuple[str, ...] | None = None
    context_window: int | None = None
    compact_limit: int | None = None
    enforcement: Enforcement | None = None
    collaboration: Collaboration | None = None

    def differing(self, settings: Settings) -> SettingsChange | None:
        """The changes that differ from `settings`; None if there are none."""
        after = self.applied(settings)
        changed = {
            field: value
            for field in self.__struct_fields__
            if (value := getattr(self, field)) is not None
            and getattr(after, field) != getattr(settings, field)
        }
        return SettingsChange(**changed) if changed else None

    def applied(self, settings: Settings) -> Settings:
        changed = {
            field: value
            for field in self.__struct_fields__
            if (value := getattr(self, field)) is not None
        }
        if self.effort == "":
            changed["effort"] = None
        return msgspec.structs.replace(settings, **changed)
