"""Tokens with a known prefix, for many services, one line each.

Sources: the services' own descriptions of their tokens, and the public rule sets of secret scanners.
"""

from __future__ import annotations

from typing import Final

# The beginnings of tokens, and the rest of them.
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
