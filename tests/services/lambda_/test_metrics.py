"""What is counted of each function, and how close its percentiles are."""

import asyncio
import json
import math
import urllib.request
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.runtime.interface import Outcome
from pileus.services.lambda_.metrics import Metrics
from pileus.services.lambda_.names import FunctionName

NAME = FunctionName("123456789012", "us-east-1", "f")


def fared(account: Any) -> dict[str, dict[str, Any]]:
    signed = AWSRequest("POST", f"{account.endpoint}/_pileus/functions", data=b"{}")
    SigV4Auth(Credentials(account.access_key_id, account.secret_access_key), "pileus", "us-east-1").add_auth(signed)
    asked = urllib.request.Request(signed.url, b"{}", dict(signed.headers), method="POST")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return {one["FunctionName"]: one for one in json.load(answer)["Functions"]}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 900_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99]))
def test_percentiles_are_right_to_within_a_tenth(durations: list[float], share: float) -> None:
    async def counted() -> float:
        metrics = Metrics(Mock())
        for duration in durations:
            metrics.count(NAME, Outcome(duration_ms=duration))
        assert metrics._task is not None
        metrics._task.cancel()
        return metrics._pending[NAME.key].percentile(share)

    found = asyncio.run(counted())
    exact = sorted(durations)[max(0, math.ceil(share * len(durations) - 1e-9) - 1)]
    assert exact * 0.999 - 0.01 <= found <= max(0.1, exact * 1.101) + 0.01


def test_every_outcome_is_counted_for_its_function(functions: Any) -> None:
    functions.create("good")
    functions.create("bad", "def handler(event, context):\n    raise ValueError(event)\n")
    for _ in range(3):
        functions.invoke("good", 1)
    functions.invoke("bad", 1)
    functions.client.put_function_concurrency(FunctionName="bad", ReservedConcurrentExecutions=0)
    with pytest.raises(functions.client.exceptions.TooManyRequestsException):
        functions.client.invoke(FunctionName="bad")
    found = fared(functions.account)
    counted = ("Invocations", "Errors", "Throttles", "ColdStarts")
    assert [found["good"][what] for what in counted] == [3, 0, 0, 1]
    assert [found["bad"][what] for what in counted] == [1, 1, 1, 1]
    for one in found.values():
        times = one["Duration"]
        assert 0 < times["p50"] <= times["p90"] <= times["p99"] and times["Average"] > 0
