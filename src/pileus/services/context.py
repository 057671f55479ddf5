"""What an operation has at hand: the running cloud, and the request that it serves."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pileus.aws.clock import Clock
from pileus.security.principals import Principal

if TYPE_CHECKING:
    from pileus.aws.http import Request
    from pileus.metering.meter import Meter
    from pileus.security.authorization import Authorizer
    from pileus.security.keyring import Keyring
    from pileus.services.client import Client
    from pileus.services.operation import Shape
    from pileus.store.blobs import Blobs
    from pileus.store.interface import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    data: Path
    host: str = "127.0.0.1"
    port: int = 4566
    workers: int = 1
    durability: Literal["full", "relaxed"] = "full"
    region: str = "us-east-1"
    require_isolation: bool = False
    tls_certificate: Path | None = None
    """With `tls_key`: a PEM file with the certificate and its chain. The port then speaks HTTPS."""
    tls_key: Path | None = None
    trust_loopback: bool = False
    """Whether what comes from this machine counts as secure transport without TLS."""
    blobs: str = ""
    """Where large objects' contents are kept, if not under `data`: store.external_blobs.Place as an address."""


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


Perform = Callable[["Context", "Shape"], Awaitable["Shape"]]
"""Validates, authorises and runs the operation that a context names: what HTTP and calls in process share."""


class Cloud:
    """The running cloud, as one worker process sees it. Made once at start by `gateway.cloud.open_cloud`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        blobs: Blobs,
        keyring: Keyring,
        authorizer: Authorizer,
        meter: Meter,
        clock: Clock,
        perform: Perform,
    ) -> None:
        self.settings = settings
        self.store = store
        self.blobs = blobs
        self.keyring = keyring
        self.authorizer = authorizer
        self.meter = meter
        self.clock = clock
        self.perform = perform
        self.isolation: Callable[[], Awaitable[dict[str, Any]]] | None = None
        """Set by whoever runs functions: what keeps them apart, for the health page."""
        self._parts: dict[Callable[[Cloud], Any], Any] = {}

    def is_secure(self, request: Request) -> bool:
        """Whether aws:SecureTransport holds: over TLS, or within this machine where the cloud is told to trust that."""
        return request.secure or (self.settings.trust_loopback and is_loopback(request.source_ip))

    def part(self, factory: Callable[[Cloud], T]) -> T:
        """What `factory` made of this cloud, made at the first call: a service's own state in memory (a pool, a
        cache)."""
        try:
            return self._parts[factory]  # type: ignore[no-any-return]
        except KeyError:
            made = self._parts[factory] = factory(self)
            return made

    def client(self, principal: Principal, *, region: str | None = None) -> Client:
        """Calls operations of this cloud in process, as `principal`, authorised like any caller."""
        from pileus.services.client import Client

        return Client(self, principal, region or self.settings.region)


@dataclass(slots=True)
class Context:
    """One request. `service` and `operation` name what was dispatched; times are seconds since the epoch."""

    cloud: Cloud
    principal: Principal
    region: str
    request_id: str
    service: str
    operation: str
    received: float
    source_ip: str = "127.0.0.1"
    secure: bool = False
    user_agent: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the HTTP request, lower-case names; empty for calls in process."""
    host: str = ""
    query: str = ""
    """Of the HTTP request, as on the wire."""
    via: tuple[str, ...] = ()
    """Services through which the call came in process (aws:CalledVia)."""
    found: Any = None
    """What an access rule looked up, for the operation that follows."""
    origin: str = ""
    """Of a call in process, the id of the request that led to it: under that one people look for it."""
    system_tags: tuple[tuple[str, str], ...] = ()
    """What a service that makes things for people marks them with (`aws:cloudformation:stack-name`), beside the
    request: no policy is asked about them, and no caller from outside can bring any."""

    @property
    def account(self) -> str:
        return self.principal.account

    @property
    def store(self) -> Store:
        return self.cloud.store

    def meter(self, unit: str, quantity: float = 1.0, account: str | None = None) -> None:
        """Adds to the usage of the caller's account; `unit` as the price list names it."""
        self.cloud.meter.add(account or self.principal.account, unit, quantity)

    def client(self, principal: Principal | None = None) -> Client:
        """In process calls, as the caller unless told otherwise."""
        from pileus.services.client import Client

        via = (*self.via, f"{self.service}.amazonaws.com")
        return Client(self.cloud, principal or self.principal, self.region, cause=self, via=via)
