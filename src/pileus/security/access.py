"""What a request must be allowed to do, as an operation says it to the policy engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pileus.security.policy.document import Policy
from pileus.security.policy.patterns import Value


class LazyKeys(Mapping[str, Value]):
    """Condition keys that are worked out when a policy asks for one, which few do."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, Value] | None = None

    @abstractmethod
    def work_out(self) -> dict[str, Value]:
        """All keys with their values. Raises AWSError where the request cannot be read."""

    def _all(self) -> dict[str, Value]:
        if self._found is None:
            self._found = self.work_out()
        return self._found

    def __getitem__(self, key: str) -> Value:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


@dataclass(slots=True)  # frozen ones take three times as long to make
class Access:
    """One thing that a request must be allowed to do.

    `keys` are the condition keys of this request beyond the global ones, lower-case names to a value or a tuple of
    values. `resource_policies` are those attached to the resource (a bucket's, a function's, a trust policy);
    `owner` is the account that owns the resource, the caller's own where empty.
    """

    action: str
    resource: str = "*"
    keys: Mapping[str, Value] = field(default_factory=dict)
    resource_policies: tuple[Policy, ...] = ()
    owner: str = ""
