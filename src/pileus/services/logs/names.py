"""Log groups by name or ARN, and what actions on them ask to be allowed.

Policies see a group as `…:log-group:NAME:log-stream:` and a stream as `…:log-group:NAME:log-stream:STREAM`, as the
texts of AWS's own denials show; tagging sees `…:log-group:NAME`.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pileus.aws.arn import arn, parse
from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape


class GroupName(NamedTuple):
    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return arn("logs", self.region, self.account, f"log-group:{self.name}")

    def stream_arn(self, stream: str) -> str:
        return f"{self.arn}:log-stream:{stream}"


def group_name(context: Context, request: Shape) -> GroupName:
    """The group that `logGroupName` or `logGroupIdentifier` names."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name and identifier:
        raise AWSError("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if not name and not identifier:
        raise invalid("Either logGroupName or logGroupIdentifier is required.")
    if identifier and identifier.startswith("arn:"):
        return from_arn(identifier)
    return GroupName(context.account, context.region, str(name or identifier))


def from_arn(text: str) -> GroupName:
    try:
        parsed = parse(text)
    except ValueError:
        raise invalid(f"Invalid resource ARN: {text}") from None
    kind, _, name = parsed.resource.partition(":")
    if parsed.service != "logs" or kind != "log-group" or not name:
        raise invalid(f"Invalid resource ARN: {text}")
    return GroupName(parsed.account, parsed.region, name.removesuffix(":*"))


def invalid(message: str) -> AWSError:
    return AWSError("InvalidParameterException", message)


def on_group(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        name = group_name(context, request)
        return Access(f"logs:{action}", name.stream_arn(""), owner=name.account)

    return rule


def on_stream(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        name = group_name(context, request)
        return Access(f"logs:{action}", name.stream_arn(request["logStreamName"]), owner=name.account)

    return rule


def on_resource(action: str) -> AccessRule:
    """For the operations on tags, which name the group by its ARN."""

    def rule(context: Context, request: Shape) -> Access:
        name = from_arn(request["resourceArn"])
        return Access(f"logs:{action}", name.arn, tag_keys(request), owner=name.account)

    return rule


def tag_keys(request: Shape) -> dict[str, Any]:
    """Condition keys for the tags that a request sets or takes away."""
    tags: dict[str, str] = request.get("tags") or {} if isinstance(request.get("tags"), dict) else {}
    keys: dict[str, Any] = {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    named = (*tags, *(request.get("tagKeys") or ()))
    return {**keys, "aws:tagkeys": named} if named else keys
