"""What people wrote down for the model in files beside their code (AGENTS.md), and how the model is told of it.

Law: what was told is recorded with the text itself and with the files that it is from; it is told again,
whole, only when it has become another.
"""

from __future__ import annotations

import hashlib

import msgspec

from codexd.core.values.notice import Notice

# 128 bits tell any two texts apart.
DIGEST_DIGITS = 32


class InstructionFile(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A file that instructions were taken from."""

    path: str
    bytes: int  # so many of it were taken
    sha256: str  # of those
    truncated: bool = False  # there is more in the file


class UserInstructions(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The instructions that hold in a folder."""

    directory: str
    text: str = ""  # empty: there are none
    sources: tuple[InstructionFile, ...] = ()
    complaints: tuple[Notice, ...] = ()
    unknown: bool = False  # they could not be read: what was told before holds

    @property
    def digest(self) -> str:
        """Another one means other instructions."""
        if not self.text:
            return NO_INSTRUCTIONS
        whole = f"{self.directory}\0{self.text}".encode()
        return hashlib.sha256(whole).hexdigest()[:DIGEST_DIGITS]


NO_INSTRUCTIONS = "none"  # the digest where there are none
SOME_INSTRUCTIONS = (
    "unknown"  # of those that another program told: nobody can say whether they are the same
)

_REPLACES = "These instructions replace all that were given under this heading before.\n\n"
_NONE_LEFT = "The instructions that were given under this heading before hold no longer: there are none here."


def instructions_text(now: UserInstructions, told: str | None) -> str | None:
    """The message to tell; None where nothing has changed. `told` is the digest of what was told last."""
    if now.unknown:
        return None
    replaced = told is not None and told != NO_INSTRUCTIONS
    if now.digest == told or (not now.text and not replaced):
        return None
    heading = f"# AGENTS.md instructions for {now.directory}"
    body = (_REPLACES if replaced else "") + now.text if now.text else _NONE_LEFT
    return f"{heading}\n\n<INSTRUCTIONS>\n{body}\n</INSTRUCTIONS>"
