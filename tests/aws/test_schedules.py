from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.schedules import parse


def after(expression: str, moment: str) -> str | None:
    start = datetime.strptime(moment, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    found = parse(expression)(start)
    return None if found is None else datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("expression", "moment", "following"),
    [
        ("rate(1 minute)", "2026-01-01 00:00:10", "2026-01-01 00:01:10"),
        ("rate(12 hours)", "2026-01-01 00:00:00", "2026-01-01 12:00:00"),
        ("rate(2 days)", "2026-01-01 00:00:00", "2026-01-03 00:00:00"),
        ("cron(0 10 * * ? *)", "2026-01-01 10:00:00", "2026-01-02 10:00:00"),
        ("cron(0 10 * * ? *)", "2026-01-01 09:59:59", "2026-01-01 10:00:00"),
        ("cron(15 12 * * ? *)", "2026-12-31 13:00:00", "2027-01-01 12:15:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-01-02 18:00:00", "2026-01-05 18:00:00"),
        ("cron(0 8 1 * ? *)", "2026-01-01 08:00:00", "2026-02-01 08:00:00"),
        ("cron(0/15 * * * ? *)", "2026-01-01 00:46:00", "2026-01-01 01:00:00"),
        ("cron(0/10 * ? * MON-FRI *)", "2026-01-03 12:00:00", "2026-01-05 00:00:00"),
        ("cron(0 0 L 2 ? *)", "2027-12-01 00:00:00", "2028-02-29 00:00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-01-01 00:00:00", "2026-01-05 09:00:00"),
        ("cron(0 9 ? * 6L *)", "2026-01-01 00:00:00", "2026-01-30 09:00:00"),
        ("cron(0 9 1W * ? *)", "2026-07-30 00:00:00", "2026-08-03 09:00:00"),
        ("cron(0 9 31W * ? *)", "2026-02-01 00:00:00", "2026-03-31 09:00:00"),
        ("cron(0 0 1 1 ? 2025)", "2026-01-01 00:00:00", None),
        ("cron(30 5,17 * JAN,MAR ? 2026-2027)", "2026-01-31 17:30:00", "2026-03-01 05:30:00"),
    ],
)
def test_the_next_moment_is_the_documented_one(expression: str, moment: str, following: str | None) -> None:
    assert after(expression, moment) == following


@pytest.mark.parametrize(
    "expression",
    ["", "rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)", "rate(5 seconds)", "cron(* * * * *)",
     "cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(60 0 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 32 * ? *)",
     "cron(0 0 * 13 ? *)", "cron(0 0 ? * 8 *)", "cron(5-1 0 * * ? *)", "cron(*/0 0 * * ? *)", "cron(0 0 ? * 2#6 *)",
     "cron(x 0 * * ? *)", "at(2026-13-01T00:00:00)", "at(2026-01-01)"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        parse(expression)


def test_a_time_zone_moves_with_its_summer() -> None:
    berlin = parse("cron(0 9 * * ? *)", "Europe/Berlin")
    winter = datetime(2026, 1, 10, tzinfo=UTC).timestamp()
    summer = datetime(2026, 7, 10, tzinfo=UTC).timestamp()
    assert berlin(winter) == winter + 8 * 3600
    assert berlin(summer) == summer + 7 * 3600
    # The hour that comes twice at the end of summer runs once.
    first = parse("cron(30 2 * * ? *)", "Europe/Berlin")(datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp())
    assert first is not None
    following = parse("cron(30 2 * * ? *)", "Europe/Berlin")(first)
    assert following is not None
    assert following - first == 25 * 3600
    with pytest.raises(ValueError, match="time zone"):
        parse("rate(1 hour)", "Mars/Olympus")


def test_once_is_once() -> None:
    once = parse("at(2026-12-24T18:00:00)", "Europe/Berlin")
    eve = datetime(2026, 12, 24, 17, tzinfo=UTC).timestamp()
    assert once(eve - 1) == eve
    assert once(eve) is None


@given(st.integers(0, 59), st.integers(0, 23), st.integers(0, 4_000_000_000))
def test_a_daily_schedule_comes_within_a_day(minute: int, hour: int, moment: int) -> None:
    found = parse(f"cron({minute} {hour} * * ? *)")(moment)
    assert found is not None
    assert moment < found <= moment + 86_400
    assert datetime.fromtimestamp(found, UTC).strftime("%H:%M:%S") == f"{hour:02d}:{minute:02d}:00"
