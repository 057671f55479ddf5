"""AWS::CloudFormation::CustomResource and Custom::…: whatever a Lambda function makes when it is asked to.

The function gets a request and puts its answer where the request says, at once or when it has done what it does.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html

One thing is kinder than on AWS: a function that failed without an answer fails the resource now, not in an hour.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pileus.aws.identifiers import request_id
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import text
from pileus.services.cloudformation.resources.resource import Answer, ResourceType, Work

_TIMEOUT = 3600
_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


async def create(work: Work) -> None:
    await _request(work, "Create")


async def update(work: Work) -> None:
    """An answer with another physical id says that another thing was made; the old one is deleted at the end."""
    before = _told(work.previous)
    await _request(work, "Update", PhysicalResourceId=work.physical_id, OldResourceProperties=before)


async def delete(work: Work) -> None:
    await _request(work, "Delete", PhysicalResourceId=work.physical_id)


async def _request(work: Work, kind: str, **more: Any) -> None:
    seconds = _timeout(work)
    answer = await work.answer(seconds)
    token = work.properties["ServiceToken"]
    event = {
        "RequestType": kind, "ServiceToken": token, "ResponseURL": answer.url, "StackId": work.stack_id,
        "RequestId": request_id(), "LogicalResourceId": work.logical_id, "ResourceType": work.type,
        "ResourceProperties": _told(work.properties), **more,
    }  # fmt: skip
    said = await _answered(work, event, answer, seconds)
    physical_id = str(said.get("PhysicalResourceId") or work.physical_id)
    if physical_id and kind == "Create":
        await work.identify(physical_id)
    if said["Status"] == "FAILED":
        reason = said.get("Reason") or "no reason was given"
        raise TemplateError(f"Received response status [FAILED] from custom resource. Message returned: {reason}")
    if not physical_id:
        raise TemplateError("Invalid PhysicalResourceId")
    if said.get("NoEcho") in (True, "true"):
        raise TemplateError("Pileus does not implement NoEcho of a custom resource's answer")
    work.physical_id = physical_id
    data = said.get("Data") or {}
    if not isinstance(data, dict):
        raise TemplateError("Invalid response from the custom resource: Data is no object")
    work.attributes = dict(_flat(data, ""))


def _timeout(work: Work) -> int:
    seconds = int(work.properties.get("ServiceTimeout", _TIMEOUT))
    if not 1 <= seconds <= _TIMEOUT:
        raise TemplateError(f"ServiceTimeout must be between 1 and {_TIMEOUT} seconds")
    return seconds


async def _answered(work: Work, event: dict[str, Any], answer: Answer, seconds: int) -> dict[str, Any]:
    token = event["ServiceToken"]
    if ":lambda:" not in token:
        raise TemplateError(
            "Pileus calls custom resources by Lambda functions only: ServiceToken must be the ARN of one"
        )
    payload = json.dumps(event).encode()
    calling = asyncio.ensure_future(work.call("lambda", "Invoke", FunctionName=token, Payload=payload))
    try:
        async with asyncio.timeout(seconds):
            pause = _PAUSE_SECONDS
            while True:
                ended = calling.done()
                said = await answer.arrived()
                if said is not None:
                    return said
                if ended and (failure := _failure(calling)):
                    raise TemplateError(f"The custom resource's function failed without an answer: {failure}")
                await work.pause(pause)
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 1.2)
    except TimeoutError:
        raise TemplateError(
            "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId "
            f"[{event['RequestId']}]."
        ) from None
    finally:
        calling.cancel()


def _failure(calling: asyncio.Future[dict[str, Any]]) -> str:
    """What the function raised; an error of the call itself is raised here. Empty where all went well."""
    result = calling.result()
    if not result.get("FunctionError"):
        return ""
    try:
        told = json.loads(result["Payload"])
        return str(told["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return str(result["FunctionError"])


def _told(properties: dict[str, Any]) -> Any:
    return _strings({name: value for name, value in properties.items() if name != "ServiceTimeout"})


def _strings(value: Any) -> Any:
    """Functions are told every scalar as a string."""
    if isinstance(value, dict):
        return {name: _strings(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_strings(item) for item in value]
    return text(value)


def _flat(data: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Fn::GetAtt reaches what lies deeper by names with dots between them."""
    found: list[tuple[str, Any]] = []
    for name, value in data.items():
        found.append((f"{prefix}{name}", value))
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
    return found


CUSTOM_RESOURCE = ResourceType(
    "AWS::CloudFormation::CustomResource",
    properties={"ServiceToken": str, "ServiceTimeout": int},
    create=create, update=update, delete=delete,
    required=frozenset({"ServiceToken"}),
    create_only=frozenset({"ServiceToken"}),
    open=True,
)  # fmt: skip
