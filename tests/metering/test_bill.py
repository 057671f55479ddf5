from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.metering import levels, price_list, units, usage
from pileus.metering.bill import Bill, Line, bill
from pileus.metering.charges import charges
from pileus.store.sqlite import SQLiteStore

ACCOUNT = "000000000000"
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
GB = 1024**3


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "pairs", durability="relaxed")
    yield store
    store.close()


def use(store: SQLiteStore, day: date, **quantities: float) -> None:
    by_unit = {(ACCOUNT, getattr(units, name)): quantity for name, quantity in quantities.items()}
    asyncio.run(store.transact(lambda tx: usage.add(tx, day, by_unit)))


def call(store: SQLiteStore, service: str, **operations: float) -> None:
    by_unit = {(ACCOUNT, units.call(service, name)): count for name, count in operations.items()}
    asyncio.run(store.transact(lambda tx: usage.add(tx, FIRST.date(), by_unit)))


def hold(store: SQLiteStore, time: datetime, **held: float) -> None:
    by_unit = {getattr(units, name): level for name, level in held.items()}
    asyncio.run(store.transact(lambda tx: levels.record(tx, ACCOUNT, time.timestamp(), by_unit)))


def line(of: Bill, service: str, what: str) -> Line:
    return next(line for line in of.lines if line.service == service and line.what.startswith(what))


def test_the_articles_application_costs_what_the_article_says(store: SQLiteStore) -> None:
    """One write and one read unit, a small site, some thousand calls: "~$0.55/month (mainly just DynamoDB costs)"."""
    hold(
        store, FIRST, DYNAMODB_WRITE_CAPACITY_UNIT_HOURS=1, DYNAMODB_READ_CAPACITY_UNIT_HOURS=1,
        S3_STORAGE_BYTE_HOURS=5_000_000, DYNAMODB_STORAGE_BYTE_HOURS=1_000_000,
    )  # fmt: skip
    use(store, FIRST.date(), LAMBDA_REQUESTS=300, TRANSFER_OUT_BYTES=10_000_000)
    call(store, "s3", GetObject=300)
    made = bill(store, ACCOUNT, FIRST.replace(hour=12), price_list.load("2015"))
    assert made.month_cost == pytest.approx(0.56, abs=0.01)
    dynamodb = sum(line.month_cost for line in made.lines if line.service == "dynamodb")
    assert dynamodb == pytest.approx(0.56)
    assert line(made, "lambda", "Invocations").month_cost == 0.0


def test_levels_count_for_the_time_they_were_held(store: SQLiteStore) -> None:
    for quarter in range(5):
        time = FIRST.replace(hour=quarter // 4, minute=quarter % 4 * 15)
        hold(store, time, DYNAMODB_WRITE_CAPACITY_UNIT_HOURS=10 if quarter < 4 else 0)
    made = bill(store, ACCOUNT, FIRST.replace(hour=5), price_list.load("current"), free_tier=False)
    write = line(made, "dynamodb", "Write capacity")
    assert write.quantity == pytest.approx(10)
    assert write.cost == pytest.approx(10 * 0.00065)
    assert write.month_cost == 0, "nothing is held now"


def test_the_time_a_cloud_was_down_is_not_billed(store: SQLiteStore) -> None:
    hold(store, FIRST, S3_STORAGE_BYTE_HOURS=GB)
    hold(store, FIRST.replace(day=11), S3_STORAGE_BYTE_HOURS=GB)
    assert usage.totals(store, ACCOUNT, "2026-11") == {units.S3_STORAGE_BYTE_HOURS: GB * levels.LONGEST_GAP_HOURS}


def test_s3_calls_become_its_request_tiers_and_deletes_are_free(store: SQLiteStore) -> None:
    call(
        store, "s3", PutObject=1000, CopyObject=500, ListObjectsV2=500, GetObject=9000, HeadObject=1000, DeleteObject=7
    )
    made = bill(store, ACCOUNT, END, price_list.load("current"))
    assert line(made, "s3", "PUT").quantity == 2
    assert line(made, "s3", "PUT").cost == pytest.approx(0.01)
    assert line(made, "s3", "GET").quantity == 10
    assert line(made, "s3", "GET").cost == pytest.approx(0.004)
    assert made.calls["s3"]["DeleteObject"] == 7


def test_both_architectures_share_one_free_amount(store: SQLiteStore) -> None:
    use(store, FIRST.date(), LAMBDA_GB_SECONDS_X86=300_000, LAMBDA_GB_SECONDS_ARM=300_000)
    made = bill(store, ACCOUNT, END, price_list.load("current"))
    assert line(made, "lambda", "Duration, x86").cost == 0
    assert line(made, "lambda", "Duration, arm").free == 100_000
    assert line(made, "lambda", "Duration, arm").cost == pytest.approx(200_000 * 0.0000133334)
    full = bill(store, ACCOUNT, END, price_list.load("current"), free_tier=False)
    assert full.cost == pytest.approx(300_000 * (0.0000166667 + 0.0000133334))


def test_free_capacity_is_a_level_held_all_month(store: SQLiteStore) -> None:
    use(store, FIRST.date(), DYNAMODB_WRITE_CAPACITY_UNIT_HOURS=26 * 720)
    made = bill(store, ACCOUNT, END, price_list.load("current"))
    assert line(made, "dynamodb", "Write capacity").cost == pytest.approx(720 * 0.00065)


def test_forecast_goes_by_the_days_since_the_first_use(store: SQLiteStore) -> None:
    use(store, date(2026, 11, 10), LAMBDA_REQUESTS=1_000_000)
    noon = datetime(2026, 11, 10, 12, tzinfo=UTC)
    made = bill(store, ACCOUNT, noon, price_list.load("current"))
    assert made.days == 1
    assert line(made, "lambda", "Invocations").month_quantity == pytest.approx(30)
    made = bill(store, ACCOUNT, noon.replace(day=12), price_list.load("current"))
    assert line(made, "lambda", "Invocations").month_quantity == pytest.approx(30 / 2.5)
    assert line(made, "lambda", "Invocations").quantity == 1


def test_what_a_list_has_no_price_for_is_said(store: SQLiteStore) -> None:
    use(store, FIRST.date(), DYNAMODB_WRITE_REQUEST_UNITS=5)
    assert bill(store, ACCOUNT, END, price_list.load("2015")).unpriced == {units.DYNAMODB_WRITE_REQUEST_UNITS: 5}
    assert bill(store, ACCOUNT, END, price_list.load("current")).unpriced == {}


def test_free_services_are_listed_with_their_calls(store: SQLiteStore) -> None:
    call(store, "sts", AssumeRoleWithWebIdentity=3, GetCallerIdentity=1)
    sts = line(bill(store, ACCOUNT, END, price_list.load("2015")), "sts", "All")
    assert (sts.quantity, sts.cost, sts.month_cost) == (4, 0, 0)


def test_every_price_says_since_when_and_from_where() -> None:
    for name in price_list.names():
        for price in price_list.load(name).prices:
            assert date.fromisoformat(price.effective)
            assert price.source
    with pytest.raises(price_list.UnknownPriceListError, match="2015, current"):
        price_list.load("../current")


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_more_never_costs_less(one: float, more: float) -> None:
    for price in price_list.load("current").prices:
        assert price.cost(one) <= price.cost(one + more) + 1e-6


def test_a_quantity_over_several_tiers_pays_each() -> None:
    (out,) = (price for price in price_list.load("current").prices if price.unit == units.TRANSFER_OUT_BYTES)
    assert out.cost(60_000) == pytest.approx(10_240 * 0.09 + 40_960 * 0.085 + 8_800 * 0.07)


def test_a_day_costs_what_it_adds_to_the_month(store: SQLiteStore) -> None:
    prices = price_list.load("current")
    for day, requests in ((3, 800_000), (4, 700_000), (20, 100_000)):
        use(store, date(2026, 11, day), LAMBDA_REQUESTS=requests, DYNAMODB_WRITE_REQUEST_UNITS=1_000_000)
    found = {(charge.day.day, charge.unit): charge for charge in charges(store, ACCOUNT, "2026-11", prices)}
    assert found[3, units.LAMBDA_REQUESTS].cost == 0
    assert found[4, units.LAMBDA_REQUESTS].cost == pytest.approx(0.5 * 0.20)
    assert found[20, units.LAMBDA_REQUESTS].cost == pytest.approx(0.1 * 0.20)
    assert found[20, units.LAMBDA_REQUESTS].quantity == pytest.approx(0.1)
    total = sum(charge.cost for charge in found.values())
    assert total == pytest.approx(bill(store, ACCOUNT, END, prices).cost)
