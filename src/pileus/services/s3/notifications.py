"""Event notifications to Lambda (https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html).

S3 invokes functions asynchronously as the service principal s3.amazonaws.com, so a function's own policy must allow it.
An event is noted in the transaction that makes it, and delivered at least once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any
from urllib.parse import quote_plus

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.aws.identifiers import unique_id
from pileus.security import principals
from pileus.security.policy.principal_element import canonical_user
from pileus.security.request_values import iso
from pileus.services.context import Cloud, Context
from pileus.services.operation import Shape
from pileus.services.s3 import access, service
from pileus.services.s3.names import bucket_arn
from pileus.services.s3.state import BUCKETS, EVENTS, Bucket, Event, Version, bucket_of
from pileus.store.interface import Transaction

_log = logging.getLogger(__name__)
_FUNCTIONS = "LambdaFunctionConfigurations"
_ELSEWHERE = {
    "TopicConfigurations": "notifications to SNS",
    "QueueConfigurations": "notifications to SQS",
    "EventBridgeConfiguration": "notifications to EventBridge",
}
_AGAIN_SECONDS = 60.0
_TRIED_SECONDS = 6 * 3600.0
"""How long an invocation that is refused is tried again."""
_EVENTS = frozenset(
    {
        "ObjectCreated:*", "ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload", "ObjectRemoved:*", "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:*", "ObjectTagging:Put", "ObjectTagging:Delete",
        "ObjectAcl:Put", "LifecycleExpiration:*", "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
    }
)  # fmt: skip


Pending = list[tuple[str, Event]]


class Deliveries:
    """Invocations under way: the event loop alone would not keep them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, pending: Pending) -> None:
        for key, event in pending:
            task = asyncio.create_task(self._deliver(key, event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, key: str, event: Event) -> None:
        bucket = bucket_of(self._cloud, event.bucket)
        try:
            if bucket is not None:
                await _client(self._cloud, bucket).call(
                    "lambda",
                    "Invoke",
                    {"FunctionName": event.function, "InvocationType": "Event", "Payload": event.payload},
                )
        except AWSError as error:
            if self._cloud.clock.time() < event.at + _TRIED_SECONDS:
                _log.warning("a notification of bucket %s to %s waits: %s", event.bucket, event.function, error)
                return
        await self._cloud.store.transact(lambda tx: EVENTS.delete(tx, key))

    async def finish(self) -> None:
        await asyncio.gather(*self._tasks)


def _client(cloud: Cloud, bucket: Bucket) -> Any:
    principal = principals.service("s3.amazonaws.com", bucket.account, bucket_arn(bucket.name))
    return cloud.client(principal, region=bucket.region)


@service.on_stop.append
async def _finish(cloud: Cloud) -> None:
    await cloud.part(Deliveries).finish()


@service.every(_AGAIN_SECONDS, "events")
async def deliver_again(cloud: Cloud) -> None:
    """What a crash or a function that could not be invoked left behind."""
    before = cloud.clock.time() - _AGAIN_SECONDS
    left = [(str(key[0]), event) for key, event in EVENTS.scan(cloud.store, limit=1000) if event.at < before]
    deliveries = cloud.part(Deliveries)
    deliveries.start(left)
    await deliveries.finish()


def note(context: Context, tx: Transaction, bucket: Bucket, event: str, key: str, version: Version) -> Pending:
    """Notes the event for every function that wants to know, in the transaction that makes it; `deliver` what this
    answers once it is durable."""
    pending: Pending = []
    if "notification" not in bucket.configurations:
        return pending
    for wanted in _wanted(bucket, event, key):
        told = _record(context, bucket, event, key, version, wanted.get("Id", ""))
        payload = json.dumps({"Records": [told]}).encode()
        noted = Event(bucket.name, wanted["LambdaFunctionArn"], payload, context.received)
        pending.append((secrets.token_hex(8), noted))
        EVENTS.put(tx, pending[-1][0], value=noted)
    return pending


def deliver(cloud: Cloud, pending: Pending) -> None:
    if pending:
        cloud.part(Deliveries).start(pending)


def _wanted(bucket: Bucket, event: str, key: str) -> Iterator[Mapping[str, Any]]:
    for wanted in bucket.configurations.get("notification", {}).get(_FUNCTIONS, ()):
        names = {name.removeprefix("s3:") for name in wanted["Events"]}
        if not names.isdisjoint({event, f"{event.partition(':')[0]}:*"}) and _passes(wanted, key):
            yield wanted


def _passes(wanted: Mapping[str, Any], key: str) -> bool:
    rules = wanted.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    tests = {"prefix": key.startswith, "suffix": key.endswith}
    return all(tests[rule["Name"].lower()](rule.get("Value", "")) for rule in rules)


def _record(
    context: Context, bucket: Bucket, event: str, key: str, version: Version, configuration: str
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    shown: dict[str, Any] = {"key": quote_plus(key, safe="/"), "sequencer": f"{version.order:016X}"}
    if event.startswith("ObjectCreated"):
        shown |= {"size": version.size, "eTag": version.etag}
    elif version.etag:
        shown["eTag"] = version.etag
    if bucket.versioning:
        shown["versionId"] = version.id
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": f"{iso(context.received)[:-1]}.{int(context.received * 1000) % 1000:03d}Z",
        "eventName": event,
        "userIdentity": {"principalId": context.principal.user_id},
        "requestParameters": {"sourceIPAddress": context.source_ip},
        "responseElements": {"x-amz-request-id": context.request_id, "x-amz-id-2": context.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": canonical_user(bucket.account)},
                "arn": bucket_arn(bucket.name),
            },
            "object": shown,
        },
    }


@service.operation(
    "PutBucketNotificationConfiguration",
    access=access.on_bucket("s3:PutBucketNotification"),
    actions=["s3:PutBucketNotification"],
)
async def put_bucket_notification_configuration(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)
    configuration = request["NotificationConfiguration"]
    for member, name in _ELSEWHERE.items():
        if configuration.get(member) is not None and configuration[member] != []:
            raise option_not_implemented(name)
    wanted = [_checked(item) for item in configuration.get(_FUNCTIONS) or ()]
    if any(_overlap(one, other) for one, other in combinations(wanted, 2)):
        raise AWSError(
            "InvalidArgument",
            "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
            status=400,
        )
    if not request.get("SkipDestinationValidation"):
        for item in wanted:
            await _check_destination(context, bucket, item["LambdaFunctionArn"])

    def change(tx: Transaction) -> None:
        now = BUCKETS.get(tx, bucket.name)
        if now is not None:
            now.configurations["notification"] = {_FUNCTIONS: wanted} if wanted else {}
            BUCKETS.put(tx, bucket.name, value=now)

    await context.store.transact(change)


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether some event of some key would be told to both
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html)."""
    if not any(_same(first, second) for first in one["Events"] for second in other["Events"]):
        return False
    (prefix, suffix), (another, ending) = _affixes(one), _affixes(other)
    return (prefix.startswith(another) or another.startswith(prefix)) and (
        suffix.endswith(ending) or ending.endswith(suffix)
    )


def _same(one: str, other: str) -> bool:
    (kind, _, what), (another, _, which) = one.rpartition(":"), other.rpartition(":")
    return kind == another and (what == which or "*" in (what, which))


def _affixes(item: Mapping[str, Any]) -> tuple[str, str]:
    rules = item.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    named = {rule["Name"].lower(): rule.get("Value", "") for rule in rules}
    return named.get("prefix", ""), named.get("suffix", "")


def _checked(item: Mapping[str, Any]) -> dict[str, Any]:
    if not item["LambdaFunctionArn"].startswith("arn:"):
        raise AWSError(
            "InvalidArgument",
            "The ARN could not be parsed",
            status=400,
            ArgumentName="CloudFunction",
            ArgumentValue=item["LambdaFunctionArn"],
        )
    for event in item["Events"]:
        if event.removeprefix("s3:") not in _EVENTS:
            raise AWSError(
                "InvalidArgument",
                "The event is not supported for notifications",
                status=400,
                ArgumentName="Event",
                ArgumentValue=event,
            )
    for rule in item.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
        if rule.get("Name", "").lower() not in ("prefix", "suffix"):
            raise AWSError(
                "InvalidArgument",
                "filter rule name must be either prefix or suffix",
                status=400,
                ArgumentName="FilterRule.Name",
                ArgumentValue=str(rule.get("Name")),
            )
    return {**item, "Id": item.get("Id") or unique_id("")}


async def _check_destination(context: Context, bucket: Bucket, function: str) -> None:
    try:
        await _client(context.cloud, bucket).call(
            "lambda", "Invoke", {"FunctionName": function, "InvocationType": "DryRun"}
        )
    except AWSError:
        raise AWSError(
            "InvalidArgument",
            "Unable to validate the following destination configurations",
            status=400,
            ArgumentName1=f"{function}, null",
            ArgumentValue1=f"Not authorized to invoke function [{function}]",
        ) from None


@service.operation(
    "GetBucketNotificationConfiguration",
    access=access.on_bucket("s3:GetBucketNotification"),
    actions=["s3:GetBucketNotification"],
)
async def get_bucket_notification_configuration(context: Context, request: Shape) -> Shape:
    return dict(access.find(context, request).configurations.get("notification", {}))
