"""The cloud's own keys: what seals session tokens and paging secrets, and what signs OpenID tokens.

They lie in the store, so that every worker has the same ones. Sealing keys rotate: the newest seals, older ones still
open what they sealed until they are dropped, so a rotation logs nobody out. What is kept for good is sealed by keys of
its own, which rotate too and are never dropped.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from functools import cached_property
from itertools import pairwise
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pileus.store.interface import Reader, Store, Transaction
from pileus.store.records import Records

_LONGEST_SESSION_SECONDS = 36 * 3600
"""Of GetSessionToken and GetFederationToken."""
_LONGEST_TOKEN_SECONDS = 24 * 3600
"""Of GetOpenIdTokenForDeveloperIdentity."""
_NONCE_BYTES = 12
_KEY_ID_BYTES = 4


class SealingKey(msgspec.Struct):
    id: bytes
    secret: bytes
    created: float


class SigningKey(msgspec.Struct):
    """An RSA key (PKCS #8, DER) that signs OpenID tokens with RS256; `id` is the `kid` in their headers."""

    id: str
    private: bytes
    created: float

    @property
    def key(self) -> RSAPrivateKey:
        loaded = serialization.load_der_private_key(self.private, None)
        assert isinstance(loaded, RSAPrivateKey)  # noqa: S101 - what new_signing_key wrote
        return loaded


_SEALING = Records(SealingKey, "security", "sealing-key")
_KEEPING = Records(SealingKey, "security", "keeping-key")
_SIGNING = Records(SigningKey, "security", "signing-key")


class Sealer:
    """Authenticated encryption with AES-256-GCM (NIST SP 800-38D) under the cloud's own keys."""

    def __init__(self, reader: Reader, records: Records[SealingKey] = _SEALING) -> None:
        self._reader = reader
        self._records = records
        self._keys: dict[bytes, AESGCM] = {}
        self._newest = b""
        self._load()

    def _load(self) -> None:
        found = sorted((key for _, key in self._records.scan(self._reader)), key=lambda key: key.created)
        self._keys = {key.id: AESGCM(key.secret) for key in found}
        self._newest = found[-1].id if found else b""

    def seal(self, data: bytes, purpose: bytes) -> bytes:
        """`purpose` is bound to the result: what was sealed for one cannot be opened for another."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._newest + nonce + self._keys[self._newest].encrypt(nonce, data, purpose)

    def open(self, sealed: bytes, purpose: bytes) -> bytes:
        """Raises ValueError for what no key of this cloud sealed for this purpose."""
        key_id = sealed[:_KEY_ID_BYTES]
        if key_id not in self._keys:
            self._load()  # another worker may have rotated
        key = self._keys.get(key_id)
        if key is None:
            raise ValueError("sealed by no key of this cloud")
        nonce, text = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES], sealed[_KEY_ID_BYTES + _NONCE_BYTES :]
        try:
            return key.decrypt(nonce, text, purpose)
        except (InvalidTag, ValueError) as error:
            raise ValueError("the seal is broken") from error


class Keyring:
    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def sealer(self) -> Sealer:
        """For what expires."""
        return Sealer(self._store)

    @cached_property
    def keeper(self) -> Sealer:
        """For what is kept: the keys of encrypted objects, secret parameters."""
        return Sealer(self._store, _KEEPING)

    async def signing_key(self, now: float) -> SigningKey:
        """The newest one, made at first need (an RSA key takes a moment)."""
        newest = self._newest_signing_key(self._store)
        if newest is not None:
            return newest
        fresh = new_signing_key(now)

        def keep(tx: Transaction) -> SigningKey:
            existing = self._newest_signing_key(tx)
            if existing is not None:
                return existing
            _SIGNING.put(tx, fresh.id, value=fresh)
            return fresh

        return await self._store.transact(keep)

    def _newest_signing_key(self, reader: Reader) -> SigningKey | None:
        found = [key for _, key in _SIGNING.scan(reader)]
        return max(found, key=lambda key: key.created) if found else None

    def signing_keys(self) -> list[SigningKey]:
        """All that a token may still be signed with."""
        return [key for _, key in _SIGNING.scan(self._store)]

    async def rotate(self, now: float) -> None:
        """New sealing and signing keys. Older ones still open and verify, until all that they made has expired."""
        fresh = new_signing_key(now)

        def change(tx: Transaction) -> None:
            put_sealing_key(tx, now)
            put_keeping_key(tx, now)
            _SIGNING.put(tx, fresh.id, value=fresh)
            _drop(tx, _SEALING, now - _LONGEST_SESSION_SECONDS)
            _drop(tx, _SIGNING, now - _LONGEST_TOKEN_SECONDS)

        await self._store.transact(change)
        self.__dict__.pop("sealer", None)
        self.__dict__.pop("keeper", None)


def _drop(tx: Transaction, records: Records[Any], before: float) -> None:
    """Deletes the keys whose successor was made `before` then: they have sealed and signed nothing since."""
    keys = sorted(records.scan(tx), key=lambda pair: pair[1].created)
    for (name, _), (_, successor) in pairwise(keys):
        if successor.created < before:
            records.delete(tx, *name)


def put_sealing_key(tx: Transaction, now: float) -> None:
    _put_key(tx, _SEALING, now)


def put_keeping_key(tx: Transaction, now: float) -> None:
    """The first one finds what is kept already under the keys that seal sessions: they are kept with it."""
    if next(_KEEPING.scan(tx, limit=1), None) is None:
        for name, key in list(_SEALING.scan(tx)):
            _KEEPING.put(tx, *name, value=key)
    _put_key(tx, _KEEPING, now)


def _put_key(tx: Transaction, records: Records[SealingKey], now: float) -> None:
    key = SealingKey(secrets.token_bytes(_KEY_ID_BYTES), secrets.token_bytes(32), now)
    records.put(tx, key.id, value=key)


def has_keeping_key(reader: Reader) -> bool:
    return next(_KEEPING.scan(reader, limit=1), None) is not None


def has_sealing_key(reader: Reader) -> bool:
    return next(_SEALING.scan(reader, limit=1), None) is not None


def new_signing_key(now: float) -> SigningKey:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    return SigningKey(base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:15]).decode(), private, now)
