"""Whether a request may do what it asks: finds the policies that apply, has them evaluated, words the denial.

What a principal's policies say is compiled once and kept until anything that it came from changes: IAM marks every such
change in the store (`identities.changed`), and the mark is compared at each use, so all processes agree at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from pileus.aws.errors import AWSError
from pileus.security import identities
from pileus.security.decisions import Asked, DecisionLog, asked_by
from pileus.security.messages import encode_message, wording
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.evaluate import EMPTY, Decision, PolicySet, Question, Source, evaluate
from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal
from pileus.security.request_values import VOLATILE, RequestValues
from pileus.store.interface import Reader, Store

if TYPE_CHECKING:
    from pileus.security.access import Access
    from pileus.services.context import Context

TRUST_ACTIONS = frozenset(
    {"sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml", "sts:tagsession",
     "sts:setsourceidentity"}
)  # fmt: skip
_SESSION_STS = {
    "federated": frozenset({"sts:getcalleridentity"}),
    "user": frozenset({"sts:getcalleridentity", "sts:assumerole", "sts:tagsession", "sts:setsourceidentity"}),
}
_DECISIONS = 4096
_IDENTITIES = 1024
_ALL_DECISIONS = 65_536
"""Of all identities together: session policies make as many identities as somebody likes."""


@dataclass(slots=True)
class Identity:
    """What the policies say about one principal, compiled. `identity` is None for a root user, `boundary` and `session`
    are None where none is set."""

    version: bytes | None
    identity: PolicySet | None = EMPTY
    boundary: PolicySet | None = None
    session: PolicySet | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    decisions: dict[object, Decision] = field(default_factory=dict)
    _keys: dict[tuple[str, PolicySet], tuple[str, ...]] = field(default_factory=dict)

    def keys(self, action: str, resource_policies: PolicySet) -> tuple[str, ...]:
        """The condition keys that a decision can depend on."""
        known = self._keys.get((action, resource_policies))
        if known is None:
            if len(self._keys) >= _DECISIONS:
                self._keys.clear()
            sets = (self.identity, self.boundary, self.session, resource_policies)
            found = frozenset[str]().union(*(policies.keys(action) for policies in sets if policies is not None))
            known = self._keys[(action, resource_policies)] = tuple(sorted(found))
        return known

    def considered(self) -> tuple[Source, ...]:
        sets = (self.identity, self.boundary, self.session)
        return tuple(source for policies in sets if policies is not None for source in policies.sources)


@lru_cache(maxsize=1024)
def resource_set(policies: tuple[Policy, ...], trust: bool) -> PolicySet:
    layer = "trust" if trust else "resource"
    return PolicySet(Source("trust" if trust else "resource", f"{layer} policy", policy) for policy in policies)


def policies_of(access: Access) -> PolicySet:
    if not access.resource_policies:
        return EMPTY
    return resource_set(access.resource_policies, access.action.lower() in TRUST_ACTIONS)


class Authorizer:
    """One for each process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._identities: dict[object, Identity] = {}
        self._version_keys: dict[str, bytes] = {}
        self._remembered = 0
        self.decisions = DecisionLog()

    def authorize(self, context: Context, accesses: Iterable[Access]) -> None:
        """Raises AWSError("AccessDenied", …) for the first access that is not allowed."""
        principal = context.principal
        identity = self.identity(principal)
        for access in accesses:
            decision, values = self.decide(context, identity, access)
            if decision.allowed:
                self.decisions.allowed(context, access, decision)
                continue
            considered = (*identity.considered(), *policies_of(access).sources)
            self.decisions.denied(context, asked_by(context, access), decision, considered, values)
            message = encode_message(context.cloud.keyring.sealer, principal, access, decision, values)
            raise AWSError(
                "AccessDenied",
                wording(principal, access.action, access.resource, decision),
                status=403,
                headers={"x-pileus-encoded-authorization-message": message},
            )

    def decide(self, context: Context, identity: Identity, access: Access) -> tuple[Decision, RequestValues]:
        principal = context.principal
        action = access.action.lower()
        owner = access.owner or principal.account
        values = RequestValues(context, principal, access.keys, identity.tags, owner)
        trust = action in TRUST_ACTIONS
        policies = policies_of(access)
        keys = identity.keys(action, policies)
        # A resource-based policy may name the session itself; every other thing that decides is in the key already.
        asked: tuple[object, ...] = (
            action, access.resource, owner, policies, principal.arn if policies is not EMPTY else "",
            *map(values.get, keys),
        )  # fmt: skip
        known = identity.decisions.get(asked)
        if known is not None:
            return known, values
        _refuse_outside_session(principal, action)
        decision = evaluate(
            Question(
                principal, action, access.resource, values, owner,
                identity.identity, identity.boundary, identity.session, policies, trust,
            )
        )  # fmt: skip
        if not VOLATILE.intersection(keys):
            self._remember(identity, asked, decision)
        return decision, values

    def _remember(self, identity: Identity, asked: object, decision: Decision) -> None:
        if len(identity.decisions) >= _DECISIONS:
            identity.decisions.clear()
        if self._remembered >= _ALL_DECISIONS:
            self._identities.clear()
            self._remembered = 0
        identity.decisions[asked] = decision
        self._remembered += 1

    def trusted(
        self, context: Context, principal: Principal, action: str, role: identities.Role, keys: Mapping[str, Value]
    ) -> Decision:
        """Whether the role's trust policy lets `principal`, who is not the caller but whom the caller proved to be,
        assume it: for the operations that come with a token of an identity provider instead of a signature."""
        values = RequestValues(context, principal, keys, {}, role.account)
        policies = resource_set((parse(identities.trust_policy(self._store, role), "trust"),), True)
        question = Question(
            principal, action, role.arn, values, role.account, resource_policies=policies, trust=True
        )  # fmt: skip
        decision = evaluate(question)
        if not decision.allowed:
            asked = Asked(principal, action, role.arn, role.account)
            self.decisions.denied(context, asked, decision, policies.sources, values)
        return decision

    def identity(self, principal: Principal) -> Identity:
        """The compiled policies of a principal as they are now."""
        session_policies = principal.session.policies if principal.session else ()
        key = (principal.kind, principal.issuer, principal.user_id.partition(":")[0], session_policies)
        version_key = self._version_keys.get(principal.account)
        if version_key is None:
            version_key = self._version_keys[principal.account] = identities.version_key(principal.account)
        version = self._store.recall(version_key)
        known = self._identities.get(key)
        if known is not None and known.version == version:
            return known
        if len(self._identities) >= _IDENTITIES:
            self._identities.clear()
        with self._store.snapshot() as reader:
            # The mark is read again inside: it and the policies must be of the same moment.
            found = load(reader, principal, reader.get(version_key))
        self._identities[key] = found
        return found


def _refuse_outside_session(principal: Principal, action: str) -> None:
    """What credentials of GetSessionToken and GetFederationToken cannot call whatever policies say
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html)."""
    session = principal.session
    if session is None or principal.kind not in _SESSION_STS or session.web_identity is not None:
        return
    service = action.partition(":")[0]
    outside = (service == "iam" and not session.mfa) or (
        service == "sts" and action not in _SESSION_STS[principal.kind]
    )  # fmt: skip
    if outside:
        raise AWSError("InvalidClientTokenId", "The security token included in the request is invalid", status=403)


def load(reader: Reader, principal: Principal, version: bytes | None) -> Identity:
    """Reads and compiles everything that applies to the principal."""
    session = principal.session
    sessions: PolicySet | None = None
    if session is not None and (session.policies or principal.kind == "federated"):
        sessions = PolicySet(_session_sources(reader, session.policies))
    if principal.kind == "root":
        return Identity(version, identity=None, session=sessions)
    if principal.kind == "federated" and principal.issuer.endswith(":root"):
        return Identity(version, identity=None, session=sessions)
    entity: identities.User | identities.Role | None = None
    if principal.kind == "role":
        entity = identities.role_of_arn(reader, principal.issuer)
    elif principal.kind in ("user", "federated"):
        entity = identities.user(reader, principal.account, principal.issuer.rpartition("/")[2])
    if entity is None or not _same_entity(entity, principal):
        return Identity(version, session=sessions)
    sources = identity_sources(reader, entity.inline, entity.attached)
    if isinstance(entity, identities.User):
        for name in entity.groups:
            group = identities.group(reader, entity.account, name)
            if group is not None:
                sources += identity_sources(reader, group.inline, group.attached, f"group {group.name}: ")
    boundary: PolicySet | None = None
    if entity.boundary:
        limits = identities.managed_policy(reader, entity.boundary)
        # A boundary whose policy is gone allows nothing, rather than everything.
        boundary = PolicySet([Source("boundary", limits.arn, parse(limits.document, "identity"))] if limits else [])
    return Identity(version, PolicySet(sources), boundary, sessions, entity.tags)


def _same_entity(entity: identities.User | identities.Role, principal: Principal) -> bool:
    """A user or role made anew under an old name is another one: old sessions get nothing of it."""
    if principal.kind == "federated":
        return entity.arn == principal.issuer
    return entity.arn == principal.issuer and entity.id == principal.user_id.partition(":")[0]


def identity_sources(
    reader: Reader, inline: Mapping[str, str], attached: Iterable[str], owner: str = ""
) -> list[Source]:
    """The inline and attached policies of a user, group or role, compiled."""
    found = [Source("identity", f"{owner}{name}", parse(text, "identity")) for name, text in inline.items()]
    for arn in attached:
        policy = identities.managed_policy(reader, arn)
        if policy is not None:
            found.append(Source("identity", arn, parse(policy.document, "identity")))
    return found


def _session_sources(reader: Reader, policies: Iterable[str]) -> list[Source]:
    """Session policies are kept as documents, or as ARNs of managed policies."""
    found: list[Source] = []
    for number, text in enumerate(policies, start=1):
        if not text.startswith("arn:"):
            found.append(Source("session", f"session policy {number}", parse(text, "identity")))
            continue
        policy = identities.managed_policy(reader, text)
        if policy is not None:
            found.append(Source("session", text, parse(policy.document, "identity")))
    return found
