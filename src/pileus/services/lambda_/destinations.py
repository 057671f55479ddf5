"""Where the outcome of an invocation is sent, as the function's execution role: to another function, or, of one that
failed, to a bucket.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and …/services-dynamodb-errors.html
"""

from __future__ import annotations

import logging
import re
import uuid
from datetime import datetime
from typing import Any

import msgspec

from pileus.aws.arn import parse
from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.runtime.interface import Outcome
from pileus.services.context import Cloud, Context
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.names import FunctionName, from_arn
from pileus.services.lambda_.records import get_version
from pileus.services.lambda_.roles import Roles

_log = logging.getLogger(__name__)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def check(context: Context, own: FunctionName, target: str, described: str = "", *, failures: bool = True) -> None:
    """Raises where outcomes of `own` cannot be sent to `target`; `described` is the configuration in AWS's words.
    Only what failed may go to a bucket."""
    if not target:
        return
    service = _service(target)
    if service in ("sqs", "sns", "events"):
        raise option_not_implemented(
            f"destinations of the service {service}", "only functions and buckets can be told of outcomes."
        )  # fmt: skip
    if service == "s3" and failures and _bucket(target):
        return
    if service != "lambda":
        raise invalid(f"The provided destination config {described or target} is invalid.")
    try:
        name = from_arn(target)
    except ValueError:
        raise invalid(f"The destination ARN {target} is invalid.") from None
    if name.arn == own.arn:
        raise invalid("You can't specify the function as a destination for itself.")
    try:
        get_version(context.store, name)
    except AWSError:
        raise invalid(f"The destination ARN {target} is invalid.") from None


def _service(target: str) -> str:
    try:
        return parse(target).service
    except ValueError:
        return ""


def _bucket(target: str) -> str:
    """The bucket's name, empty where the ARN is not one of a bucket."""
    name = target.removeprefix("arn:aws:s3:::")
    return name if _BUCKET.fullmatch(name) else ""


def record(
    request_id: str, function: str, condition: str, attempts: int, now: datetime, outcome: Outcome | None
) -> dict[str, Any]:
    """An invocation record, but for the payloads."""
    about: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": function,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
    }
    if outcome is not None:
        response: dict[str, Any] = {"statusCode": 200, "executedVersion": outcome.executed_version}
        if outcome.function_error:
            response["functionError"] = outcome.function_error
        about["responseContext"] = response
    return about


def embedded(payload: bytes) -> Any:
    """A payload as it stands in a record: JSON as it is, anything else as a string."""
    try:
        msgspec.json.decode(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")
    return msgspec.Raw(payload)


async def send(
    cloud: Cloud, function: FunctionName, target: str, about: dict[str, Any], *, folder: str, payload: str = ""
) -> None:
    """Invokes the target with the record, or puts it into the bucket: there under `folder`, and with the `payload` that
    it tells of. What cannot be sent is logged: the outcome itself stands."""
    try:
        role = get_version(cloud.store, function).configuration.role
        _, principal = await cloud.part(Roles).assume(role, function.name, function.region)
        client = cloud.client(principal, region=function.region)
        if _service(target) == "s3":
            key = f"aws/lambda/{folder}/{cloud.clock.now():%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
            body = Bytes(msgspec.json.encode({**about, "payload": payload} if payload else about))
            await client.call("s3", "PutObject", {"Bucket": _bucket(target), "Key": key, "Body": body})
        else:
            told = {"FunctionName": target, "InvocationType": "Event", "Payload": msgspec.json.encode(about)}
            await client.call("lambda", "Invoke", told)
    except AWSError as error:
        _log.warning("an outcome of %s could not be sent to %s: %s", function.arn, target, error)
