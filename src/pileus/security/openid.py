"""OpenID tokens: those that this cloud signs for Cognito identities, and the checking of anybody's.

JSON Web Tokens after RFC 7519 and RFC 8725 (best practices): the algorithm is the verifier's choice, never the
token's; key, issuer, audience and lifetime are all checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from pileus.security.keyring import Keyring, SigningKey

if TYPE_CHECKING:
    from pileus.services.context import Cloud

ISSUER = "https://cognito-identity.amazonaws.com"
PROVIDER = "cognito-identity.amazonaws.com"
TAGS_CLAIM = "https://aws.amazon.com/tags"
ALGORITHM = "RS256"
ASYMMETRIC = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_TOKEN_LIMIT = 20_000


class InvalidTokenError(ValueError):
    """Not a token that may be trusted; the message says why and may be told to the caller."""


class ExpiredTokenError(InvalidTokenError):
    pass


class Signer:
    """The cloud's signing keys, loaded once each (loading checks an RSA key, which takes a while)."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._private: dict[str, RSAPrivateKey] = {}

    def _load(self, key: SigningKey) -> RSAPrivateKey:
        loaded = self._private.get(key.id)
        if loaded is None:
            loaded = self._private[key.id] = key.key
        return loaded

    async def sign(self, claims: Mapping[str, Any], now: float) -> str:
        key = await self._keyring.signing_key(now)
        return jwt.encode(dict(claims), self._load(key), algorithm=ALGORITHM, headers={"kid": key.id})

    def public_key(self, key_id: str) -> RSAPublicKey | None:
        if key_id not in self._private:
            for key in self._keyring.signing_keys():
                self._load(key)
        private = self._private.get(key_id)
        return private.public_key() if private else None

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        keys = []
        for key in self._keyring.signing_keys():
            public = RSAAlgorithm.to_jwk(self._load(key).public_key(), as_dict=True)
            keys.append(
                {
                    "kid": key.id,
                    "alg": ALGORITHM,
                    "use": "sig",
                    "kty": public["kty"],
                    "n": public["n"],
                    "e": public["e"],
                }
            )
        return {"keys": keys}


def signer(cloud: Cloud) -> Signer:
    """For `cloud.part`: one for all services."""
    return Signer(cloud.keyring)


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims before anything is believed: only to find who would have signed. Raises InvalidTokenError."""
    if len(token) > _TOKEN_LIMIT:
        raise InvalidTokenError("The token is too long.")
    try:
        decoded = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidTokenError("The ID Token provided is not a valid JWT.") from error
    return decoded["header"], decoded["payload"]


def verify(
    token: str,
    find_key: Callable[[str], Any],
    *,
    issuer: str,
    now: float,
    algorithms: tuple[str, ...] = ASYMMETRIC,
) -> dict[str, Any]:
    """The claims of a token that the key named by its `kid` signed, of this issuer, in force at `now`.

    `find_key` answers the public key of a key id, None for none. Raises InvalidTokenError, ExpiredTokenError. Who the
    token is for is the caller's to check.
    """
    header, _ = unverified(token)
    key_id = header.get("kid")
    if header.get("alg") not in algorithms:
        raise InvalidTokenError("The token is not signed with a supported algorithm.")
    key = find_key(key_id) if isinstance(key_id, str) else None
    if key is None:
        raise InvalidTokenError("No key of the identity provider matches the token's.")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            # Lifetimes are checked below, against the clock that everything else here uses.
            options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidTokenError("The token's signature is not valid.") from error
    if claims.get("iss") != issuer:
        raise InvalidTokenError("The token is not from this issuer.")
    _check_lifetime(claims, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise InvalidTokenError("Missing a required claim: sub")
    return claims


def _check_lifetime(claims: dict[str, Any], now: float) -> None:
    for name in ("exp", "iat"):
        if not isinstance(claims.get(name), int | float) or isinstance(claims.get(name), bool):
            raise InvalidTokenError(f"Missing a required claim: {name}")
    if now >= claims["exp"]:
        raise ExpiredTokenError(
            f"Token expired: current date/time {int(now)} must be before the expiration date/time{int(claims['exp'])}"
        )
    not_before = claims.get("nbf", 0)
    if not isinstance(not_before, int | float) or not_before > now + 300 or claims["iat"] > now + 300:
        raise InvalidTokenError("The token is not valid yet.")


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """For whom a token is: `aud` is a string or a list of strings (RFC 7519, section 4.1.3)."""
    found = claims.get("aud")
    listed = found if isinstance(found, list) else [found]
    return tuple(one for one in listed if isinstance(one, str) and one)


def principal_tags(claims: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Session tags that a token carries, and which of them are transitive
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html). Raises InvalidTokenError."""
    carried = claims.get(TAGS_CLAIM)
    if carried is None:
        return {}, ()
    try:
        tags = {
            str(key): str(value[0] if isinstance(value, list) else value)
            for key, value in carried["principal_tags"].items()
        }
        transitive = tuple(str(key) for key in carried.get("transitive_tag_keys", ()))
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise InvalidTokenError("The token's session tags are malformed.") from error
    return tags, transitive
