"""The patterns of well-known kinds of secrets.

Each kind is a regular expression over bytes, which also matches text that is escaped in JSON: no
match begins or ends within an escape. The group `secret` is replaced if there is one, else the whole match.
A kind is searched for only where its anchor is found: a rare character with its neighbours. All anchors
are tested in one pass.

Law: the texts are hostile. Each expression takes linear time: a repeat that is followed by another part is
possessive, and bounded if it may begin at each of its own letters. Only the secret is
replaced: no blank, no line break, no quote and none of the signs by which a shell reads a line
(`;|&$()<>` and the backquote). Private keys, which have several lines, are in `private_keys`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from codexd.redaction.names import is_assigned_secret, is_mixed
from codexd.redaction.private_keys import private_keys

# Tokens of services: their beginnings, and the rest of them. Sources: the services' own descriptions of their tokens,
# and the public rule sets of secret scanners.
_TOKENS: Final[tuple[tuple[str, bytes], ...]] = (
    ("shpat_ shpca_ shppa_ shpss_", rb"[a-fA-F0-9]{32}"),  # Shopify
    ("dckr_pat_ dckr_oat_", rb"[A-Za-z0-9_-]{27,60}+"),  # Docker
    ("lin_api_", rb"[A-Za-z0-9]{40}"),  # Linear
    ("pscale_tkn_ pscale_pw_ pscale_oauth_", rb"[A-Za-z0-9_.=-]{32,64}+"),  # PlanetScale
    ("glsa_", rb"[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),  # Grafana
    ("glc_", rb"[A-Za-z0-9+/]{32,400}+={0,2}+"),
    ("sbp_", rb"[a-f0-9]{40}"),  # Supabase
    ("sb_secret_", rb"[A-Za-z0-9_-]{24,64}+"),
    ("nfp_", rb"[A-Za-z0-9]{36,64}+"),  # Netlify
    ("figd_", rb"[A-Za-z0-9_-]{36,64}+"),  # Figma
    ("rubygems_", rb"[a-f0-9]{48}"),
    ("sntrys_ sntryu_", rb"[A-Za-z0-9+/=_-]{40,400}+"),  # Sentry
    ("gsk_", rb"[A-Za-z0-9]{40,64}+"),  # Groq
    ("r8_", rb"[A-Za-z0-9]{37}"),  # Replicate
    ("bkua_", rb"[a-z0-9]{40}"),  # Buildkite
    ("tgp_v1_", rb"[A-Za-z0-9_-]{40,64}+"),  # Together
    ("ops_eyJ", rb"[A-Za-z0-9+/]{100,4096}+={0,2}+"),  # 1Password
    ("ntn_", rb"[A-Za-z0-9]{40,64}+"),  # Notion
    ("CCIPAT_", rb"[A-Za-z0-9]{20,30}_[A-Fa-f0-9]{40}"),  # CircleCI
    ("tskey_", rb"[A-Za-z0-9]{24,64}+"),
    ("phx_", rb"[A-Za-z0-9]{40,64}+"),  # PostHog
    ("re_", rb"[A-Za-z0-9]{24,40}+"),  # Resend
    ("secret_", rb"[A-Za-z0-9]{43}"),  # Notion
    ("EAACEdEose0cBA", rb"[A-Za-z0-9]{20,255}+"),  # Facebook
    ("PMAK-", rb"[a-f0-9]{24}-[a-f0-9]{34}"),  # Postman
    ("NRAK-", rb"[A-Z0-9]{27}"),  # New Relic
    ("NRJS-", rb"[a-f0-9]{19}"),
    ("pul-", rb"[a-f0-9]{40}"),  # Pulumi
    ("sq0csp- sq0atp- sq0idp-", rb"[A-Za-z0-9_-]{22,43}+"),  # Square
    ("key-", rb"[a-f0-9]{32}"),  # Mailgun
    ("xai-", rb"[A-Za-z0-9_-]{60,100}+"),
    ("pplx-", rb"[A-Za-z0-9]{40,64}+"),  # Perplexity
    ("csk-", rb"[A-Za-z0-9]{40,64}+"),  # Cerebras
    ("tskey-", rb"[a-z]{2,10}+-[A-Za-z0-9]{8,20}+-[A-Za-z0-9]{20,40}+"),  # Tailscale
    ("xkeysib-", rb"[a-f0-9]{64}-[A-Za-z0-9]{16}"),  # Brevo
    ("HRKU-", rb"[A-Za-z0-9_-]{30,70}+"),  # Heroku
    ("ATATT3", rb"[A-Za-z0-9_=-]{100,255}+"),  # Atlassian
    ("ATBB", rb"[A-Za-z0-9]{28,40}+"),  # Bitbucket
    ("dapi", rb"[a-f0-9]{32}(?:-[0-9])?+"),  # Databricks
    ("LTAI", rb"[A-Za-z0-9]{17,21}+"),  # Alibaba
)
SERVICE_PREFIXES: Final = tuple(
    prefix.encode() for prefixes, _ in _TOKENS for prefix in prefixes.split()
)
SERVICES: Final = b"|".join(
    b"(?:%b)%b" % (prefixes.replace(" ", "|").encode(), rest) for prefixes, rest in _TOKENS
)
SERVICE_ANCHORS: Final = (
    # Few names in a program are so long without another underscore; a token is.
    rb"_(?=[A-Za-z0-9]{20})(?:"
    rb"(?<=shpat_)|(?<=shpca_)|(?<=shppa_)|(?<=shpss_)|(?<=kr_[po]at_)|(?<=n_api_)|(?<=e_tkn_)|(?<=le_pw_)"
    rb"|(?<=oauth_)|(?<=glsa_)|(?<=glc_)|(?<=sbp_)|(?<=nfp_)|(?<=figd_)|(?<=rubygems_)|(?<=ntry[su]_)|(?<=gsk_)"
    rb"|(?<=r8_)|(?<=bkua_)|(?<=p_v1_)|(?<=ops_)|(?<=ntn_)|(?<=IPAT_)|(?<=tskey_)|(?<=phx_)"
    rb"|(?<![A-Za-z0-9_]re_)(?<=re_)|(?<=secret_))"
    rb"|-(?:(?<=PMAK-)|(?<=NRAK-)|(?<=NRJS-)|(?<=pul-)|(?<=sq0[cai][std]p-)|(?<=key-)|(?<=xai-)|(?<=pplx-)|(?<=csk-)"
    rb"|(?<=eysib-)|(?<=HRKU-))[A-Za-z0-9_-]{16}"
    rb"|T(?<=ATAT)T3|B(?:(?<=ATB)B[A-Za-z0-9]{28}|(?<=Eose0cB)A[A-Za-z0-9]{20})"
    rb"|I(?<=LTAI)[A-Za-z0-9]{17}"
)


class Pattern(msgspec.Struct, frozen=True):
    """One kind of secret."""

    kind: str  # its name in the placeholder
    source: bytes  # the regular expression
    # A regex that begins with a literal character; b"": none, the pattern is always tried.
    anchor: bytes = b""
    # Checks a match of the expression, given the text and the match.
    judge: Callable[[bytes, re.Match[bytes]], bool] | None = None
    # Finds the places of such secrets in a text, in place of the expression.
    places: Callable[[bytes], list[tuple[int, int]]] | None = None

    @property
    def regex(self) -> re.Pattern[bytes]:
        """The compiled expression: compiled at its first use, which is rare, and cached by `re`."""
        return re.compile(self.source)


# A token begins at the start of a word, or after an escape or a terminal colour; the letter of an escape is not part
# of it.
_LEFT: Final = (
    rb"(?:(?<![A-Za-z0-9_\\-])|(?<=\\)(?![bfnrtu])|(?<=\\[nrt])|(?<=\\u00[0-9a-f]{2})"
    rb"|(?<=\[[mK])|(?<=\[[0-9]m)|(?<=[\[;][0-9]{2}m))"
)
# Blanks within a line; no header has more.
_BLANKS: Final = rb"[ \t]{0,16}+"
_QUOTE: Final = rb"(?:\\{0,8}+[\"'])?+"
# Between a name and its value, in JSON, in JSON within it, in YAML and in a shell. `NAME= word` is no
# assignment of the word: a shell runs it.
_IS: Final = (
    _QUOTE + rb"(?:" + _BLANKS + rb":" + _BLANKS + rb"|=|[ \t]{1,16}+=" + _BLANKS + rb")" + _QUOTE
)
# The characters of an unquoted value, without those that a shell interprets.
_VALUE: Final = rb"[A-Za-z0-9._~%!+,=^*@:/?-]"
# Between the words of a file of logins: blanks and line ends, as they are or escaped.
_GAP: Final = rb"(?:[ \t\r\n]|\\{1,8}+[nrt]){1,40}+"
# The ends of secret names before an equals sign, and of names that have a rare letter.
_NAMED: Final = (
    rb"(?:(?<=[Oo][Rr][Dd]=|[Ss][Ww][Dd]=|[Pp][Ww][Dd]=|[Kk][Ee][Nn]=|[Rr][Ee][Tt]=|[Aa][Ss][Ss]=|PAT=)"
    rb"|(?<=ASE=)|(?<=[IiSsTtEeGg]_[Kk][Ee][Yy]=)|(?<=[IiSsTtEeGg][Kk][Ee][Yy]=))"
)
_NAME_ENDS: Final = (
    rb"w(?<=ssw)(?:or)?+d",
    rb"W(?<=SSW)(?:OR)?+D",
    rb"_[Kk](?<=[AaEeSs][PpCcSsTt][IiSsEe]_.|[Rr][Ee][Tt]_.)(?:ey|EY)",
    rb"K(?<=[ai][pt][ie]K|retK|essK)ey",
    rb"-[Kk](?<=[Aa][Pp][Ii]-.)(?:ey|EY)",
    rb"-[Tt](?<=[Tt][EeHh]-.)(?:oken|OKEN)",
)


PATTERNS: Final[tuple[Pattern, ...]] = (
    # Both the first and the last line name it, so half a block is found as well.
    Pattern("private-key", b"", rb"V(?<=PRIV)ATE KEY", places=private_keys),
    Pattern(
        "jwt",
        _LEFT + rb"eyJ[A-Za-z0-9_-]{10,8192}+(?:\.[A-Za-z0-9_-]{10,8192}+){2,4}+",
        rb"J(?<=eyJ)[A-Za-z0-9_-]{10}",
    ),
    Pattern(
        "aws-access-key-id",
        _LEFT + rb"A(?:KIA|SIA|BIA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        rb"I(?<=A[KSB]I)A[A-Z0-9]{16}",
    ),
    Pattern(
        "aws-secret-key",
        rb"(?i:secret_?access_?key|session_?token)" + _IS + rb"(?P<secret>[A-Za-z0-9/+=]{40,}+)",
        rb"_[Kk](?:(?<=ccess_.)ey|(?<=CCESS_.)EY)|_[Tt](?:(?<=ession_.)oken|(?<=ESSION_.)OKEN)"
        rb"|K(?<=ccessK)ey|T(?<=essionT)oken",
    ),
    Pattern(
        "github-token",
        _LEFT + rb"(?:gh[pousr]_[A-Za-z0-9]{30,255}+|github_pat_[A-Za-z0-9_]{30,255}+)",
        rb"_(?<=gh[pousr]_|pat_)[A-Za-z0-9]{10}",
    ),
    Pattern(
        "gitlab-token",
        _LEFT + rb"gl(?:pat|dt|rt|ptt|cbt|soat|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,255}+",
        rb"-(?<=[a-z][ts]-)[A-Za-z0-9_.-]{20}",
    ),
    Pattern(
        "slack-token",
        _LEFT + rb"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{20,255}+",
        rb"-(?<=xox[a-z]-|xapp-)[A-Za-z0-9-]{10}",
    ),
    Pattern(
        "slack-webhook",
        rb"hooks\.slack\.com/(?:services|workflows)/"
        rb"(?P<secret>[A-Za-z0-9]{1,64}+/[A-Za-z0-9]{1,64}+/[A-Za-z0-9]{16,255}+)",
        rb"B(?<=/B)[A-Z0-9]{3,64}+/",
    ),
    Pattern(
        "api-key",  # OpenAI, Anthropic, OpenRouter, DeepSeek and others
        _LEFT + rb"sk-(?=[A-Za-z_-]{0,255}+[0-9])[A-Za-z0-9_-]{20,255}+",
        rb"-(?<=sk-)(?:(?<![A-Za-z]sk-)|(?<=[nrtmK]sk-))[A-Za-z0-9_-]{20}",
    ),
    Pattern(
        "google-key",
        _LEFT
        + rb"(?:AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{20,255}+|ya29\.[A-Za-z0-9_-]{20,2048}+)",
        rb"z(?<=AIz)a|X(?<=GOCSPX)-|9(?<=ya29)\.",
    ),
    Pattern(
        "stripe-key",
        _LEFT + rb"(?:(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,255}+|whsec_[A-Za-z0-9+/=]{24,255}+)",
        rb"_(?:(?<=k_live_|k_test_)|(?<=whsec_))[A-Za-z0-9+/]{16}",
    ),
    Pattern(
        "npm-token",
        _LEFT + rb"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
        rb"_(?<=npm_)[A-Za-z0-9]{36}",
    ),
    Pattern("pypi-token", _LEFT + rb"pypi-AgEI[A-Za-z0-9_-]{50,}+", rb"-(?<=pypi-)AgEI"),
    Pattern(
        "hugging-face-token", _LEFT + rb"hf_[A-Za-z0-9]{30,255}+", rb"_(?<=hf_)[A-Za-z0-9]{30}"
    ),
    Pattern(
        "sendgrid-key",
        _LEFT + rb"SG\.[A-Za-z0-9_-]{16,32}+\.[A-Za-z0-9_-]{32,64}+",
        rb"G(?<=SG)\.[A-Za-z0-9_-]{16}",
    ),
    Pattern(
        "discord-token",  # it begins with the account's number in base64
        _LEFT + rb"[MNO][DTjz][A-Za-z0-9_-]{20,28}+\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}+",
        b"|".join(
            rb"%c[DTjz][AEIMQUYcgk][w-z0-5][A-Za-z0-9_-]{18,24}+\." % letter for letter in b"MNO"
        ),
    ),
    Pattern(
        "webhook",
        rb"(?:discord(?:app)?\.com/api/webhooks/[0-9]{15,22}+/(?P<secret>[A-Za-z0-9_-]{40,100}+))",
        rb"/[0-9]{15}(?<=hooks/.{15})",
    ),
    Pattern(
        "digitalocean-token",
        _LEFT + rb"do[opr]_v1_[a-f0-9]{64}(?![A-Za-z0-9])",
        rb"_(?<=_v1_)[a-f0-9]{64}",
    ),
    Pattern(
        "vault-token",
        _LEFT + rb"hv[sbr]\.[A-Za-z0-9_-]{20,400}+",
        rb"v(?<=hv)[sbr]\.[A-Za-z0-9_-]{20}",
    ),
    Pattern(
        "age-key",
        _LEFT + rb"AGE-SECRET-KEY-(?:PQ-)?+1[A-Z0-9]{50,4096}+",
        rb"K(?<=AGE-SECRET-K)EY-",
    ),
    Pattern(
        "azure-key",
        rb"(?i:AccountKey|SharedAccessKey|SharedSecret(?:Value)?|AccessKey)=(?P<secret>[A-Za-z0-9+/]{40,100}+={0,2}+)"
        rb"|[0-9]Q~(?P<other>[A-Za-z0-9_~.-]{31,34}+)",
        rb"=(?<=[KkRr][EeAa][YyTt]=|[CcLl][RrUu][Ee]=|[Rr][Ee][Tt]=)[A-Za-z0-9+/]{40}|~(?<=[0-9]Q~)",
    ),
    Pattern(
        "service-token",
        _LEFT + rb"(?:" + SERVICES + rb")(?![A-Za-z0-9])",
        SERVICE_ANCHORS,
    ),
    Pattern(
        "terraform-token",
        rb"\.atlasv1\.(?<=[A-Za-z0-9]{14}.{9})(?P<secret>[A-Za-z0-9_-]{60,100}+)",
        rb"v(?<=atlasv)1\.",
    ),
    Pattern(
        "telegram-token",
        _LEFT + rb"[0-9]{8,10}+:(?P<secret>AA[A-Za-z0-9_-]{32,34}+)(?![A-Za-z0-9_-])",
        rb"AA(?<=[0-9]:AA)[A-Za-z0-9_-]{32}",
    ),
    Pattern(
        "authorization",
        rb"(?i:authorization)"
        + _IS
        + rb"(?i:bearer|basic|token|apikey|digest|negotiate)[ \t]{1,16}+"
        rb"(?P<secret>[A-Za-z0-9._~+/-]{8,8192}+={0,3}+)",
        rb"z(?<=uthoriz)ation|Z(?<=UTHORIZ)ATION",
    ),
    Pattern(
        "bearer-token",
        _LEFT
        + rb"Bearer[ ]{1,16}+(?=[A-Za-z._~+/-]{0,4096}+[0-9])(?P<secret>[A-Za-z0-9._~+/-]{16,8192}+={0,3}+)",
        rb"B(?<=B)earer ",
    ),
    Pattern(
        "url-password",
        # Neither templates nor placeholders.
        rb":(?<=[A-Za-z0-9+.-]{2}:)(?:\\{0,8}+/){2}(?:(?:[A-Za-z0-9._~%!*+,=-]{0,200}+:)(?P<secret>(?!\*)[A-Za-z0-9._~%!*+,=^-]{3,400}+)"
        rb"|(?P<other>[A-Za-z0-9_-]{20,400}+))(?=@)",
        rb"@(?<=[A-Za-z0-9._~%!+,=*^-]@)[A-Za-z0-9\[]",
    ),
    Pattern(
        "url-token",
        rb"[?&](?i:access_?token|token|auth_?token|id_?token|refresh_?token|private_?token|job_?token"
        rb"|oauth_?token|api_?key|apikey|key|auth|secret|client_?secret|password|passwd|pwd|sig|signature"
        rb"|x-amz-signature|x-amz-security-token|x-goog-signature|session_?token)="
        rb"(?P<secret>[A-Za-z0-9._~%+/=:@,*!-]{8,2048}+)",
        rb"=(?<=[Ee][Nn]=|[Ee][Yy]=|[Tt][Hh]=|[Ee][Tt]=|[Rr][Dd]=|[Ww][Dd]=|[Ii][Gg]=|[Rr][Ee]=)[A-Za-z0-9._~%+/-]{8}",
        judge=is_assigned_secret,
    ),
    Pattern(
        "password",
        rb"(?:="
        + _NAMED
        + _QUOTE
        + rb"|w(?<=--passw)ord[ \t]{1,4}+"
        + _QUOTE
        + rb"|(?:"
        + b"|".join(_NAME_ENDS)
        + rb")"
        + _IS
        + rb")"
        rb"(?P<secret>" + _VALUE + rb"{8,512}+)(?![(\[{])",
        b"|".join([rb"=" + _NAMED + rb"[^ ]{8}", *[end + rb"[\"'\\ \t:=]" for end in _NAME_ENDS]]),
        judge=is_assigned_secret,
    ),
    Pattern(
        "basic-auth",
        rb"-(?<=[ \t]-)(?:u|-user)[ \t=]{1,4}+"
        + _QUOTE
        + rb"[A-Za-z0-9._@%+-]{1,64}+:(?P<secret>"
        + _VALUE
        + rb"{6,256}+)",
        rb"-[u-](?<=[ \t]-.)(?:|user)[ \t=][^ :]{1,70}+:",
        judge=is_mixed,
    ),
    Pattern(
        "netrc-password",
        rb"machine"
        + _GAP
        + rb"[A-Za-z0-9._:-]{1,255}+(?:"
        + _GAP
        + rb"(?:login|account)"
        + _GAP
        + rb"[A-Za-z0-9._@%+-]{1,255}+){0,2}+"
        + _GAP
        + rb"password[ \t]{1,16}+(?P<secret>"
        + _VALUE
        + rb"{3,512}+)",
        rb"w(?<=passw)ord[ \t]",
    ),
)
