from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def used(account: Any) -> Any:
    account.client("s3").create_bucket(Bucket=f"site-{account.id}")
    for _ in range(4):
        account.client("s3").list_buckets()
    return account


def period(days: int = 1) -> dict[str, str]:
    today = datetime.now(UTC).date()
    return {"Start": (today - timedelta(days=days - 1)).isoformat(), "End": (today + timedelta(days=1)).isoformat()}


def test_costs_by_day_and_service(used: Any) -> None:
    answer = used.client("ce").get_cost_and_usage(
        TimePeriod=period(3),
        Granularity="DAILY",
        Metrics=["UnblendedCost", "UsageQuantity"],
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    )
    earlier, before, today = answer["ResultsByTime"]
    assert (earlier["Groups"], before["Groups"], today["Total"]) == ([], [], {})
    groups = {tuple(group["Keys"]): group["Metrics"] for group in today["Groups"]}
    requests = groups["Amazon Simple Storage Service", "Requests-Tier1"]
    assert requests["UnblendedCost"]["Unit"] == "USD"
    assert float(requests["UnblendedCost"]["Amount"]) == pytest.approx(5 * 0.005 / 1000)
    assert float(requests["UsageQuantity"]["Amount"]) == pytest.approx(0.005)
    assert today["Estimated"] is True


def test_a_month_is_the_sum(used: Any) -> None:
    answer = used.client("ce").get_cost_and_usage(
        TimePeriod=period(), Granularity="MONTHLY", Metrics=["BlendedCost", "AmortizedCost"]
    )
    (month,) = answer["ResultsByTime"]
    assert month["Groups"] == []
    assert float(month["Total"]["BlendedCost"]["Amount"]) == pytest.approx(5 * 0.005 / 1000)
    assert month["Total"]["AmortizedCost"] == month["Total"]["BlendedCost"]


def test_what_is_not_there_is_refused(account: Any) -> None:
    ce = account.client("ce")
    request = {"TimePeriod": period(), "Granularity": "DAILY", "Metrics": ["UnblendedCost"]}
    for change, code in (
        ({"Granularity": "HOURLY"}, "NotImplemented"),
        ({"Metrics": ["NormalizedUsageAmount"]}, "NotImplemented"),
        ({"GroupBy": [{"Type": "TAG", "Key": "team"}]}, "NotImplemented"),
        ({"TimePeriod": {"Start": "2026-11-02", "End": "2026-11-01"}}, "ValidationException"),
        ({"TimePeriod": {"Start": "2026-11-31", "End": "2026-12-01"}}, "ValidationException"),
    ):
        with pytest.raises(ClientError) as caught:
            ce.get_cost_and_usage(**{**request, **change})
        assert caught.value.response["Error"]["Code"] == code


def test_a_user_needs_leave_to_see_costs(account: Any) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    account.access_key_id, account.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]
    with pytest.raises(ClientError) as caught:
        account.client("ce").get_cost_and_usage(TimePeriod=period(), Granularity="DAILY", Metrics=["UnblendedCost"])
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
