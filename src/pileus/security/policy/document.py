"""Policies compiled from their JSON texts: parsed once, matched often."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pileus.security.policy.conditions import Condition
from pileus.security.policy.patterns import Patterns, Values
from pileus.security.policy.principal_element import PrincipalElement
from pileus.security.policy.validation import Kind, listed, validate

_NO_VALUES: dict[str, str] = {}


class Statement:
    """One statement, ready to match. `number` counts from 1 in its policy; `source` is the statement as written."""

    __slots__ = (
        "_excludes_resources", "_resources", "actions", "allows", "conditions", "excludes_actions", "keys",
        "not_principal", "number", "principal", "sid", "source",
    )  # fmt: skip

    def __init__(self, source: dict[str, Any], number: int, *, variables: bool) -> None:
        self.source = source
        self.number = number
        self.sid: str = source.get("Sid", "")
        self.allows: bool = source["Effect"] == "Allow"
        self.excludes_actions = "NotAction" in source
        # Action names ignore case; variables are not for them.
        self.actions = tuple(text.lower() for text in listed(source.get("NotAction", source.get("Action"))))
        self._excludes_resources = "NotResource" in source
        # A trust policy names no resource: it is about the role that it belongs to.
        self._resources = Patterns(
            listed(source.get("NotResource", source.get("Resource", "*"))), variables=variables
        )  # fmt: skip
        self.principal = PrincipalElement(source["Principal"]) if "Principal" in source else None
        self.not_principal = PrincipalElement(source["NotPrincipal"]) if "NotPrincipal" in source else None
        self.conditions = tuple(
            Condition(operator, key, map(_text, listed(value)), variables=variables, cautious=self.allows)
            for operator, keys in source.get("Condition", {}).items()
            for key, value in keys.items()
        )
        self.keys = self._resources.variables.union(
            (condition.key for condition in self.conditions), *(condition.variables for condition in self.conditions)
        )

    def covers_resource(self, resource: str, values: Values) -> bool:
        if not self._excludes_resources:
            return self._resources.match(resource, values)
        if self.allows and self._resources.unresolved(values):
            # An exception that cannot be told must not turn into a grant of everything.
            return False
        return not self._resources.match(resource, values)

    def conditions_hold(self, values: Values) -> bool:
        return all(condition.holds(values) for condition in self.conditions)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Policy:
    """A compiled document. Its identity is its text's: `parse` answers the same object for the same text."""

    __slots__ = ("__weakref__", "document", "id", "statements", "text")

    def __init__(self, text: str, kind: Kind) -> None:
        self.text = text
        self.document = validate(text, kind)
        self.id: str = self.document.get("Id", "")
        # Variables came with version 2012-10-17; before, `${` stood for itself.
        variables = self.document.get("Version") == "2012-10-17"
        self.statements = tuple(
            Statement(source, number, variables=variables)
            for number, source in enumerate(self.document["Statement"], start=1)
        )


@lru_cache(maxsize=1024)
def parse(text: str, kind: Kind = "resource") -> Policy:
    """The policy of a JSON text. Raises AWSError("MalformedPolicyDocument", …) with AWS's words.

    `kind` says which elements belong in it: a resource-based policy names principals, an identity-based one does not,
    a trust policy names no resource.
    """
    return Policy(text, kind)


class ActionIndex:
    """Statements by the actions that they cover, so that a decision looks at those few only."""

    _LIMIT = 4096

    def __init__(self, statements: Iterable[tuple[Any, Statement]]) -> None:
        self._services: dict[str, list[tuple[Any, Statement, Patterns]]] = {}
        self._general: list[tuple[Any, Statement, Patterns]] = []
        self._exact: dict[str, list[tuple[Any, Statement]]] = {}
        self._found: dict[str, tuple[tuple[Any, Statement], ...]] = {}
        for owner, statement in statements:
            self._add(owner, statement)

    def _add(self, owner: Any, statement: Statement) -> None:
        if statement.excludes_actions:
            self._general.append((owner, statement, Patterns(statement.actions, variables=False)))
            return
        patterns: dict[str, list[str]] = {}
        for action in statement.actions:
            service, _, name = action.partition(":")
            if "*" in service or "?" in service:
                patterns.setdefault("", []).append(action)
            elif "*" in name or "?" in name:
                patterns.setdefault(service, []).append(action)
            else:
                self._exact.setdefault(action, []).append((owner, statement))
        for service, texts in patterns.items():
            entry = (owner, statement, Patterns(texts, variables=False))
            if service:
                self._services.setdefault(service, []).append(entry)
            else:
                self._general.append(entry)

    def find(self, action: str) -> tuple[tuple[Any, Statement], ...]:
        """(owner, statement) of all that cover the action, a lower-case `service:name`."""
        found = self._found.get(action)
        if found is None:
            if len(self._found) >= self._LIMIT:
                self._found.clear()
            found = self._found[action] = self._find(action)
        return found

    def _find(self, action: str) -> tuple[tuple[Any, Statement], ...]:
        covering = list(self._exact.get(action, ()))
        for entries in (self._services.get(action.partition(":")[0], ()), self._general):
            covering += [
                (owner, statement)
                for owner, statement, patterns in entries
                if patterns.match(action, _NO_VALUES) != statement.excludes_actions
            ]
        unique = {id(statement): (owner, statement) for owner, statement in covering}
        return tuple(unique.values())
