"""The documents with which anybody can verify this cloud's tokens (OpenID Connect Discovery 1.0).

They are read at this cloud's own address: the host name of the issuer, which clients expect in the tokens, is AWS's.
"""

from __future__ import annotations

from typing import Any

from pileus.security.openid import ALGORITHM, ISSUER, signer
from pileus.services.admin import public
from pileus.services.context import Cloud


@public("cognito-identity/.well-known/openid-configuration")
def configuration(cloud: Cloud, address: str) -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{address}/_pileus/cognito-identity/.well-known/jwks_uri",
        "authorization_endpoint": ISSUER,
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


@public("cognito-identity/.well-known/jwks_uri")
def keys(cloud: Cloud, address: str) -> dict[str, Any]:
    return cloud.part(signer).jwks()
