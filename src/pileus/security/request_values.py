"""The condition keys of a request: the global ones, those of its principal's session, those of the service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html. Each is found when a policy
asks for it, since most requests are decided without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal

VOLATILE = frozenset({"aws:currenttime", "aws:epochtime", "aws:multifactorauthage"})
"""Keys that differ from request to request, for which remembering a decision is of no use."""


class Request(Protocol):
    """What of a request the global keys are read from; `services.context.Context` is one."""

    principal: Principal
    region: str
    received: float
    source_ip: str
    secure: bool
    user_agent: str
    headers: dict[str, str]
    via: tuple[str, ...]


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _flag(value: object) -> str:
    return "true" if value else "false"


def _federated_provider(principal: Principal) -> str | None:
    session = principal.session
    return session.web_identity.provider if session and session.web_identity else None


def principal_arn(principal: Principal) -> str | None:
    """For a role session the role's, not the session's."""
    if principal.kind in ("anonymous", "service"):
        return None
    return principal.issuer if principal.kind == "role" else principal.arn


_TYPES = {"root": "Account", "user": "User", "role": "AssumedRole", "federated": "FederatedUser"}

_GLOBAL: dict[str, Callable[[Request], Any]] = {
    "aws:currenttime": lambda request: iso(request.received),
    "aws:epochtime": lambda request: str(int(request.received)),
    "aws:sourceip": lambda request: request.source_ip if not request.via else None,
    "aws:securetransport": lambda request: _flag(request.secure),
    "aws:useragent": lambda request: request.user_agent or None,
    "aws:referer": lambda request: request.headers.get("referer"),
    "aws:requestedregion": lambda request: request.region,
    "aws:calledvia": lambda request: request.via or None,
    "aws:calledviafirst": lambda request: request.via[0] if request.via else None,
    "aws:calledvialast": lambda request: request.via[-1] if request.via else None,
    "aws:viaawsservice": lambda request: _flag(request.via),
}
_OF_PRINCIPAL: dict[str, Callable[[Principal], Any]] = {
    "aws:userid": lambda principal: principal.user_id or None,
    "aws:username": lambda principal: principal.name if principal.kind == "user" else None,
    "aws:principalarn": principal_arn,
    "aws:principalaccount": lambda principal: None if principal.kind == "anonymous" else principal.account,
    "aws:principaltype": lambda principal: _TYPES.get(principal.kind, "Anonymous"),
    "aws:principalisawsservice": lambda principal: _flag(principal.kind == "service"),
    "aws:principalservicename": lambda principal: principal.name if principal.kind == "service" else None,
    "aws:sourceaccount": lambda principal: principal.account if principal.kind == "service" else None,
    "aws:sourcearn": lambda principal: principal.source_arn or None,
    "aws:tokenissuetime": lambda principal: iso(principal.session.issued) if principal.session else None,
    "aws:sourceidentity": lambda principal: (principal.session.source_identity or None) if principal.session else None,
    "aws:multifactorauthpresent": lambda principal: _flag(principal.session.mfa) if principal.session else None,
    "aws:federatedprovider": _federated_provider,
}
_PRINCIPAL_TAG = "aws:principaltag/"


class RequestValues:
    """`keys` are the service's own for this request; `tags` those of the user or role behind the principal."""

    __slots__ = ("_keys", "_owner", "_principal", "_request", "_tags")

    def __init__(
        self, request: Request, principal: Principal, keys: Mapping[str, Value], tags: Mapping[str, str], owner: str
    ) -> None:
        self._request = request
        self._principal = principal
        self._keys = keys
        self._tags = tags
        self._owner = owner

    def get(self, key: str, /) -> Value | None:
        value = self._keys.get(key)
        if value is not None:
            return value
        of_principal = _OF_PRINCIPAL.get(key)
        if of_principal is not None:
            return of_principal(self._principal)  # type: ignore[no-any-return]
        reader = _GLOBAL.get(key)
        if reader is not None:
            return reader(self._request)  # type: ignore[no-any-return]
        if key.startswith(_PRINCIPAL_TAG):
            return self._principal_tags().get(key[len(_PRINCIPAL_TAG) :])
        if key == "aws:resourceaccount":
            return self._owner or None
        return self._web_identity().get(key)

    def _principal_tags(self) -> dict[str, str]:
        """A session's tags come before those of the role with the same name."""
        tags = {name.lower(): value for name, value in self._tags.items()}
        if self._principal.session:
            tags.update({name.lower(): value for name, value in self._principal.session.tags.items()})
        return tags

    def _web_identity(self) -> dict[str, Value]:
        session = self._principal.session
        if session is None or session.web_identity is None:
            return {}
        identity = session.web_identity
        found: dict[str, Value] = {name.lower(): value for name, value in identity.claims.items()}
        found.update({"sub": identity.subject, "aud": identity.audience})
        if identity.amr:
            found["amr"] = identity.amr
        return {f"{identity.provider.lower()}:{name}": value for name, value in found.items() if value}

    def known(self) -> Iterator[tuple[str, Value]]:
        """All that have a value, for the decision log and for `why`."""
        names = (*_GLOBAL, *_OF_PRINCIPAL, "aws:resourceaccount")
        names += tuple(_PRINCIPAL_TAG + name for name in self._principal_tags())
        names += tuple(self._web_identity())
        for name in dict.fromkeys((*self._keys, *names)):
            value = self.get(name)
            if value is not None:
                yield name, value
