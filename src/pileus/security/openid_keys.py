"""The public keys of other people's OpenID providers: discovered, fetched, kept for a while, fetched anew when a token
names a key that is not among them (providers rotate).

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import jwt

from pileus.aws.clock import Clock
from pileus.security.openid import InvalidTokenError, unverified, verify

if TYPE_CHECKING:
    from pileus.services.context import Cloud

KEPT_SECONDS = 3600.0
AGAIN_SECONDS = 10.0
"""How soon an unknown key id may cause another fetch: tokens with invented ones must not."""
_TIMEOUT_SECONDS = 5.0
_WHOLE_SECONDS = 10.0
_SIZE_LIMIT = 1 << 18
_PROVIDERS = 1000
_SMALLEST_RSA_BITS = 2048
_LOOPBACK = re.compile(r"^(localhost|127\.0\.0\.1)(:\d+)?(/|$)")


class UnreachableProviderError(Exception):
    pass


def provider_keys(cloud: Cloud) -> ProviderKeys:
    """For `cloud.part`: one memory of keys for all services."""
    return ProviderKeys(cloud.clock)


async def verify_external(keys: ProviderKeys, provider: str, token: str, now: float) -> dict[str, Any]:
    """The claims of a token that `provider` (its name in IAM) issued. For whom, is the caller's to check.

    Raises InvalidTokenError, ExpiredTokenError, UnreachableProviderError.
    """
    header, claims = unverified(token)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer.rstrip("/") not in (issuer_url(provider), provider):
        raise InvalidTokenError(f"No OpenIDConnect provider found in your account for {issuer}")
    key_id = header.get("kid")
    key = await keys.find(provider, key_id if isinstance(key_id, str) else "")
    return verify(token, lambda _: key, issuer=issuer, now=now)


# Threads of their own: a provider that never answers must not hold up whoever else uses the loop's.
_FETCHERS = ThreadPoolExecutor(4, thread_name_prefix="openid")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **keywords: Any) -> None:
        """A redirect could point anywhere, so it is an error like any other status."""


_OPENER = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler())


def issuer_url(provider: str) -> str:
    """The URL of a provider by its name in IAM, which has no scheme. Plain HTTP is for this machine only."""
    return f"{'http' if _LOOPBACK.match(provider) else 'https'}://{provider}"


class ProviderKeys:
    """The keys of all providers, by provider name and key id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fetched: dict[str, tuple[float, dict[str, Any]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def find(self, provider: str, key_id: str) -> Any:
        """The key, None where the provider has none with this id. Raises UnreachableProviderError."""
        known = self._fetched.get(provider)
        if known and self._fresh(known[0], key_id in known[1]):
            return known[1].get(key_id)
        if len(self._locks) > _PROVIDERS:
            self._locks.clear()
            self._fetched.clear()
        async with self._locks.setdefault(provider, asyncio.Lock()):
            known = self._fetched.get(provider)
            if not known or not self._fresh(known[0], key_id in known[1]):
                keys = await asyncio.get_running_loop().run_in_executor(_FETCHERS, _fetch_keys, provider)
                known = self._fetched[provider] = (self._clock.time(), keys)
        return known[1].get(key_id)

    def _fresh(self, fetched: float, has_key: bool) -> bool:
        return self._clock.time() - fetched < (KEPT_SECONDS if has_key else AGAIN_SECONDS)


def _fetch_keys(provider: str) -> dict[str, Any]:
    url = issuer_url(provider)
    discovery = _fetch(f"{url}/.well-known/openid-configuration")
    if str(discovery.get("issuer", "")).rstrip("/") != url:
        raise UnreachableProviderError(f"the discovery document of {url} names another issuer")
    location = discovery.get("jwks_uri")
    plain = url.startswith("http:")
    if not isinstance(location, str) or not location.startswith(("https://", f"{url}/") if plain else ("https://",)):
        raise UnreachableProviderError(f"the discovery document of {url} has no usable jwks_uri")
    keys: dict[str, Any] = {}
    listed = _fetch(location).get("keys")
    for entry in listed if isinstance(listed, list) else ():
        try:
            if entry.get("use", "sig") == "sig" and entry.get("kty") in ("RSA", "EC") and isinstance(entry["kid"], str):
                key = jwt.PyJWK(entry).key
                if entry["kty"] == "EC" or key.key_size >= _SMALLEST_RSA_BITS:
                    keys[entry["kid"]] = key
        except (jwt.PyJWTError, KeyError, AttributeError, ValueError, TypeError):
            continue
    return keys


def _read(answer: HTTPResponse) -> bytes:
    """Raises ValueError for what is too long or comes too slowly."""
    body = bytearray()
    ends = time.monotonic() + _WHOLE_SECONDS
    while piece := answer.read1(_SIZE_LIMIT):
        body += piece
        if len(body) > _SIZE_LIMIT or time.monotonic() > ends:
            raise ValueError("too long")
    return bytes(body)


def _fetch(url: str) -> dict[str, Any]:
    try:
        with _OPENER.open(url, timeout=_TIMEOUT_SECONDS) as answer:  # the scheme was checked above
            found = json.loads(_read(answer))
    except (OSError, ValueError, RecursionError, urllib.error.URLError) as error:
        raise UnreachableProviderError(str(error)) from error
    if not isinstance(found, dict):
        raise UnreachableProviderError(f"{url} did not answer with a JSON object")
    return found
