"""What secrets of well-known kinds look like, wherever they come from.

Each kind is a regular expression over bytes, which also holds for text that stands escaped in JSON: no
match begins or ends within an escape. What is replaced is the group `secret` where there is one, else all
of it. A kind is looked for only where its anchor is found: one rare character with its neighbours, for all
kinds tested in one pass.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec


class Pattern(msgspec.Struct, frozen=True):
    """One kind of secret."""

    kind: str  # its name in the stand-in
    source: bytes  # of its regular expression
    anchor: bytes = (
        b""  # a regex that begins with one literal character; b"": none, it is always tried
    )
    always: bool = False  # also where the value is data in base64

    @property
    def regex(self) -> re.Pattern[bytes]:
        """What finds it: made when one is first needed, which is seldom, and remembered by `re`."""
        return re.compile(self.source)


# A token begins a word, an escape or a terminal's colour in front of it notwithstanding; but the letter of an
# escape is no part of it.
_LEFT: Final = (
    rb"(?:(?<![A-Za-z0-9_\\-])|(?<=\\)(?![bfnrtu])|(?<=\\[nrt])|(?<=\\u00[0-9a-f]{2})"
    rb"|(?<=\[[mK])|(?<=\[[0-9]m)|(?<=[\[;][0-9]{2}m))"
)
# Between a name and its value, in JSON, in JSON within it, in YAML and in a shell.
_IS: Final = rb"(?:\\*[\"'])?\s*[=:]\s*(?:\\*[\"'])?"
# Between the lines of a PEM block: line ends, as they are or escaped.
_EOL: Final = rb"(?:[ \t]*(?:\r?\n|(?:\\+[nr])+))"
_HEADER: Final = rb"(?:[A-Za-z-]{3,24}: ?[^\r\n\\]{0,200}" + _EOL + rb"+)"
_KEY: Final = rb"(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_BODY: Final = (
    rb"(?:" + _EOL + rb"*" + _HEADER + rb"*[A-Za-z0-9+/]{16,}={0,2}"
    rb"(?:" + _EOL + rb"+=?[A-Za-z0-9+/]{1,76}={0,2}(?![A-Za-z0-9+/=]))*)"
)
_END: Final = _EOL + rb"*-----END " + _KEY


def _pattern(kind: str, regex: bytes, anchor: bytes) -> Pattern:
    return Pattern(kind, regex, anchor)


PATTERNS: Final[tuple[Pattern, ...]] = (
    _pattern(
        "private-key",
        rb"-----BEGIN " + _KEY + _BODY + rb"(?:" + _END + rb")?"
        # The end of one whose beginning an output has lost.
        rb"|(?:(?:(?<![A-Za-z0-9+/\\])|(?<=\\[nr]))[A-Za-z0-9+/]{16,76}={0,2}" + _EOL + rb"+)+"
        rb"(?:=?[A-Za-z0-9+/]{1,76}={0,2})?" + _END,
        # Both begin and end say it, so half a block is found as well.
        rb"V(?<=PRIV)ATE KEY",
    ),
    _pattern(
        "jwt",
        _LEFT + rb"eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]{10,}){2,4}",
        rb"J(?<=eyJ)[A-Za-z0-9_-]{10}",
    ),
    _pattern(
        "aws-access-key-id",
        _LEFT + rb"A(?:KIA|SIA|BIA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        rb"I(?<=A[KSB]I)A[A-Z0-9]{16}",
    ),
    _pattern(
        "aws-secret-key",
        rb"(?i:secret_?access_?key|session_?token)" + _IS + rb"(?P<secret>[A-Za-z0-9/+=]{40,})",
        rb"_(?:(?<=ccess_)[Kk]ey|(?<=CCESS_)KEY|(?<=ession_)[Tt]oken|(?<=ESSION_)TOKEN)"
        rb"|K(?<=ccessK)ey|T(?<=essionT)oken",
    ),
    _pattern(
        "github-token",
        _LEFT + rb"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{30,255})",
        rb"_(?<=gh[pousr]_|pat_)[A-Za-z0-9]{10}",
    ),
    _pattern(
        "gitlab-token",
        _LEFT + rb"gl(?:pat|dt|rt|ptt|cbt|soat|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,255}",
        rb"-(?<=[a-z][ts]-)[A-Za-z0-9_.-]{20}",
    ),
    _pattern(
        "slack-token",
        _LEFT + rb"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{20,255}",
        rb"-(?<=xox[a-z]-|xapp-)[A-Za-z0-9-]{10}",
    ),
    _pattern(
        "slack-webhook",
        rb"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]{16,})",
        rb"B(?<=/B)[A-Z0-9]{3,}/",
    ),
    _pattern(
        "api-key",  # OpenAI, Anthropic, OpenRouter, DeepSeek and others
        _LEFT + rb"sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,255}",
        rb"-(?<=sk-)(?:(?<![A-Za-z]sk-)|(?<=[nrtmK]sk-))[A-Za-z0-9_-]{20}",
    ),
    _pattern(
        "google-key",
        _LEFT + rb"(?:AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,})",
        rb"z(?<=AIz)a|X(?<=GOCSPX)-|9(?<=ya29)\.",
    ),
    _pattern(
        "stripe-key",
        _LEFT + rb"(?:(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,255}|whsec_[A-Za-z0-9+/=]{24,})",
        rb"_(?:(?<=k_live_|k_test_)|(?<=whsec_))[A-Za-z0-9+/]{16}",
    ),
    _pattern(
        "npm-token",
        _LEFT + rb"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
        rb"_(?<=npm_)[A-Za-z0-9]{36}",
    ),
    _pattern("pypi-token", _LEFT + rb"pypi-AgEI[A-Za-z0-9_-]{50,}", rb"-(?<=pypi-)AgEI"),
    _pattern(
        "hugging-face-token", _LEFT + rb"hf_[A-Za-z0-9]{30,255}", rb"_(?<=hf_)[A-Za-z0-9]{30}"
    ),
    _pattern(
        "authorization",
        rb"(?i:authorization)" + _IS + rb"(?i:bearer|basic|token|apikey)\s+"
        rb"(?P<secret>[A-Za-z0-9._~+/-]{8,}=*)",
        rb"z(?<=uthoriz)ation|Z(?<=UTHORIZ)ATION",
    ),
    _pattern(
        "bearer-token",
        _LEFT + rb"Bearer +(?=[A-Za-z._~+/-]*[0-9])(?P<secret>[A-Za-z0-9._~+/-]{16,}=*)",
        rb"B(?<=B)earer ",
    ),
    _pattern(
        "url-password",
        # Neither templates nor what already stands for something.
        rb"(?:[A-Za-z0-9+.-]{2,}:(?:\\?/){2})(?:[A-Za-z0-9._~%!&*()+,;=-]{0,200}:)?"
        rb"(?P<secret>(?<=:)(?![$*])[A-Za-z0-9._~%!&()+,;=$*#?^|-]{3,}|(?<=/)[A-Za-z0-9_-]{20,})(?=@)",
        rb"@(?<=[A-Za-z0-9._~%!&()+,;=$*#?^|-]@)[A-Za-z0-9\[]",
    ),
)
