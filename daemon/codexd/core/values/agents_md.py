"""Instructions from AGENTS.md files, and their text for the model.

Law: instructions are recorded with their text and their files; they are sent again, as a whole, only when
they have changed.
"""

from __future__ import annotations

import hashlib

import msgspec

from codexd.core.values.settings import Notice

# 128 bits are enough to distinguish any two texts.
DIGEST_DIGITS = 32


class InstructionFile(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A file of instructions."""

    path: str
    bytes: int  # how many of its bytes are used
    sha256: str  # of those bytes
    truncated: bool = False  # the file has more


class UserInstructions(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The instructions for a folder."""

    directory: str
    text: str = ""  # empty: there are none
    sources: tuple[InstructionFile, ...] = ()
    complaints: tuple[Notice, ...] = ()
    unknown: bool = False  # they could not be read: the earlier instructions stay in force

    @property
    def digest(self) -> str:
        if not self.text:
            return NO_INSTRUCTIONS
        whole = f"{self.directory}\0{self.text}".encode()
        return hashlib.sha256(whole).hexdigest()[:DIGEST_DIGITS]


NO_INSTRUCTIONS = "none"  # the digest where there are none
SOME_INSTRUCTIONS = "unknown"  # the digest of imported instructions, which cannot be compared

_REPLACES = "These instructions replace all that were given under this heading before.\n\n"
_NONE_LEFT = "The instructions that were given under this heading before hold no longer: there are none here."


def instructions_text(now: UserInstructions, known: str | None) -> str | None:
    """The message for the model; None if nothing has changed. `known` is the digest of the last message."""
    if now.unknown:
        return None
    replaced = known is not None and known != NO_INSTRUCTIONS
    if now.digest == known or (not now.text and not replaced):
        return None
    heading = f"# AGENTS.md instructions for {now.directory}"
    body = (_REPLACES if replaced else "") + now.text if now.text else _NONE_LEFT
    return f"{heading}\n\n<INSTRUCTIONS>\n{body}\n</INSTRUCTIONS>"
