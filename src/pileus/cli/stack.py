"""A stack as `pileus deploy` sees it: made or changed, followed event by event, and its outputs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pileus.cli.errors import CommandError

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
"""Whoever deploys a template of their own knows what it makes."""

_STACK = "AWS::CloudFormation::Stack"
_QUIET = 2
"""How often nothing new is heard before the stack itself is asked."""
_UNCHANGED = "No updates are to be performed"


class Event(NamedTuple):
    logical_id: str
    type: str
    status: str
    reason: str
    time: float

    @property
    def whole(self) -> bool:
        """Whether it is the stack's own."""
        return self.type == _STACK

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")


class Stack:
    def __init__(self, client: Any, name: str, *, pause: float) -> None:
        self._client = client
        self.name = name
        self._pause = pause
        self._token = uuid.uuid4().hex
        self._id = name

    def describe(self) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            found: dict[str, Any] = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
            self._id = found["StackId"]
            return found
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise

    def put(
        self, template: Mapping[str, str], parameters: Mapping[str, str], declared: list[str], tags: dict[str, str]
    ) -> bool:
        """Makes or changes the stack; False where there is nothing to change. Raises botocore's ClientError."""
        from botocore.exceptions import ClientError

        found = self.describe()
        status = found["StackStatus"] if found else ""
        if status in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"):
            # Nothing is left in it, and it can become nothing else.
            self.delete()
            for _ in self.follow():
                pass
            found = None
        elif status.endswith("_FAILED"):
            raise CommandError(
                f"The stack {self.name} is in {status}; `pileus destroy --stack {self.name}`, then deploy again."
            )
        elif status.endswith("_IN_PROGRESS"):
            raise CommandError(f"The stack {self.name} is in {status}; wait until that is done.")
        kept = {item["ParameterKey"] for item in (found or {}).get("Parameters", [])} - set(parameters)
        given: list[dict[str, Any]] = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ]
        given += [{"ParameterKey": key, "UsePreviousValue": True} for key in declared if key in kept]
        request = {
            "StackName": self.name, "Parameters": given, "Capabilities": CAPABILITIES,
            "ClientRequestToken": self._token, **template,
        }  # fmt: skip
        if tags:
            request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if found is None:
            self._id = self._client.create_stack(**request)["StackId"]
            return True
        try:
            self._client.update_stack(**request)
        except ClientError as error:
            if _UNCHANGED in error.response["Error"].get("Message", ""):
                return False
            raise
        return True

    def delete(self) -> None:
        self._client.delete_stack(StackName=self._id, ClientRequestToken=self._token)

    def follow(self) -> Iterator[Event]:
        """The events of what this object began, until it has ended."""
        seen: set[str] = set()
        quiet = 0
        while True:
            fresh: list[dict[str, Any]] = []
            for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self._id):
                found = [item for item in page["StackEvents"] if item["EventId"] not in seen]
                fresh += [item for item in found if item.get("ClientRequestToken") == self._token]
                seen.update(item["EventId"] for item in found)
                if not found:
                    break
            for item in reversed(fresh):
                event = Event(
                    item["LogicalResourceId"], item["ResourceType"], item["ResourceStatus"],
                    item.get("ResourceStatusReason", ""), item["Timestamp"].timestamp(),
                )  # fmt: skip
                yield event
                if event.whole and not event.status.endswith("_IN_PROGRESS"):
                    return
            # The stack's own state counts, too: an event that is lost, or tells no token, must not be waited for.
            quiet = 0 if fresh else quiet + 1
            if quiet > _QUIET and (ended := self._ended()) is not None:
                yield ended
                return
            time.sleep(self._pause)

    def _ended(self) -> Event | None:
        """What a stack's last event would say, None while something is under way."""
        found = self._client.describe_stacks(StackName=self._id)["Stacks"][0]
        status, reason = found["StackStatus"], found.get("StackStatusReason", "")
        moment = found.get("DeletionTime") or found.get("LastUpdatedTime") or found["CreationTime"]
        return None if status.endswith("_IN_PROGRESS") else Event(self.name, _STACK, status, reason, moment.timestamp())

    def outputs(self) -> dict[str, str]:
        found = self.describe() or {}
        return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}

    def physical_id(self, logical_id: str) -> str:
        answer = self._client.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def buckets(self) -> list[str]:
        """The names of the buckets in it."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = [item for page in pages for item in page["StackResourceSummaries"]]
        return [
            item["PhysicalResourceId"]
            for item in found
            if item["ResourceType"] == "AWS::S3::Bucket" and item.get("PhysicalResourceId")
        ]
