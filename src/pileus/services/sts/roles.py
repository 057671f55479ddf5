"""Assuming a role with credentials: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""

from __future__ import annotations

from collections.abc import Iterable

from pileus.aws.errors import AWSError
from pileus.security.identities import role_of_arn, trust_policy
from pileus.security.policy.document import parse
from pileus.security.policy.patterns import Value
from pileus.security.principals import Session
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.sts import service
from pileus.services.sts.sessions import (
    assumed,
    check_arn,
    packed_size,
    passed_tags,
    refuse_options,
    role_duration,
    session_policies,
    tag_keys,
)


def _on_role(context: Context, request: Shape) -> Iterable[Access]:
    """A role that does not exist is denied like one that trusts nobody, so that nobody can search for roles."""
    check_arn(request["RoleArn"])
    role = role_of_arn(context.store, request["RoleArn"])
    keys: dict[str, Value] = {"sts:rolesessionname": request["RoleSessionName"]}
    if request.get("ExternalId"):
        keys["sts:externalid"] = request["ExternalId"]
    source_identity = _source_identity(context, request)
    if source_identity:
        keys["sts:sourceidentity"] = source_identity
    keys |= tag_keys(passed_tags(request), request.get("TransitiveTagKeys") or ())
    if role is None:
        return [Access("sts:AssumeRole", request["RoleArn"], keys)]
    for name, value in role.tags.items():
        keys[f"aws:resourcetag/{name.lower()}"] = keys[f"iam:resourcetag/{name.lower()}"] = value
    actions = ["sts:AssumeRole"]
    if request.get("Tags"):
        actions.append("sts:TagSession")
    if source_identity:
        actions.append("sts:SetSourceIdentity")
    trust = (parse(trust_policy(context.store, role), "trust"),)
    return [Access(action, role.arn, keys, trust, role.account) for action in actions]


def _source_identity(context: Context, request: Shape) -> str:
    session = context.principal.session
    inherited = session.source_identity if session else ""
    return inherited or request.get("SourceIdentity") or ""


@service.operation(
    "AssumeRole", access=_on_role, actions=("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
)  # fmt: skip
async def assume_role(context: Context, request: Shape) -> Shape:
    refuse_options(request)
    caller = context.principal
    if caller.kind == "root":
        raise AWSError("AccessDenied", "Roles may not be assumed by root accounts.", status=403)
    role = role_of_arn(context.store, request["RoleArn"])
    if role is None:
        raise AWSError("AccessDenied", "Not authorized to perform sts:AssumeRole", status=403)
    inherited = caller.session.source_identity if caller.session else ""
    if inherited and request.get("SourceIdentity") not in (None, inherited):
        raise AWSError("AccessDenied", "The source identity of a session cannot be changed.", status=403)
    chained = caller.kind == "role"
    seconds = role_duration(role, request, chained=chained)
    policies = session_policies(context, role.account, request)
    tags, transitive = _tags(context, request)
    packed_size(policies, tags)
    session = Session(
        name=request["RoleSessionName"],
        issued=context.received,
        expires=context.received + seconds,
        policies=policies,
        tags=tags,
        transitive_tag_keys=transitive,
        source_identity=_source_identity(context, request),
        chained=chained,
        mfa=bool(caller.session and caller.session.mfa),
    )
    return assumed(context, role, session)


def _tags(context: Context, request: Shape) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tags of the new session: what the caller's session hands on, which nobody may set anew, and what is passed."""
    session = context.principal.session
    inherited = {
        key: value for key, value in (session.tags if session else {}).items() if key in session.transitive_tag_keys  # type: ignore[union-attr]
    }  # fmt: skip
    passed = passed_tags(request)
    transitive = tuple(request.get("TransitiveTagKeys") or ())
    kept = {key.lower() for key in inherited}
    if kept & {key.lower() for key in (*passed, *transitive)}:
        raise AWSError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
            "the calling session.",
            status=400,
        )
    if not {key.lower() for key in transitive} <= {key.lower() for key in passed}:
        raise AWSError(
            "InvalidParameterValue",
            "The specified transitive tag key must be included in the requested tags.",
            status=400,
        )
    return {**inherited, **passed}, (*inherited, *transitive)
