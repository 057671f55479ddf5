"""AWS's evaluation logic, as one pure function.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: an explicit deny anywhere
decides; otherwise every layer that applies must allow; what nothing allows is denied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pileus.security.policy.document import ActionIndex, Policy, Statement
from pileus.security.policy.patterns import Values
from pileus.security.policy.principal_element import Grant
from pileus.security.principals import Principal

Layer = Literal["identity", "boundary", "session", "resource", "trust", "root"]


class Source(NamedTuple):
    """A policy and where it comes from: `name` is a managed policy's ARN or says whose inline policy it is."""

    layer: Layer
    name: str
    policy: Policy


class Match(NamedTuple):
    source: Source
    statement: Statement


class PolicySet:
    """Policies that are looked at together: an allow in any of them allows."""

    __slots__ = ("_index", "_keys", "sources")

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self.sources = tuple(sources)
        self._index = ActionIndex(
            (source, statement) for source in self.sources for statement in source.policy.statements
        )
        self._keys: dict[str, frozenset[str]] = {}

    def find(self, action: str) -> tuple[tuple[Source, Statement], ...]:
        return self._index.find(action)

    def keys(self, action: str) -> frozenset[str]:
        """The condition keys on which a decision about the (lower-case) action may depend."""
        known = self._keys.get(action)
        if known is None:
            if len(self._keys) >= 4096:
                self._keys.clear()
            known = self._keys[action] = frozenset().union(*(statement.keys for _, statement in self.find(action)))
        return known


EMPTY = PolicySet()


@dataclass(frozen=True, slots=True)
class Question:
    """May `principal` do `action` on `resource`?

    `identity` is None for an account's root user, which no identity-based policy limits; `boundary` and `session` are
    None where none is set. `owner` is the account of the resource. `trust` says that the resource is a role, whose
    trust policy must allow whatever the caller's own policies say. `supposing` takes the conditions of Allow statements
    as fulfilled: the question is then what the principal may do at most.
    """

    principal: Principal
    action: str
    resource: str
    values: Values
    owner: str
    identity: PolicySet | None = EMPTY
    boundary: PolicySet | None = None
    session: PolicySet | None = None
    resource_policies: PolicySet = EMPTY
    trust: bool = False
    supposing: bool = False


class Decision(NamedTuple):
    """`layer` decided, by the statement of `match`; without one, because nothing in that layer allows."""

    allowed: bool
    layer: Layer
    match: Match | None = None

    @property
    def explicit(self) -> bool:
        return not self.allowed and self.match is not None


class _Found(NamedTuple):
    deny: Match | None = None
    allow: Match | None = None
    grant: Grant = Grant.NONE


def evaluate(question: Question) -> Decision:
    action = question.action.lower()
    resource_layer: Layer = "trust" if question.trust else "resource"
    resource = _look(question.resource_policies, action, question, by_principal=True)
    if resource.deny:
        return Decision(False, resource_layer, resource.deny)
    layers: list[tuple[Layer, PolicySet | None, _Found]] = []
    named: tuple[tuple[Layer, PolicySet | None], ...] = (
        ("identity", question.identity),
        ("boundary", question.boundary),
        ("session", question.session),
    )
    for layer, policies in named:
        found = _look(policies, action, question) if policies is not None else _Found()
        if found.deny:
            return Decision(False, layer, found.deny)
        layers.append((layer, policies, found))

    principal = question.principal
    external = principal.kind in ("service", "anonymous") or (
        principal.kind == "federated" and principal.session is not None and principal.session.web_identity is not None
    )
    same_account = principal.account == question.owner
    if external or question.trust or not same_account:
        if resource.grant is Grant.NONE:
            missing = _missing(layers) if not external and not question.trust else None
            return missing or Decision(False, resource_layer)
        if external:
            return Decision(True, resource_layer, resource.allow)
    if same_account and resource.grant is Grant.DIRECT:
        return Decision(True, resource_layer, resource.allow)
    if same_account and resource.grant is Grant.ROLE:
        return _missing(layers[1:]) or Decision(True, resource_layer, resource.allow)
    missing = _missing(layers)
    if missing:
        return missing
    if question.identity is None:
        return Decision(True, "root")
    return Decision(True, "identity", layers[0][2].allow)


def _missing(layers: list[tuple[Layer, PolicySet | None, _Found]]) -> Decision | None:
    """The denial by the first layer that is set and does not allow."""
    for layer, policies, found in layers:
        if policies is not None and found.allow is None:
            return Decision(False, layer)
    return None


def _look(policies: PolicySet, action: str, question: Question, *, by_principal: bool = False) -> _Found:
    allow: Match | None = None
    best = Grant.NONE
    for source, statement in policies.find(action):
        if allow is not None and statement.allows and not by_principal:
            continue
        if not statement.covers_resource(question.resource, question.values):
            continue
        grant = _grant(statement, question.principal) if by_principal else Grant.DIRECT
        if grant is Grant.NONE:
            continue
        supposed = question.supposing and statement.allows
        if not supposed and not statement.conditions_hold(question.values):
            continue
        if not statement.allows:
            return _Found(deny=Match(source, statement))
        if grant > best:
            best = grant
            allow = Match(source, statement)
    return _Found(allow=allow, grant=best)


def _grant(statement: Statement, principal: Principal) -> Grant:
    if statement.principal is not None:
        return statement.principal.grants(principal)
    if statement.not_principal is not None and not statement.allows:
        return Grant.NONE if statement.not_principal.lists_all_of(principal) else Grant.DIRECT
    return Grant.NONE
