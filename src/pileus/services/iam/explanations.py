"""`pileus why` and `pileus denied`: what the decision log says, and what would have helped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.security.decisions import Entry, entries_of, last_denied
from pileus.security.openid import PROVIDER
from pileus.security.policy.examine import Considered, Examined
from pileus.services.admin import admin
from pileus.services.context import Context
from pileus.services.operation import Shape

_WHERE = {
    "identity": "an identity-based policy of {issuer}",
    "boundary": "the permissions boundary of {issuer}",
    "session": "the session policy with which the credentials were made",
    "resource": "the resource-based policy of {resource}",
    "trust": "the trust policy of {resource}",
}
DENIED_SHOWN = 20
_DENIED_MOST = 1000


@admin("why")
async def why(context: Context, request: Shape) -> Shape:
    """All decisions of one request. Those of other accounts' principals on other accounts' resources are not told."""
    request_id = str(request.get("request_id", ""))
    await context.cloud.authorizer.decisions.flush(context.store)
    found = [
        entry for entry in entries_of(context.store, request_id) if context.account in (entry.account, entry.owner)
    ]
    if not found:
        raise AWSError(
            "NotFound",
            f"The decision log holds nothing about request {request_id}: it was not authorised by policy, or long ago.",
            status=404,
        )
    return {"request_id": request_id, "decisions": [_told(_seen_from(context.account, entry)) for entry in found]}


@admin("denied")
async def denied(context: Context, request: Shape) -> Shape:
    limit = request.get("limit", DENIED_SHOWN)
    if not isinstance(limit, int) or not 1 <= limit <= _DENIED_MOST:
        raise AWSError("ValidationException", f"limit is a number from 1 to {_DENIED_MOST}.", status=400)
    await context.cloud.authorizer.decisions.flush(context.store)
    found = islice(last_denied(context.store, context.account), limit)
    return {"denied": [_told(_seen_from(context.account, entry)) for entry in found]}


def _seen_from(account: str, entry: Entry) -> Entry:
    """What the owner of a resource may know about another account's principal: who, what and whether, but not which
    policies and sessions the other account has."""
    if account == entry.account:
        return entry
    own = ("resource", "trust")
    hidden = entry.layer not in own
    return msgspec.structs.replace(
        entry,
        keys={},
        considered=[policy for policy in entry.considered if policy.layer in own],
        policy="" if hidden else entry.policy,
        statement="" if hidden else entry.statement,
    )


def _told(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(entry)
    told["statement"] = json.loads(entry.statement) if entry.statement else None
    told["outcome"] = outcome(entry)
    if not entry.allowed:
        told["help"] = advice(entry)
        if told["statement"] is None:
            told["suggestion"] = suggestion(entry)
    return told


def outcome(entry: Entry) -> str:
    if entry.allowed:
        if entry.layer == "root":
            return "allowed: an account's root user may do everything in it"
        return f"allowed by a statement of {_policy(entry)}"
    where = _WHERE[entry.layer].format(issuer=entry.issuer or entry.principal, resource=entry.resource)
    if entry.statement:
        return f"denied explicitly by a statement of {_policy(entry)}"
    return f"denied because nothing in {where} allows it"


def _policy(entry: Entry) -> str:
    kinds = {"identity": "policy", "boundary": "permissions boundary", "session": ""}
    return f"{kinds.get(entry.layer, '')} {entry.policy}".strip()


def advice(entry: Entry) -> str:
    if entry.statement:
        return "An explicit deny outweighs every allow: narrow or remove that statement."
    near = next(_near(entry), None)
    hint = f" Nearest: {_described(*near)}." if near else ""
    where = _WHERE[entry.layer].format(issuer=entry.issuer or entry.principal, resource=entry.resource)
    return f"To allow it, add this statement to {where}.{hint}"


def _near(entry: Entry) -> Iterator[tuple[Considered, Examined]]:
    """Statements that would allow the action but for something, those that lack least first."""
    candidates = [
        (policy, statement)
        for policy in entry.considered
        for statement in policy.statements
        if statement.effect == "Allow" and statement.misses and policy.layer == entry.layer
    ]
    yield from sorted(candidates, key=lambda pair: len(pair[1].misses))


def _described(policy: Considered, statement: Examined) -> str:
    name = f" ({statement.sid})" if statement.sid else ""
    return f"statement {statement.number}{name} of {policy.name} does not match {' and '.join(statement.misses)}"


def suggestion(entry: Entry) -> dict[str, Any]:
    """The smallest statement that would have allowed it."""
    statement: dict[str, Any] = {"Effect": "Allow"}
    if entry.layer in ("resource", "trust"):
        statement["Principal"] = _principal(entry)
    statement["Action"] = entry.action
    if entry.layer != "trust":
        statement["Resource"] = entry.resource
    if entry.layer == "trust" and entry.issuer == PROVIDER:
        audience = entry.keys.get(f"{PROVIDER}:aud", "")
        amr = entry.keys.get(f"{PROVIDER}:amr", ())
        statement["Condition"] = {
            "StringEquals": {f"{PROVIDER}:aud": audience},
            "ForAnyValue:StringLike": {f"{PROVIDER}:amr": amr[0] if amr else "authenticated"},
        }
    else:
        narrowed = _narrowed(entry)
        if narrowed:
            statement["Condition"] = narrowed
    return statement


def _narrowed(entry: Entry) -> dict[str, Any]:
    """Where a statement lacked nothing but a condition, the policy means to be that narrow: the suggestion then names
    the values of this request instead of opening everything."""
    near = next(_near(entry), None)
    condition: dict[str, Any] = {}
    for miss in near[1].misses if near else ():
        _, on, key = miss.rpartition(" on ")
        value = entry.keys.get(key) if on else None
        if isinstance(value, str):
            condition.setdefault("StringEquals", {})[key] = value
        elif value is not None:
            condition.setdefault("ForAllValues:StringEquals", {})[key] = list(value)
    return condition


def _principal(entry: Entry) -> Any:
    if entry.principal == "anonymous":
        return "*"
    if entry.issuer == PROVIDER or ":oidc-provider/" in entry.issuer:
        return {"Federated": entry.issuer}
    if not entry.issuer.startswith("arn:"):
        return {"Service": entry.issuer}
    return {"AWS": entry.issuer}
