"""The documents with which anybody can verify this cloud's tokens (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from typing import Any

from pileus.security.openid import ALGORITHM, ISSUER, signer
from pileus.services.context import Cloud


def configuration(address: str) -> dict[str, Any]:
    """`address` is where this cloud answers: the issuer's own name belongs to AWS."""
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{address}/.well-known/jwks_uri",
        "authorization_endpoint": ISSUER,
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


def keys(cloud: Cloud) -> dict[str, Any]:
    return cloud.part(signer).jwks()
