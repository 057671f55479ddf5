"""Names of functions and layers: a name, a partial ARN or an ARN, with or without a qualifier.

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#lambda-GetFunction-request-uri-FunctionName
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.services.context import Context

LATEST = "$LATEST"

_FUNCTION = re.compile(
    r"(?:arn:[a-z-]+:lambda:)?(?:(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[A-Za-z0-9_.-]+)(?::(?P<qualifier>[$A-Za-z0-9_.-]+))?"
)
_LAYER = re.compile(
    r"(?:arn:[a-z-]+:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:)?"
    r"(?P<name>[A-Za-z0-9_-]+)(?::(?P<version>[0-9]{1,18}))?"
)


class FunctionName(NamedTuple):
    """A function, and the qualifier that was given with it: a version's number, `$LATEST` or an alias."""

    account: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        return _arn(self.account, self.region, self.name, "")

    @property
    def qualified_arn(self) -> str:
        """With the qualifier where one was given, as policies see the resource."""
        return _arn(*self)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.account, self.region, self.name

    def at(self, qualifier: str) -> FunctionName:
        return FunctionName(self.account, self.region, self.name, qualifier)


@lru_cache(16_384)
def _arn(account: str, region: str, name: str, qualifier: str) -> str:
    return arn("lambda", region, account, f"function:{name}:{qualifier}" if qualifier else f"function:{name}")


def function_name(context: Context, request: dict[str, Any]) -> FunctionName:
    """The function that `FunctionName` and `Qualifier` of a request name."""
    return parse(context, request["FunctionName"], request.get("Qualifier") or "")


def parse(context: Context, text: str, qualifier: str = "") -> FunctionName:
    return _parsed(text, qualifier, context.account, context.region)


@lru_cache(16_384)
def _parsed(text: str, qualifier: str, account: str, own_region: str) -> FunctionName:
    match = _FUNCTION.fullmatch(text)
    if match is None:
        raise AWSError("InvalidParameterValueException", f"The function name {text} is not valid.", Type="User")
    derived = match["qualifier"] or ""
    if derived and qualifier and derived != qualifier:
        raise AWSError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
            Type="User",
        )
    region = match["region"] or own_region
    if region != own_region:
        raise AWSError(
            "ResourceNotFoundException",
            f"Functions from '{region}' are not reachable in this region ('{own_region}')",
            Type="User",
        )
    return FunctionName(match["account"] or account, region, match["name"], qualifier or derived)


def unqualified(context: Context, request: dict[str, Any]) -> FunctionName:
    """For operations on the function as a whole, which refuse versions and aliases."""
    name = parse(context, request["FunctionName"])
    if name.qualifier:
        raise AWSError(
            "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation."
            " Please specify either a function name or an unqualified function ARN.",
            Type="User",
        )
    return name


def from_arn(text: str) -> FunctionName:
    """Raises ValueError where `text` is not a function's ARN."""
    match = _FUNCTION.fullmatch(text) if text.startswith("arn:") else None
    if match is None or not match["region"] or not match["account"] or ":function:" not in text:
        raise ValueError(f"not a function's ARN: {text!r}")
    return FunctionName(match["account"], match["region"], match["name"], match["qualifier"] or "")


class LayerName(NamedTuple):
    account: str
    region: str
    name: str
    version: int = 0

    @property
    def arn(self) -> str:
        return arn("lambda", self.region, self.account, f"layer:{self.name}")

    @property
    def version_arn(self) -> str:
        return f"{self.arn}:{self.version}"


def layer_name(context: Context, text: str, version: int = 0) -> LayerName:
    match = _LAYER.fullmatch(text)
    if match is None:
        raise AWSError("InvalidParameterValueException", f"The layer name {text} is not valid.", Type="User")
    return LayerName(
        match["account"] or context.account,
        match["region"] or context.region,
        match["name"],
        version or int(match["version"] or 0),
    )
