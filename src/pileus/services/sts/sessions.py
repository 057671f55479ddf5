"""What all temporary credentials have in common: session policies, tags, lifetimes, and their minting.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from pileus.aws.arn import arn
from pileus.aws.arn import parse as parse_arn
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.security import tokens
from pileus.security.identities import Role, managed_policy
from pileus.security.policy.document import parse
from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal, Session
from pileus.services.context import Context
from pileus.services.operation import Shape

POLICY_LIMIT = 2048
POLICY_ARNS = 10
_PACKED_LIMIT = 4096


def validation_error(message: str) -> AWSError:
    return AWSError("ValidationError", message, status=400)


def check_arn(text: str) -> None:
    """Raises ValidationError for what is no ARN."""
    try:
        parse_arn(text)
    except ValueError as error:
        raise validation_error(f"{text} is invalid") from error


def refuse_options(request: Shape) -> None:
    """What would otherwise have to be accepted and ignored."""
    for option in ("SerialNumber", "TokenCode"):
        if request.get(option):
            raise option_not_implemented(f"{option}: multi-factor authentication")
    for option in ("ProvidedContexts", "MinimumSessionTokenSize"):
        if request.get(option):
            raise option_not_implemented(option)


def session_policies(context: Context, account: str, request: Shape) -> tuple[str, ...]:
    """The managed policies (by ARN) and the document that a request passes, checked."""
    found: list[str] = []
    arns = [entry.get("arn", "") for entry in request.get("PolicyArns") or ()]
    if len(arns) > POLICY_ARNS:
        raise validation_error(f"Cannot exceed quota for PolicyArns: {POLICY_ARNS}")
    for policy_arn in arns:
        policy = managed_policy(context.store, policy_arn)
        if policy is None or policy.account not in (account, "aws"):
            raise AWSError("MalformedPolicyDocument", f"Policy {policy_arn} does not exist.", status=400)
        found.append(policy_arn)
    document = request.get("Policy")
    if document:
        if len(document) > POLICY_LIMIT:
            raise validation_error(
                f"1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length "
                f"less than or equal to {POLICY_LIMIT}"
            )
        parse(document, "identity")
        found.append(document)
    return tuple(found)


def passed_tags(request: Shape) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in request.get("Tags") or ():
        if tag["Key"].lower() in (key.lower() for key in tags):
            raise AWSError(
                "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                status=400,
            )  # fmt: skip
        if tag["Key"].lower().startswith("aws:"):
            raise AWSError("InvalidParameterValue", "Tag keys beginning with aws: are reserved.", status=400)
        tags[tag["Key"]] = tag["Value"]
    return tags


def tag_keys(tags: Mapping[str, str], transitive: Iterable[str] = ()) -> dict[str, Value]:
    """Condition keys of the session tags in a request."""
    keys: dict[str, Value] = {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    if tags:
        keys["aws:tagkeys"] = tuple(tags)
    listed = tuple(transitive)
    if listed:
        keys["sts:transitivetagkeys"] = listed
    return keys


def packed_size(policies: Iterable[str], tags: Mapping[str, str]) -> int:
    """Session policies and tags in packed form, in per cent of what a session may hold."""
    listed = list(policies)
    if not listed and not tags:
        return 0
    packed = len(zlib.compress(json.dumps([listed, dict(tags)]).encode(), 9))
    percent = -(-packed * 100 // _PACKED_LIMIT)
    if percent > 100:
        raise AWSError(
            "PackedPolicyTooLarge",
            f"Packed size of session policies and tags consumes {percent}% of the allotted space.",
            status=400,
        )
    return percent


def role_session(role: Role, session: Session) -> Principal:
    return Principal(
        "role",
        role.account,
        arn("sts", "", role.account, f"assumed-role/{role.name}/{session.name}"),
        issuer=role.arn,
        user_id=f"{role.id}:{session.name}",
        name=role.name,
        session=session,
    )


def mint(context: Context, principal: Principal) -> dict[str, Any]:
    """Credentials in STS's shape."""
    return dict(tokens.issue(context.cloud.keyring.sealer, principal).shape)


def assumed(context: Context, role: Role, session: Session) -> Shape:
    """What the AssumeRole operations answer alike."""
    principal = role_session(role, session)
    answer: Shape = {
        "Credentials": mint(context, principal),
        "AssumedRoleUser": {"AssumedRoleId": principal.user_id, "Arn": principal.arn},
    }
    if session.policies or session.tags:
        answer["PackedPolicySize"] = packed_size(session.policies, session.tags)
    if session.source_identity:
        answer["SourceIdentity"] = session.source_identity
    return answer


def role_duration(role: Role, request: Shape, *, chained: bool) -> int:
    seconds = int(request.get("DurationSeconds") or 3600)
    if chained and seconds > 3600:
        raise validation_error(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > role.max_session_duration:
        raise validation_error("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return seconds
