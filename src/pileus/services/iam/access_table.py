"""`pileus access`: who may do what, computed by the policy engine over everything that exists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from pileus.aws.errors import AWSError
from pileus.security.authorization import Identity, load, resource_set
from pileus.security.identities import ROLES, USERS
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.evaluate import EMPTY, Question, evaluate
from pileus.security.policy.patterns import Value
from pileus.security.principals import ANONYMOUS, Principal, root
from pileus.security.request_values import principal_arn
from pileus.services import all_services
from pileus.services.admin import admin
from pileus.services.client import Client
from pileus.services.context import Context
from pileus.services.iam.simulation import principal_of
from pileus.services.iam.suggestions import find
from pileus.services.operation import Shape

EVERYONE = "everyone"


@dataclass(frozen=True)
class Resource:
    """One thing that exists. `kind` is its type in AWS's service authorization reference."""

    service: str
    kind: str
    arn: str
    policies: tuple[Policy, ...] = ()


@admin("access")
async def access(context: Context, request: Shape) -> Shape:
    """Rows of principal, resource, the actions that it may do, and those it may do under conditions."""
    wanted = request.get("principal")
    principals = list(_principals(context, str(wanted) if wanted else ""))
    existing = [resource async for resource in _resources(context)]
    rows = [
        row for name, principal, identity in principals for row in _rows(context, name, principal, identity, existing)
    ]
    return {"account": context.account, "access": rows}


def _principals(context: Context, wanted: str) -> Iterator[tuple[str, Principal, Identity]]:
    arn = find(context.store, context.account, wanted) if wanted and wanted != EVERYONE else ""
    for records in (USERS, ROLES):
        for _, entity in records.scan(context.store, context.account):
            if not wanted or entity.arn == arn:
                principal = principal_of(entity)
                yield entity.arn, principal, load(context.store, principal, None)
    if wanted in ("", EVERYONE):
        yield EVERYONE, ANONYMOUS, Identity(None)


@cache
def _actions(service: str, kind: str) -> tuple[str, ...]:
    """The actions on a type of resource that Pileus has operations for; `` is for those that know no resource."""
    reference = json.loads(resources.files("pileus.aws").joinpath("data/actions.json").read_text())
    declared = {
        action.lower() for one in all_services().values() for operation in one.operations.values()
        for action in operation.actions
    }  # fmt: skip
    return tuple(
        f"{service}:{name}"
        for name, entry in reference[service]["actions"].items()
        if f"{service}:{name}".lower() in declared and (kind in entry["resources"] if kind else not entry["resources"])
    )


def _rows(
    context: Context, name: str, principal: Principal, identity: Identity, existing: list[Resource]
) -> Iterator[dict[str, Any]]:
    for resource in existing:
        actions = _actions(resource.service, resource.kind)
        allowed, conditional = [], []
        for action in actions:
            certain = _may(context, principal, identity, action, resource)
            if certain:
                allowed.append(action)
            elif certain is None:
                conditional.append(action)
        if allowed or conditional:
            yield {
                "principal": name,
                "resource": resource.arn,
                "allowed": [f"{resource.service}:*"] if len(allowed) == len(actions) else allowed,
                "conditional": conditional,
            }


def _may(
    context: Context, principal: Principal, identity: Identity, action: str, resource: Resource
) -> bool | None:  # fmt: skip
    """None where it depends on condition keys that only a request has."""
    values: dict[str, Value] = {f"aws:principaltag/{key.lower()}": value for key, value in identity.tags.items()}
    values["aws:principalaccount"] = principal.account
    arn = principal_arn(principal)
    if arn:
        values["aws:principalarn"] = arn
    policies = resource_set(resource.policies, False) if resource.policies else EMPTY
    question = Question(
        principal, action, resource.arn, values, context.account, identity.identity, identity.boundary,
        resource_policies=policies,
    )  # fmt: skip
    decision = evaluate(question)
    if decision.allowed:
        asked = decision.match.statement.keys if decision.match else frozenset[str]()
        return True if all(key in values for key in asked) else None
    return None if evaluate(replace(question, supposing=True)).allowed else False


async def _resources(context: Context) -> AsyncIterator[Resource]:
    """What there is, as the account's root sees it through the services themselves."""
    client = context.client(root(context.account))
    for read in (_functions, _tables, _buckets, _log_groups, _identity_pools):
        try:
            async for resource in read(client):
                yield resource
        except AWSError as error:
            if error.code != "NotImplemented":
                raise
    for service in ("iam", "sts", "lambda", "dynamodb", "s3", "logs", "cognito-identity", "cloudformation"):
        if _actions(service, ""):
            yield Resource(service, "", "*")


async def _pages(
    client: Client, service: str, operation: str, member: str, token: str, asked: str, **request: Any
) -> AsyncIterator[Any]:
    while True:
        answer = await client.call(service, operation, request)
        for entry in answer.get(member, ()):
            yield entry
        if not answer.get(token):
            return
        request[asked] = answer[token]


async def _policy(
    client: Client, service: str, operation: str, request: Shape, read: Callable[[Shape], str]
) -> tuple[Policy, ...]:
    try:
        return (parse(read(await client.call(service, operation, request)), "resource"),)
    except AWSError:
        return ()


async def _functions(client: Client) -> AsyncIterator[Resource]:
    async for entry in _pages(client, "lambda", "ListFunctions", "Functions", "NextMarker", "Marker"):
        asked = {"FunctionName": entry["FunctionName"]}
        policies = await _policy(client, "lambda", "GetPolicy", asked, lambda answer: str(answer["Policy"]))
        yield Resource("lambda", "function", entry["FunctionArn"], policies)


async def _tables(client: Client) -> AsyncIterator[Resource]:
    pages = _pages(
        client, "dynamodb", "ListTables", "TableNames", "LastEvaluatedTableName", "ExclusiveStartTableName"
    )  # fmt: skip
    async for name in pages:
        table = (await client.call("dynamodb", "DescribeTable", {"TableName": name}))["Table"]
        yield Resource("dynamodb", "table", table["TableArn"])


async def _buckets(client: Client) -> AsyncIterator[Resource]:
    async for entry in _pages(client, "s3", "ListBuckets", "Buckets", "ContinuationToken", "ContinuationToken"):
        name = entry["Name"]
        policies = await _policy(
            client, "s3", "GetBucketPolicy", {"Bucket": name}, lambda answer: str(answer["Policy"])
        )  # fmt: skip
        yield Resource("s3", "bucket", f"arn:aws:s3:::{name}", policies)
        yield Resource("s3", "object", f"arn:aws:s3:::{name}/*", policies)


async def _log_groups(client: Client) -> AsyncIterator[Resource]:
    async for entry in _pages(client, "logs", "DescribeLogGroups", "logGroups", "nextToken", "nextToken"):
        yield Resource("logs", "log-group", entry["arn"])


async def _identity_pools(client: Client) -> AsyncIterator[Resource]:
    account = (await client.call("sts", "GetCallerIdentity", {}))["Account"]
    pages = _pages(
        client, "cognito-identity", "ListIdentityPools", "IdentityPools", "NextToken", "NextToken", MaxResults=60
    )  # fmt: skip
    async for entry in pages:
        described = await client.call(
            "cognito-identity", "DescribeIdentityPool", {"IdentityPoolId": entry["IdentityPoolId"]}
        )  # fmt: skip
        region = described["IdentityPoolId"].partition(":")[0]
        arn = f"arn:aws:cognito-identity:{region}:{account}:identitypool/{described['IdentityPoolId']}"
        yield Resource("cognito-identity", "identitypool", arn)
