"""From a signed request to the principal who made it."""

from __future__ import annotations

from typing import NamedTuple

from pileus.aws.clock import Clock
from pileus.aws.http import Request
from pileus.security import signature, signature_v2
from pileus.security.accounts import ACCESS_KEYS, AccessKey
from pileus.security.principals import ANONYMOUS, Principal
from pileus.security.signature import Claim, SignatureError, SigningKey
from pileus.security.tokens import Opener
from pileus.store.interface import Store

# Services of the whole partition answer to us-east-1's scope, wherever the cloud is.
GLOBAL_REGION = "us-east-1"
GLOBAL_SERVICES = frozenset({"iam", "sts", "s3"})
SKEW_SECONDS = 300.0
S3_SKEW_SECONDS = 900.0

_REMEMBERED_KEYS = 4096


class Authenticated(NamedTuple):
    """`signing_key` is what the chunks of a streaming body are signed with."""

    principal: Principal
    claim: Claim
    signing_key: SigningKey


class _Known(NamedTuple):
    """An access key as it was last read: its place in the store, what lay there, and what that means."""

    place: bytes
    stored: bytes | None
    key: AccessKey | None
    principal: Principal


class Authenticator:
    def __init__(self, store: Store, opener: Opener, clock: Clock, region: str) -> None:
        self._store = store
        self._keys: dict[str, _Known] = {}
        self._opener = opener
        self._clock = clock
        self._region = region

    def authenticate(self, request: Request, claim: Claim, service: str, payload_hash: str) -> Authenticated:
        """`service` is the signing name of the service that was dispatched to. Raises SignatureError."""
        now = self._clock.time()
        signature.check_time(claim, now, S3_SKEW_SECONDS if service == "s3" else SKEW_SECONDS)
        self._check_scope(claim, service)
        secret, principal = self._who(claim, now)
        key = signature.verify(request, claim, secret, payload_hash)
        # Only whoever knows the secret learns that the token has run out.
        if principal.session is not None and principal.session.expires <= now:
            raise SignatureError("expired-token")
        return Authenticated(principal, claim, key)

    def authenticate_v2(self, request: Request, bucket: str | None) -> Principal:
        """A request that S3's signature version 2 signs, `bucket` being the host's. Raises SignatureError."""
        now = self._clock.time()
        claim = signature_v2.parse(request, self._region)
        signature_v2.check_time(claim, now)
        secret, principal = self._who(claim, now)
        signature_v2.verify(request, claim, secret, bucket, now)
        if principal.session is not None and principal.session.expires <= now:
            raise SignatureError("expired-token")
        return principal

    def credentials(self, claim: Claim, service: str) -> tuple[str, Principal]:
        """Secret and principal behind a claim whose signature the caller verifies, as over an upload form's policy.
        Raises SignatureError."""
        self._check_scope(claim, service)
        now = self._clock.time()
        secret, principal = self._who(claim, now)
        if principal.session is not None and principal.session.expires <= now:
            raise SignatureError("expired-token")
        return secret, principal

    def _check_scope(self, claim: Claim, service: str) -> None:
        if claim.service != service:
            raise SignatureError("scope", f"Credential should be scoped to correct service: '{service}'. ")
        if claim.region != self._region and not (service in GLOBAL_SERVICES and claim.region == GLOBAL_REGION):
            if service == "s3":
                raise SignatureError(
                    "scope",
                    f"The authorization header is malformed; the region '{claim.region}' is wrong; expecting"
                    f" '{self._region}'",
                    Region=self._region,
                )
            raise SignatureError("scope", f"Credential should be scoped to a valid region, not '{claim.region}'. ")

    def _who(self, claim: Claim, now: float) -> tuple[str, Principal]:
        if claim.token:
            try:
                secret, principal = self._opener.open(claim.token)
            except ValueError:
                raise SignatureError("invalid-token") from None
            if principal.access_key_id != claim.access_key_id:
                raise SignatureError("invalid-token")
            return secret, principal
        known = self._access_key(claim.access_key_id)
        if known.key is None or known.key.status != "Active":
            raise SignatureError("unknown-key")
        return known.key.secret, known.principal

    def _access_key(self, key_id: str) -> _Known:
        known = self._keys.get(key_id)
        place = known.place if known is not None else ACCESS_KEYS.key(key_id)
        stored = self._store.recall(place)
        if known is None or known.stored != stored:
            key = ACCESS_KEYS.decode(stored) if stored is not None else None
            if len(self._keys) >= _REMEMBERED_KEYS:
                self._keys.clear()
            known = self._keys[key_id] = _Known(place, stored, key, ANONYMOUS if key is None else key.principal())
        return known
