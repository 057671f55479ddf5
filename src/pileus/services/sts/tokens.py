"""Credentials for a user's own session, and for federated users.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html and …/API_GetFederationToken.html
"""

from __future__ import annotations

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.security.principals import Principal, Session
from pileus.services.context import Context
from pileus.services.operation import Access, Shape, unauthorized
from pileus.services.sts import service
from pileus.services.sts.sessions import mint, packed_size, passed_tags, refuse_options, session_policies, tag_keys

_DEFAULT_SECONDS = 43_200
_ROOT_SECONDS = 3600


def _seconds(context: Context, request: Shape) -> int:
    """A root user's sessions last an hour at most, whatever is asked for."""
    asked = int(request.get("DurationSeconds") or _DEFAULT_SECONDS)
    return min(asked, _ROOT_SECONDS) if context.principal.kind == "root" else asked


def _check_long_term(context: Context) -> None:
    if context.principal.session is not None or context.principal.kind not in ("user", "root"):
        raise AWSError("AccessDenied", f"Cannot call {context.operation} with session credentials", status=403)


@service.operation("GetSessionToken", access=unauthorized)
async def get_session_token(context: Context, request: Shape) -> Shape:
    """No permission is needed, says AWS: the session can do no more than the user."""
    refuse_options(request)
    _check_long_term(context)
    session = Session(issued=context.received, expires=context.received + _seconds(context, request))
    caller = context.principal
    principal = Principal(
        caller.kind, caller.account, caller.arn, issuer=caller.issuer, user_id=caller.user_id, name=caller.name,
        session=session,
    )  # fmt: skip
    return {"Credentials": mint(context, principal)}


def _on_federated_user(context: Context, request: Shape) -> list[Access]:
    tags = passed_tags(request)
    resource = arn("sts", "", context.account, f"federated-user/{request['Name']}")
    actions = ["sts:GetFederationToken", *(["sts:TagSession"] if tags else [])]
    return [Access(action, resource, tag_keys(tags)) for action in actions]


@service.operation(
    "GetFederationToken", access=_on_federated_user, actions=("sts:GetFederationToken", "sts:TagSession")
)  # fmt: skip
async def get_federation_token(context: Context, request: Shape) -> Shape:
    refuse_options(request)
    _check_long_term(context)
    caller, name = context.principal, request["Name"]
    policies, tags = session_policies(context, caller.account, request), passed_tags(request)
    size = packed_size(policies, tags)
    session = Session(
        name=name,
        issued=context.received,
        expires=context.received + _seconds(context, request),
        policies=policies,
        tags=tags,
    )
    principal = Principal(
        "federated",
        caller.account,
        arn("sts", "", caller.account, f"federated-user/{name}"),
        issuer=caller.issuer,
        user_id=f"{caller.account}:{name}",
        name=name,
        session=session,
    )
    return {
        "Credentials": mint(context, principal),
        "FederatedUser": {"FederatedUserId": principal.user_id, "Arn": principal.arn},
        "PackedPolicySize": size,
    }
