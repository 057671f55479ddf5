"""What a request must be allowed to do, as an operation says it to the policy engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pileus.security.policy.document import Policy


@dataclass(frozen=True, slots=True)
class Access:
    """One thing that a request must be allowed to do.

    `keys` are the condition keys of this request beyond the global ones, lower-case names to a value or a tuple of
    values. `resource_policies` are those attached to the resource (a bucket's, a function's, a trust policy);
    `owner` is the account that owns the resource, the caller's own where empty.
    """

    action: str
    resource: str = "*"
    keys: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    resource_policies: tuple[Policy, ...] = ()
    owner: str = ""
