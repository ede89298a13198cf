"""The known properties of each model: a table in the package, so that it works without a network.

Figures are those that the provider publishes. A model that is not in the table is used all the same, with
careful assumptions; `known` says which it is.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

# Of the raw window, how much a conversation may fill: the rest is for what a request adds unseen.
EFFECTIVE_PERCENT: Final = 95
# The input window of the GPT-5 family (400,000 in all, less 128,000 of output); assumed for unknown models.
FALLBACK_WINDOW: Final = 272_000

Modality = Literal["text", "image"]


class Effort(msgspec.Struct, frozen=True):
    """A reasoning effort of a model; the set of names is open."""

    effort: str
    description: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the catalog."""

    id: str
    display_name: str
    description: str
    context_window: int = FALLBACK_WINDOW  # tokens of input, raw
    effective_percent: int = EFFECTIVE_PERCENT
    efforts: tuple[Effort, ...] = ()  # none: it does not reason
    default_effort: str = "medium"
    reasoning_summaries: bool = True
    verbosity: bool = True
    parallel_tool_calls: bool = True
    freeform_patch: bool = False  # it writes patches as free text, held to a grammar
    sessions: bool = False  # it was trained to keep commands running, and to come back to them
    argv_shell: bool = False  # it was trained to give commands as a program and its arguments
    modalities: tuple[Modality, ...] = ("text", "image")
    hidden: bool = False  # shown only to those who ask for hidden ones
    is_default: bool = False
    known: bool = True  # False: not in the table, these are assumptions

    @property
    def effective_window(self) -> int:
        """Tokens that a conversation may fill."""
        return self.context_window * self.effective_percent // 100


_MINIMAL = Effort("minimal", "Answers almost at once, hardly thinking")
_LOW = Effort("low", "Quick answers, for tasks that are clear")
_MEDIUM = Effort("medium", "Thinks as long as everyday work asks for")
_HIGH = Effort("high", "Thinks longer, for work with many sides")
_XHIGH = Effort("xhigh", "Thinks as long as it takes, for the hardest problems")

_FULL = (_LOW, _MEDIUM, _HIGH, _XHIGH)
_USUAL = (_LOW, _MEDIUM, _HIGH)
_GPT_5 = (_MINIMAL, _LOW, _MEDIUM, _HIGH)

CATALOG: Final[tuple[Model, ...]] = (
    Model(
        id="gpt-6.1-sol",
        display_name="GPT-6.1-Sol",
        description="For coding, from small changes to long work.",
        sessions=True,
        freeform_patch=True,
        efforts=_FULL,
        default_effort="low",
        is_default=True,
    ),
    Model(
        id="gpt-6-astra",
        display_name="GPT-6-Astra",
        description="For difficult work that takes long thought.",
        sessions=True,
        freeform_patch=True,
        efforts=_FULL,
    ),
    Model(
        id="gpt-5.5-codex",
        display_name="GPT-5.5-Codex",
        description="The coding model of the generation before.",
        sessions=True,
        freeform_patch=True,
        efforts=_FULL,
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

_BY_ID: Final = {model.id: model for model in CATALOG}
DEFAULT_MODEL: Final = next(model for model in CATALOG if model.is_default)


def find_model(model_id: str) -> Model:
    """The properties of a model; of a model that is not in the table, assumed properties.

    A known name, a dash or a colon, and more is a release or a size of that model
    (gpt-5-2025-08-07, gpt-oss:20b); the longest known name counts.
    """
    if model_id in _BY_ID:
        return _BY_ID[model_id]
    alike = [m for m in CATALOG if model_id.startswith((f"{m.id}-", f"{m.id}:"))]
    if alike:
        nearest = max(alike, key=lambda model: len(model.id))
        return msgspec.structs.replace(
            nearest, id=model_id, display_name=model_id, hidden=True, is_default=False
        )
    return Model(
        id=model_id,
        display_name=model_id,
        description="Not in the catalog; its window and abilities are assumed.",
        reasoning_summaries=False,
        verbosity=False,
        hidden=True,
        known=False,
    )
