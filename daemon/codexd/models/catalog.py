"""The known properties of each model: a table in the package, so that it works without a network.

Figures are those of Codex's own table, and for older models those that the provider publishes. A model that is not in
the table is used all the same, with careful assumptions; `known` says which it is.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

# When the table was last compared with its source, `codex debug models` of Codex 0.171.0.
AS_OF: Final = "2026-11-27"
# Of the raw window, how much a conversation may fill: the rest is for what a request adds unseen.
EFFECTIVE_PERCENT: Final = 95
# The input window of most models of the table (400,000 in all, less 128,000 of output); assumed for unknown models.
FALLBACK_WINDOW: Final = 272_000
# Of the newest models: a part of what they can read, above which their provider charges more.
LARGE_WINDOW: Final = 500_000

Modality = Literal["text", "image"]


class Effort(msgspec.Struct, frozen=True):
    """A reasoning effort of a model; the set of names is open."""

    effort: str
    description: str


class ServiceTier(msgspec.Struct, frozen=True):
    """A speed at which a provider answers for another price."""

    id: str  # as a request has it
    name: str
    description: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the catalog."""

    id: str
    display_name: str
    description: str
    context_window: int = FALLBACK_WINDOW  # tokens of input, raw
    effective_percent: int = EFFECTIVE_PERCENT
    efforts: tuple[Effort, ...] = ()  # none: it does not reason, or it is not known
    default_effort: str = "medium"
    reasons: bool | None = None  # None: if it has efforts
    reasoning_summaries: bool = True
    verbosity: bool = True
    parallel_tool_calls: bool = True
    freeform_patch: bool = False  # it writes patches as free text, held to a grammar
    sessions: bool = False  # it was trained to keep commands running, and to come back to them
    argv_shell: bool = False  # it was trained to give commands as a program and its arguments
    modalities: tuple[Modality, ...] = ("text", "image")
    service_tiers: tuple[ServiceTier, ...] = ()
    upgrade: str | None = None  # the model that its provider proposes in its place
    hidden: bool = False  # shown only to those who ask for hidden ones
    is_default: bool = False
    known: bool = True  # False: not in the table, these are assumptions

    @property
    def thinks(self) -> bool:
        """Whether its reasoning is to be asked for."""
        return bool(self.efforts) if self.reasons is None else self.reasons

    @property
    def effective_window(self) -> int:
        """Tokens that a conversation may fill."""
        return self.context_window * self.effective_percent // 100


_MINIMAL = Effort("minimal", "Answers almost at once, hardly thinking")
_LOW = Effort("low", "Quick answers, for tasks that are clear")
_MEDIUM = Effort("medium", "Thinks as long as everyday work asks for")
_HIGH = Effort("high", "Thinks longer, for work with many sides")
_XHIGH = Effort("xhigh", "Thinks as long as it takes, for the hardest problems")

_MAX = Effort("max", "Thinks as long as it can")
_ULTRA = Effort("ultra", "Thinks as long as it can, and gives parts of the work to helpers")

_FULL = (_LOW, _MEDIUM, _HIGH, _XHIGH)
_TO_MAX = (*_FULL, _MAX)
_TO_ULTRA = (*_TO_MAX, _ULTRA)
_USUAL = (_LOW, _MEDIUM, _HIGH)
_GPT_5 = (_MINIMAL, _LOW, _MEDIUM, _HIGH)

# Their id and name are those of the API and of Codex's screens.
_FAST = ServiceTier("priority", "Fast", "Answers half as fast again, at a higher price")
_FASTER = ServiceTier("priority", "Fast", "Answers twice as fast, at a higher price")


def _model(model_id: str, name: str, description: str, **more: Any) -> Model:
    """A model of the present generations: they have all abilities that there are."""
    return Model(
        id=model_id,
        display_name=name,
        description=description,
        **{
            "efforts": _TO_ULTRA,
            "default_effort": "low",
            "sessions": True,
            "freeform_patch": True,
            "service_tiers": (_FAST,),
            **more,
        },
    )


CATALOG: Final[tuple[Model, ...]] = (
    _model(
        "gpt-6.2-sol",
        "GPT-6.2-Sol",
        "Fast, for coding and everyday work.",
        context_window=LARGE_WINDOW,
        service_tiers=(_FASTER,),
        is_default=True,
    ),
    _model(
        "gpt-6.2-astra",
        "GPT-6.2-Astra",
        "The most capable, for complex work.",
        service_tiers=(_FASTER,),
    ),
    _model(
        "gpt-6.1-terra",
        "GPT-6.1 Terra",
        "Efficient, and good with pictures and screens.",
        context_window=LARGE_WINDOW,
    ),
    _model(
        "gpt-6.1-sol",
        "GPT-6.1-Sol",
        "For coding and everyday work; of the generation before.",
        context_window=LARGE_WINDOW,
        service_tiers=(_FASTER,),
    ),
    _model(
        "gpt-6-astra",
        "GPT-6-Astra",
        "For complex work; of the generation before.",
        service_tiers=(_FASTER,),
    ),
    _model(
        "gpt-6-sol",
        "GPT-6-Sol",
        "An older model for coding and everyday work.",
        default_effort="medium",
    ),
    _model(
        "gpt-6-luna",
        "GPT-6-Luna",
        "Fast and cheap, for easier tasks.",
        efforts=_TO_MAX,
        default_effort="medium",
    ),
    _model(
        "gpt-5.6-sol",
        "GPT-5.6-Sol",
        "An older model for coding and everyday work.",
        upgrade="gpt-6-sol",
    ),
    _model(
        "gpt-5.6-terra",
        "GPT-5.6-Terra",
        "An older model between fast and capable.",
        default_effort="medium",
        upgrade="gpt-6-sol",
    ),
    _model(
        "gpt-5.6-luna",
        "GPT-5.6-Luna",
        "An older fast model for easier tasks.",
        efforts=_TO_MAX,
        default_effort="medium",
        upgrade="gpt-6-luna",
    ),
    _model(
        "gpt-daybreak-blue-latest",
        "Daybreak Blue",
        "For work on the defence of systems.",
        service_tiers=(),
        hidden=True,
    ),
    _model(
        "gpt-daybreak-red-latest",
        "Daybreak Red",
        "For authorized research on the security of systems.",
        context_window=372_000,
        default_effort="medium",
        service_tiers=(),
        hidden=True,
    ),
    _model(
        "gpt-5.5",
        "GPT-5.5",
        "An older coding model.",
        efforts=_FULL,
        default_effort="medium",
        upgrade="gpt-6-sol",
    ),
    _model(
        "codex-auto-review",
        "Codex Auto Review",
        "Reviews what asks for an approval.",
        efforts=_TO_MAX,
        default_effort="medium",
        hidden=True,
    ),
    Model(
        id="gpt-5-codex",
        display_name="GPT-5-Codex",
        description="GPT-5 made for coding with tools.",
        sessions=True,
        freeform_patch=True,
        efforts=_USUAL,
        verbosity=False,
        hidden=True,
    ),
    Model(
        id="gpt-5",
        display_name="GPT-5",
        description="A general model that reasons.",
        sessions=True,
        freeform_patch=True,
        efforts=_GPT_5,
        hidden=True,
    ),
    Model(
        id="o3",
        display_name="o3",
        description="An earlier model that reasons.",
        context_window=200_000,
        efforts=_USUAL,
        verbosity=False,
        argv_shell=True,
        hidden=True,
    ),
    Model(
        id="o4-mini",
        display_name="o4-mini",
        description="A small earlier model that reasons.",
        context_window=200_000,
        efforts=_USUAL,
        verbosity=False,
        argv_shell=True,
        hidden=True,
    ),
    Model(
        id="codex-mini-latest",
        display_name="codex-mini",
        description="A small earlier model for coding.",
        context_window=200_000,
        efforts=_USUAL,
        verbosity=False,
        argv_shell=True,
        hidden=True,
    ),
    Model(
        id="gpt-4.1",
        display_name="GPT-4.1",
        description="A model with a very large window that does not reason.",
        context_window=1_047_576,
        reasoning_summaries=False,
        verbosity=False,
        argv_shell=True,
        hidden=True,
    ),
    Model(
        id="gpt-4o",
        display_name="GPT-4o",
        description="An earlier general model that does not reason.",
        context_window=128_000,
        reasoning_summaries=False,
        verbosity=False,
        argv_shell=True,
        hidden=True,
    ),
    Model(
        id="gpt-oss",
        display_name="gpt-oss",
        description="A model with open weights, for one's own machine.",
        context_window=96_000,
        efforts=_USUAL,
        verbosity=False,
        modalities=("text",),
        argv_shell=True,
        hidden=True,
    ),
)


class Catalog:
    """Some models, and what is known of any name by them."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        self._by_id = {model.id: model for model in models}

    @property
    def default(self) -> Model:
        """The model of a thread for which none is named."""
        return next((model for model in self.models if model.is_default), self.models[0])

    def find(self, model_id: str) -> Model:
        """The properties of a model; of a model that is not in the table, assumed properties.

        A known name, a dash or a colon, and more is a release or a size of that model
        (gpt-5-2025-08-07, gpt-oss:20b); the longest known name counts.
        """
        if model_id in self._by_id:
            return self._by_id[model_id]
        alike = [m for m in self.models if model_id.startswith((f"{m.id}-", f"{m.id}:"))]
        if alike:
            nearest = max(alike, key=lambda model: len(model.id))
            return msgspec.structs.replace(
                nearest, id=model_id, display_name=model_id, hidden=True, is_default=False
            )
        return Model(
            id=model_id,
            display_name=model_id,
            description="Not in the catalog; its window and abilities are assumed.",
            # New models do. One that does not is a model of an API that has no reasoning, or says so.
            reasons=True,
            verbosity=False,
            hidden=True,
            known=False,
        )


BUILT_IN: Final = Catalog(CATALOG)
