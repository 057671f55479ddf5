"""What operations of Lambda ask to be allowed.

Resources and condition keys follow
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html. A function that is named with a
qualifier is another resource than the function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pileus.aws.arn import arn
from pileus.security.policy.document import Policy
from pileus.services.context import Context
from pileus.services.lambda_.catalog import Catalog, compiled
from pileus.services.lambda_.names import FunctionName, function_name, layer_name
from pileus.services.lambda_.records import FUNCTIONS, LAYER_POLICIES, POLICIES
from pileus.services.operation import Access, AccessRule, Shape

Keys = dict[str, str | tuple[str, ...]]
MoreKeys = Callable[[Context, Shape], Mapping[str, str | tuple[str, ...]]]


def to_function(
    context: Context, action: str, name: FunctionName, keys: Mapping[str, str | tuple[str, ...]] | None = None
) -> Access:
    """Access to a function with the policy that is attached to what was named, and its tags."""
    tags, policies = context.cloud.part(Catalog).refresh().derived(_described, name)
    return Access(f"lambda:{action}", name.qualified_arn, {**tags, **keys} if keys else tags, policies, name.account)


def _described(catalog: Catalog, name: FunctionName) -> tuple[Mapping[str, str], tuple[Policy, ...]]:
    """A function's tags as condition keys, and the policy of what is named, compiled."""
    function = catalog.get(FUNCTIONS, *name.key)
    if function is None:
        return {}, ()
    tags = {f"aws:resourcetag/{key.lower()}": value for key, value in function.tags.items()}
    return tags, compiled(catalog.get(POLICIES, *name.key, name.qualifier))


def on_function(action: str, keys: MoreKeys | None = None) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        name = function_name(context, request)
        return to_function(context, action, name, keys(context, request) if keys else None)

    return rule


def on_whole_function(action: str, keys: MoreKeys | None = None) -> AccessRule:
    """For actions whose resource is the function even where a version or alias is named."""

    def rule(context: Context, request: Shape) -> Access:
        name = function_name(context, request).at("")
        return to_function(context, action, name, keys(context, request) if keys else None)

    return rule


def on_everything(action: str) -> AccessRule:
    """For actions without a resource of their own."""
    return lambda context, request: Access(f"lambda:{action}")


def on_layer_version(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        return to_layer_version(context, action, request["LayerName"], request["VersionNumber"])

    return rule


def to_layer_version(context: Context, action: str, layer: str, version: int = 0) -> Access:
    name = layer_name(context, layer, version)
    policy = LAYER_POLICIES.get(context.store, name.account, name.region, name.name, name.version)
    return Access(f"lambda:{action}", name.version_arn, {}, compiled(policy), name.account)


def on_layer(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        name = layer_name(context, request["LayerName"])
        return Access(f"lambda:{action}", name.arn, owner=name.account)

    return rule


def request_tags(request: Shape) -> Keys:
    tags: dict[str, str] = request.get("Tags") or {}
    keys: Keys = {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    if tags:
        keys["aws:tagkeys"] = tuple(tags)
    return keys


def passed_role(context: Context, request: Shape) -> Iterable[Access]:
    """Giving a function a role needs iam:PassRole on it."""
    if request.get("Role"):
        function = arn("lambda", context.region, context.account, f"function:{request['FunctionName']}")
        yield Access(
            "iam:PassRole",
            request["Role"],
            {"iam:passedtoservice": "lambda.amazonaws.com", "iam:associatedresourcearn": function},
        )


def used_layers(context: Context, request: Shape) -> Iterable[Access]:
    """A layer can be used by whom it may be read by."""
    for layer in request.get("Layers") or ():
        yield to_layer_version(context, "GetLayerVersion", layer)


def layer_keys(context: Context, request: Shape) -> dict[str, Any]:
    return {"lambda:layer": tuple(request["Layers"])} if request.get("Layers") else {}
