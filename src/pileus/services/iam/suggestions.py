"""`pileus policy suggest`: the least policy for what a principal was seen to do."""

from __future__ import annotations

import json
from typing import Any

from pileus.aws.errors import AWSError
from pileus.security.activity import activity_of
from pileus.security.identities import role, user
from pileus.security.policy.document import parse
from pileus.services.admin import admin
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store.interface import Reader


@admin("policy-suggest")
async def policy_suggest(context: Context, request: Shape) -> Shape:
    await context.cloud.authorizer.decisions.flush(context.store)
    issuer = find(context.store, context.account, str(request.get("principal", "")))
    seen: dict[str, dict[str, int]] = {}
    for action, resource, activity in activity_of(context.store, context.account, issuer):
        seen.setdefault(action, {})[resource] = activity.count
    if not seen:
        raise AWSError("NotFound", f"{issuer} was not seen doing anything yet.", status=404)
    document = suggest({action: set(resources) for action, resources in seen.items()})
    parse(json.dumps(document), "identity")
    return {"principal": issuer, "policy": document, "seen": seen}


def find(reader: Reader, account: str, name: str) -> str:
    """The ARN of a role or user by its name or ARN. Raises AWSError where there is none, or both."""
    short = name.rpartition("/")[2]
    found = [one.arn for one in (role(reader, account, short), user(reader, account, short)) if one is not None]
    if name.startswith("arn:"):
        found = [arn for arn in found if arn == name]
    if not found:
        raise AWSError("NoSuchEntity", f"There is no role or user {name}.", status=404)
    if len(found) > 1:
        raise AWSError("ValidationException", f"{name} is a role and a user: say which by its ARN.", status=400)
    return found[0]


def suggest(seen: dict[str, set[str]]) -> dict[str, Any]:
    """A policy that allows just these actions on these resources: those with the same resources share a statement."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for action, resources in sorted(seen.items()):
        groups.setdefault(_fewest(resources), []).append(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": _one_or_many(actions), "Resource": _one_or_many(list(resources))}
            for resources, actions in groups.items()
        ],
    }


def _fewest(resources: set[str]) -> tuple[str, ...]:
    """Without those that another one with a wildcard covers."""
    prefixes = tuple(resource[:-1] for resource in resources if resource.endswith("*"))
    return tuple(
        sorted(
            resource
            for resource in resources
            if not any(resource.startswith(prefix) and resource != f"{prefix}*" for prefix in prefixes)
        )
    )


def _one_or_many(texts: list[str]) -> Any:
    return texts[0] if len(texts) == 1 else texts
