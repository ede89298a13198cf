"""Tokens with a known prefix, for many services, one line each.

Sources: the services' own descriptions of their tokens, and the public rule sets of secret scanners.
"""

from __future__ import annotations

from typing import Final

# These prefixes are followed by an underscore and at least 24 letters and digits.
_UNDERSCORED: Final = (
    rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",  # Shopify
    rb"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,60}+",  # Docker
    rb"lin_api_[A-Za-z0-9]{40}",  # Linear
    rb"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}+",  # PlanetScale
    rb"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}",  # Grafana
    rb"glc_[A-Za-z0-9+/]{32,400}+={0,2}+",
    rb"sbp_[a-f0-9]{40}",  # Supabase
    rb"sb_secret_[A-Za-z0-9_-]{24,64}+",
    rb"nfp_[A-Za-z0-9]{36,64}+",  # Netlify
    rb"figd_[A-Za-z0-9_-]{36,64}+",  # Figma
    rb"rubygems_[a-f0-9]{48}",
    rb"sntry[su]_[A-Za-z0-9+/=_-]{40,400}+",  # Sentry
    rb"gsk_[A-Za-z0-9]{40,64}+",  # Groq
    rb"r8_[A-Za-z0-9]{37}",  # Replicate
    rb"bkua_[a-z0-9]{40}",  # Buildkite
    rb"tgp_v1_[A-Za-z0-9_-]{40,64}+",  # Together
    rb"ops_eyJ[A-Za-z0-9+/]{100,4096}+={0,2}+",  # 1Password
    rb"ntn_[A-Za-z0-9]{40,64}+",  # Notion
    rb"CCIPAT_[A-Za-z0-9]{20,30}_[A-Fa-f0-9]{40}",  # CircleCI
    rb"tskey_[A-Za-z0-9]{24,64}+",
    rb"phx_[A-Za-z0-9]{40,64}+",  # PostHog
    rb"re_[A-Za-z0-9]{24,40}+",  # Resend
    rb"secret_[A-Za-z0-9]{43}",  # Notion
    rb"EAACEdEose0cBA[A-Za-z0-9]{20,255}+",  # Facebook
)
_OTHERS: Final = (
    rb"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",  # Postman
    rb"NRAK-[A-Z0-9]{27}",  # New Relic
    rb"NRJS-[a-f0-9]{19}",
    rb"pul-[a-f0-9]{40}",  # Pulumi
    rb"sq0(?:csp|atp|idp)-[A-Za-z0-9_-]{22,43}+",  # Square
    rb"key-[a-f0-9]{32}",  # Mailgun
    rb"xai-[A-Za-z0-9_-]{60,100}+",
    rb"pplx-[A-Za-z0-9]{40,64}+",  # Perplexity
    rb"csk-[A-Za-z0-9]{40,64}+",  # Cerebras
    rb"tskey-[a-z]{2,10}+-[A-Za-z0-9]{8,20}+-[A-Za-z0-9]{20,40}+",  # Tailscale
    rb"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",  # Brevo
    rb"HRKU-[A-Za-z0-9_-]{30,70}+",  # Heroku
    rb"ATATT3[A-Za-z0-9_=-]{100,255}+",  # Atlassian
    rb"ATBB[A-Za-z0-9]{28,40}+",  # Bitbucket
    rb"dapi[a-f0-9]{32}(?:-[0-9])?+",  # Databricks
    rb"LTAI[A-Za-z0-9]{17,21}+",  # Alibaba
)
SERVICES: Final = b"|".join((*_UNDERSCORED, *_OTHERS))
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
