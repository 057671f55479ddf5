"""Credentials for identities, in one call: the enhanced flow.

https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flow.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pileus.aws.errors import AWSError
from pileus.security.principals import ANONYMOUS
from pileus.services.cognito_identity import service
from pileus.services.cognito_identity.errors import invalid_configuration, invalid_parameter, not_authorized
from pileus.services.cognito_identity.guests import GUEST_POLICY, GUEST_POLICY_ARN
from pileus.services.cognito_identity.logins import Login
from pileus.services.cognito_identity.records import Pool
from pileus.services.cognito_identity.tokens import TOKEN_SECONDS, identify, login_amr, mapped_tags, open_id_token
from pileus.services.context import Context
from pileus.services.operation import Shape, unauthorized

SESSION_NAME = "CognitoIdentityCredentials"


@service.operation("GetCredentialsForIdentity", access=unauthorized)
async def get_credentials_for_identity(context: Context, request: Shape) -> Shape:
    """Public: the logins are proved here, then STS asks the role's trust policy about the identity."""
    pool, identity, logins = await identify(context, request)
    role = _role(pool, logins, request.get("CustomRoleArn"))
    token = await open_id_token(
        context, pool, identity.id, login_amr(logins), TOKEN_SECONDS, mapped_tags(pool, logins)
    )  # fmt: skip
    asked: Shape = {"RoleArn": role, "RoleSessionName": SESSION_NAME, "WebIdentityToken": token}
    if not logins:
        asked |= {"PolicyArns": [{"arn": GUEST_POLICY_ARN}], "Policy": GUEST_POLICY}
    try:
        answer = await context.client(ANONYMOUS).call("sts", "AssumeRoleWithWebIdentity", asked)
    except AWSError as error:
        raise invalid_configuration() from error
    credentials = answer["Credentials"]
    return {
        "IdentityId": identity.id,
        "Credentials": {
            "AccessKeyId": credentials["AccessKeyId"],
            "SecretKey": credentials["SecretAccessKey"],
            "SessionToken": credentials["SessionToken"],
            "Expiration": credentials["Expiration"],
        },
    }


def _role(pool: Pool, logins: Sequence[Login], custom: str | None) -> str:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html"""
    default = pool.roles.get("authenticated" if logins else "unauthenticated")
    for login in logins:
        mapping = next((pool.role_mappings[name] for name in login.mapping_names if name in pool.role_mappings), None)
        if mapping is None:
            continue
        chosen = _mapped(mapping, login.claims, custom)
        if chosen:
            return chosen
        if custom:
            raise not_authorized("The role is not among those of the token.")
        if mapping["AmbiguousRoleResolution"] == "Deny":
            raise not_authorized("The role of this identity is ambiguous.")
    if custom:
        raise invalid_parameter("A custom role can be asked for only where a role mapping of the login offers it.")
    if not default:
        raise invalid_configuration()
    return default


def _mapped(mapping: dict[str, Any], claims: Mapping[str, Any], custom: str | None) -> str | None:
    if mapping["Type"] == "Token":
        roles = claims.get("cognito:roles")
        offered = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
        if custom:
            return custom if custom in offered else None
        preferred = claims.get("cognito:preferred_role")
        if isinstance(preferred, str) and preferred in offered:
            return preferred
        return offered[0] if len(offered) == 1 else None
    matching = [rule["RoleARN"] for rule in mapping["RulesConfiguration"]["Rules"] if _matches(rule, claims)]
    if custom:
        return custom if custom in matching else None
    return str(matching[0]) if matching else None


_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "Equals": operator.eq,
    "NotEqual": operator.ne,
    "Contains": operator.contains,
    "StartsWith": str.startswith,
}


def _matches(rule: dict[str, Any], claims: Mapping[str, Any]) -> bool:
    found = claims.get(rule["Claim"])
    values = [str(one) for one in (found if isinstance(found, list) else [found]) if isinstance(one, str | int | float)]
    matches = (_MATCHES[rule["MatchType"]](value, rule["Value"]) for value in values)
    return bool(values) and (all(matches) if rule["MatchType"] == "NotEqual" else any(matches))
