"""The Principal element of resource-based and trust policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from pileus.security.principals import Principal

_ACCOUNT = re.compile(r"^(?:arn:aws:iam::)?(\d{12})(?::root)?$")
_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})


class Grant(IntEnum):
    """What an Allow for this element means to the principal.

    An account only delegates: the account's own policies still decide. A role's ARN grants within the boundary and
    session policies; the ARN of a user or session, or `*`, grants directly
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html).
    """

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


class PrincipalElement:
    """Raises ValueError for a shape that the element cannot have."""

    __slots__ = ("_accounts", "_aws", "_canonical", "_federated", "_services", "everyone")

    def __init__(self, element: Any) -> None:
        listed = {"AWS": ["*"]} if element == "*" else element
        if not isinstance(listed, Mapping) or not listed or not _KINDS.issuperset(listed):
            raise ValueError("a principal is * or an object of AWS, Service, Federated, CanonicalUser")
        names: dict[str, set[str]] = {kind: set() for kind in _KINDS}
        for kind, value in listed.items():
            texts = value if isinstance(value, list) else [value]
            if not texts or not all(isinstance(text, str) and text for text in texts):
                raise ValueError(f"the principals of {kind} are one or more strings")
            names[kind].update(texts)
        accounts = {found[1] for text in names["AWS"] if (found := _ACCOUNT.match(text))}
        self.everyone = "*" in names["AWS"]
        self._accounts = frozenset(accounts)
        self._aws = frozenset(text for text in names["AWS"] if not _ACCOUNT.match(text))
        self._services = frozenset(names["Service"])
        self._federated = frozenset(names["Federated"])
        self._canonical = frozenset(names["CanonicalUser"])

    def texts(self) -> frozenset[str]:
        return self._aws | self._accounts | self._services | self._federated | self._canonical

    def grants(self, principal: Principal) -> Grant:
        kind = principal.kind
        if kind == "service":
            return Grant.DIRECT if principal.name in self._services or self.everyone else Grant.NONE
        if principal.session and principal.session.web_identity and kind == "federated":
            # Who comes with a token of an identity provider is named by that provider alone, never by `*`.
            return Grant.DIRECT if principal.issuer in self._federated else Grant.NONE
        if self.everyone or principal.arn in self._aws:
            return Grant.DIRECT
        if kind == "anonymous":
            return Grant.NONE
        if self._aws and (principal.issuer in self._aws or principal.user_id.partition(":")[0] in self._aws):
            return Grant.ROLE if kind in ("role", "federated") else Grant.DIRECT
        if self._canonical and canonical_user(principal.account) in self._canonical:
            return Grant.ACCOUNT
        return Grant.ACCOUNT if principal.account in self._accounts else Grant.NONE

    def lists_all_of(self, principal: Principal) -> bool:
        """For NotPrincipal: whether the exception holds the principal with the account (and role) that it belongs to;
        AWS denies where one of them is left out."""
        if self.everyone:
            return True
        if principal.kind == "service":
            return principal.name in self._services
        if principal.kind == "anonymous" or principal.account not in self._accounts:
            return False
        wanted = {principal.arn} if principal.kind in ("user", "root") else {principal.arn, principal.issuer}
        return principal.kind == "root" or wanted <= self._aws


def canonical_user(account: str) -> str:
    """The canonical user id that S3 shows for an account: 64 hexadecimal digits, stable, not secret."""
    return hashlib.sha256(f"canonical user of {account}".encode()).hexdigest()
