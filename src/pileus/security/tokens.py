"""Temporary credentials: self-contained session tokens, sealed under the cloud's own key.

A token holds the whole principal and the secret of its access key, so any worker can open it and none looks anything
up; nobody outside can read or change it.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from pileus.aws.identifiers import secret_access_key, unique_id
from pileus.security.keyring import Sealer
from pileus.security.principals import Principal

_PURPOSE = b"session-token"


class _Sealed(msgspec.Struct, array_like=True):
    secret: str
    principal: Principal


class Credentials(NamedTuple):
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: float

    @property
    def shape(self) -> dict[str, object]:
        """As STS's model names them."""
        return {
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
            "SessionToken": self.session_token,
            "Expiration": datetime.fromtimestamp(int(self.expires), UTC),
        }


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Sealed).decode


def issue(sealer: Sealer, principal: Principal) -> Credentials:
    """New credentials for `principal`, whose session says when they expire."""
    if principal.session is None:
        raise ValueError("temporary credentials need a session")
    key_id = unique_id("ASIA")[:20]
    secret = secret_access_key()
    own = msgspec.structs.replace(principal, access_key_id=key_id)
    sealed = sealer.seal(_encode(_Sealed(secret, own)), _PURPOSE)
    return Credentials(key_id, secret, base64.b64encode(sealed).decode(), principal.session.expires)


class Opener:
    """Opens session tokens; the last ones are remembered, since a client sends the same one many times."""

    _LIMIT = 4096

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._opened: dict[str, tuple[str, Principal]] = {}

    def open(self, token: str) -> tuple[str, Principal]:
        """(secret, principal). Expiry is the caller's to check. Raises ValueError for a token not of this cloud."""
        found = self._opened.get(token)
        if found is None:
            try:
                raw = base64.b64decode(token, validate=True)
            except (binascii.Error, ValueError) as error:
                raise ValueError("not base64") from error
            if base64.b64encode(raw).decode() != token:
                raise ValueError("not as it was issued")
            opened = _decode(self._sealer.open(raw, _PURPOSE))
            found = (opened.secret, opened.principal)
            if len(self._opened) >= self._LIMIT:
                self._opened.clear()
            self._opened[token] = found
        return found
