"""Resource-based policies of functions, versions, aliases and layer versions.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.security.accounts import ACCOUNTS
from pileus.security.identities import entity_of_arn
from pileus.security.policy.document import parse as parse_policy
from pileus.services.context import Context
from pileus.services.lambda_ import limits, revisions, service
from pileus.services.lambda_.access import on_function, on_layer_version
from pileus.services.lambda_.configuration import invalid, revision
from pileus.services.lambda_.names import LATEST, FunctionName, LayerName, function_name, layer_name
from pileus.services.lambda_.records import (
    ALIASES,
    FUNCTIONS,
    LAYER_POLICIES,
    LAYER_VERSIONS,
    POLICIES,
    ResourcePolicy,
    get_version,
    not_found,
    version_number,
)
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction

_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com|amazon\.com|alexa\.amazon\.com)(\.cn)?")
_ACCOUNT = re.compile(r"\d{12}")
_ROOT = re.compile(r"(?:arn:aws:iam::)?(\d{12})(?::root)?")
_ENTITY = re.compile(r"arn:aws:iam::\d{12}:(user|role)/.+")


def _keys(context: Context, request: Shape) -> dict[str, str]:
    keys = {"lambda:principal": request["Principal"]}
    if request.get("FunctionUrlAuthType"):
        keys["lambda:functionurlauthtype"] = request["FunctionUrlAuthType"]
    return keys


def check_existing(reader: Reader, name: FunctionName) -> None:
    """Raises where what is named does not exist, in the words of the permission operations."""
    if FUNCTIONS.get(reader, *name.key) is None:
        raise not_found(name)
    if name.qualifier and "$" not in name.qualifier and version_number(name.qualifier) is None:
        if ALIASES.get(reader, *name.key, name.qualifier) is None:
            raise AWSError("ResourceNotFoundException", f"Cannot find alias arn: {name.qualified_arn}", Type="User")
    else:
        get_version(reader, name)


@service.operation("AddPermission", access=on_function("AddPermission", _keys))
async def add_permission(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    if name.qualifier == LATEST:
        raise invalid("We currently do not support adding policies for $LATEST.")
    if request.get("PrincipalOrgID"):
        raise option_not_implemented("PrincipalOrgID", "there are no organizations.")
    statement = _statement(name, request)

    def change(tx: Transaction) -> None:
        check_existing(tx, name)
        check_principals(tx, [statement])
        policy = POLICIES.get(tx, *name.key, name.qualifier) or ResourcePolicy([], revisions.current(tx, name))
        check_policy_revision(policy, request.get("RevisionId"), "GetPolicy")
        _add(policy, statement)
        POLICIES.put(tx, *name.key, name.qualifier, value=policy)
        revisions.move(tx, name, policy.revision)

    await context.store.transact(change)
    return {"Statement": orjson.dumps(statement).decode()}


@service.operation("RemovePermission", access=on_function("RemovePermission"))
async def remove_permission(context: Context, request: Shape) -> None:
    name = function_name(context, request)

    def change(tx: Transaction) -> None:
        if FUNCTIONS.get(tx, *name.key) is None:
            raise AWSError("ResourceNotFoundException", f"No policy found for: {name.qualified_arn}", Type="User")
        check_existing(tx, name)
        policy = POLICIES.get(tx, *name.key, name.qualifier)
        if policy is None:
            raise no_policy()
        check_policy_revision(policy, request.get("RevisionId"), "GetPolicy")
        if _remove(policy, request["StatementId"]):
            POLICIES.put(tx, *name.key, name.qualifier, value=policy)
        else:
            POLICIES.delete(tx, *name.key, name.qualifier)
        revisions.move(tx, name, policy.revision)

    await context.store.transact(change)


@service.operation("GetPolicy", access=on_function("GetPolicy"))
async def get_policy(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    policy = POLICIES.get(context.store, *name.key, name.qualifier)
    if policy is None:
        raise AWSError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return {"Policy": orjson.dumps(policy.document).decode(), "RevisionId": policy.revision}


@service.operation("AddLayerVersionPermission", access=on_layer_version("AddLayerVersionPermission"))
async def add_layer_version_permission(context: Context, request: Shape) -> Shape:
    name = layer_name(context, request["LayerName"], request["VersionNumber"])
    if request.get("OrganizationId"):
        raise option_not_implemented("OrganizationId", "there are no organizations.")
    who = request["Principal"]
    statement = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if who == "*" else {"AWS": _aws_principal(who)},
        "Action": request["Action"],
        "Resource": name.version_arn,
    }

    def change(tx: Transaction) -> ResourcePolicy:
        check_existing_layer(tx, name)
        check_principals(tx, [statement])
        policy = LAYER_POLICIES.get(tx, *name) or ResourcePolicy([], "")
        check_policy_revision(policy, request.get("RevisionId"), "GetLayerPolicy")
        _add(policy, statement)
        LAYER_POLICIES.put(tx, *name, value=policy)
        return policy

    policy = await context.store.transact(change)
    return {"Statement": orjson.dumps(statement).decode(), "RevisionId": policy.revision}


@service.operation("RemoveLayerVersionPermission", access=on_layer_version("RemoveLayerVersionPermission"))
async def remove_layer_version_permission(context: Context, request: Shape) -> None:
    name = layer_name(context, request["LayerName"], request["VersionNumber"])

    def change(tx: Transaction) -> None:
        check_existing_layer(tx, name)
        policy = LAYER_POLICIES.get(tx, *name)
        if policy is None:
            raise no_policy()
        check_policy_revision(policy, request.get("RevisionId"), "GetLayerPolicy")
        if _remove(policy, request["StatementId"]):
            LAYER_POLICIES.put(tx, *name, value=policy)
        else:
            LAYER_POLICIES.delete(tx, *name)

    await context.store.transact(change)


@service.operation("GetLayerVersionPolicy", access=on_layer_version("GetLayerVersionPolicy"))
async def get_layer_version_policy(context: Context, request: Shape) -> Shape:
    name = layer_name(context, request["LayerName"], request["VersionNumber"])
    check_existing_layer(context.store, name)
    policy = LAYER_POLICIES.get(context.store, *name)
    if policy is None:
        raise no_policy()
    return {"Policy": orjson.dumps(policy.document).decode(), "RevisionId": policy.revision}


def _statement(name: FunctionName, request: Shape) -> dict[str, Any]:
    """The statement that AddPermission stands for."""
    who = request["Principal"]
    if who == "*":
        principal: Any = "*"
    elif _SERVICE.fullmatch(who):
        principal = {"Service": who}
    else:
        principal = {"AWS": _aws_principal(who)}
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal,
        "Action": request["Action"],
        "Resource": name.qualified_arn,
    }
    condition: dict[str, dict[str, Any]] = {}
    equals = {
        "AWS:SourceAccount": request.get("SourceAccount"),
        "lambda:EventSourceToken": request.get("EventSourceToken"),
        "lambda:FunctionUrlAuthType": request.get("FunctionUrlAuthType"),
    }
    if any(equals.values()):
        condition["StringEquals"] = {key: value for key, value in equals.items() if value}
    if request.get("SourceArn"):
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if request.get("InvokedViaFunctionUrl") is not None:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": str(request["InvokedViaFunctionUrl"]).lower()}
    if condition:
        statement["Condition"] = condition
    return statement


def _aws_principal(who: str) -> str:
    if _ACCOUNT.fullmatch(who):
        return f"arn:aws:iam::{who}:root"
    if who.startswith(("arn:aws:iam::", "arn:aws:sts::")):
        return who
    raise _invalid_principal()


def check_principals(reader: Reader, statements: list[dict[str, Any]]) -> None:
    """Only accounts, users and roles that exist can be named, as in every policy that is attached to a resource on
    AWS."""
    for statement in statements:
        element = statement.get("Principal")
        named = element.get("AWS") if isinstance(element, dict) else None
        for who in named if isinstance(named, list) else [named]:
            if not isinstance(who, str):
                continue
            account = _ROOT.fullmatch(who)
            if account and ACCOUNTS.get(reader, account[1]) is None:
                raise _invalid_principal()
            if _ENTITY.fullmatch(who) and entity_of_arn(reader, who) is None:
                raise _invalid_principal()


def _invalid_principal() -> AWSError:
    return invalid("The provided principal was invalid. Please check the principal and try again.")


def _add(policy: ResourcePolicy, statement: dict[str, Any]) -> None:
    sid = statement["Sid"]
    if any(existing.get("Sid") == sid for existing in policy.statements):
        raise AWSError(
            "ResourceConflictException",
            f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the"
            " existing statement.",
            Type="User",
        )
    policy.statements.append(statement)
    policy.revision = revision()
    check_document(policy)


def check_document(policy: ResourcePolicy) -> None:
    """Raises where it is too long, or no policy."""
    text = orjson.dumps(policy.document)
    if len(text) > limits.POLICY_BYTES:
        raise AWSError(
            "PolicyLengthExceededException",
            f"The final policy size ({len(text)}) is bigger than the limit ({limits.POLICY_BYTES}).",
            Type="User",
        )
    try:
        parse_policy(text.decode())
    except AWSError as error:
        raise invalid(error.message) from error


def _remove(policy: ResourcePolicy, sid: str) -> bool:
    """Whether statements are left."""
    left = [statement for statement in policy.statements if statement.get("Sid") != sid]
    if len(left) == len(policy.statements):
        raise AWSError(
            "ResourceNotFoundException", f"Statement {sid} is not found in resource policy.", Type="User"
        )  # fmt: skip
    policy.statements = left
    policy.revision = revision()
    return bool(left)


def check_policy_revision(policy: ResourcePolicy, wanted: str | None, source: str) -> None:
    if wanted and wanted != policy.revision:
        raise AWSError(
            "PreconditionFailedException",
            f"The Revision Id provided does not match the latest Revision Id. Call the {source} API to retrieve the"
            " latest Revision Id",
            Type="User",
        )


def no_policy() -> AWSError:
    return AWSError("ResourceNotFoundException", "No policy is associated with the given resource.", Type="User")


def check_existing_layer(reader: Reader, name: LayerName) -> None:
    if name.version < 1:
        raise invalid("Layer Version Cannot be less than 1")
    if LAYER_VERSIONS.get(reader, *name) is None:
        raise AWSError("ResourceNotFoundException", f"Layer version {name.version_arn} does not exist.", Type="User")
