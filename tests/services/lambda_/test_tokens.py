"""Paging tokens that somebody made up: refused or harmless, never an internal error."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pileus.store import paging

TOKENS = [
    "made up",
    "AA==",
    *(paging.encode(key) for key in (("x",), (1, 2, 3, 4), (None,), (b"x", 1, "a"), ("a", "b", "c", "d", "e"))),
]


@pytest.mark.parametrize("token", TOKENS)
def test_listings_take_any_token(shared: Any, zipped: Any, token: str) -> None:
    if "paged" not in shared.roles:
        shared.create("paged")
        shared.roles["paged"] = ""
        shared.client.publish_layer_version(LayerName="paged", Content={"ZipFile": zipped({"a": "b"})})
        logs = shared.account.client("logs")
        logs.create_log_group(logGroupName="paged")
        logs.create_log_stream(logGroupName="paged", logStreamName="one")
    logs, events = shared.account.client("logs"), shared.account.client("events")
    group, function = {"logGroupName": "paged"}, {"FunctionName": "paged"}
    for listing, member, arguments in (
        (shared.client.list_functions, "Marker", {}),
        (shared.client.list_layers, "Marker", {}),
        (shared.client.list_layer_versions, "Marker", {"LayerName": "paged"}),
        (shared.client.list_event_source_mappings, "Marker", {}),
        (shared.client.list_versions_by_function, "Marker", function),
        (shared.client.list_aliases, "Marker", function),
        (shared.client.list_provisioned_concurrency_configs, "Marker", function),
        (shared.client.list_function_event_invoke_configs, "Marker", function),
        (shared.client.list_function_url_configs, "Marker", function),
        (logs.describe_log_groups, "nextToken", {}),
        (logs.describe_log_streams, "nextToken", group),
        (logs.describe_log_streams, "nextToken", {**group, "orderBy": "LastEventTime"}),
        (logs.filter_log_events, "nextToken", group),
        (logs.get_log_events, "nextToken", {**group, "logStreamName": "one"}),
        (events.list_rules, "NextToken", {}),
    ):
        try:
            listing(**arguments, **{member: token})
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, listing
