"""Schedule expressions: `rate(5 minutes)`, `cron(0 10 ? * MON-FRI *)`, `at(2026-12-24T18:00:00)`.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_RATE = re.compile(r"rate\((\d+) (minutes?|hours?|days?)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", re.ASCII)
_CRON = re.compile(r"cron\(([^()]+)\)")
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_LAST_YEAR = 2199
_LARGEST_RATE = 100_000

Next = Callable[[float], float | None]
"""The first moment of a schedule after another, in seconds since the epoch; None where there is none."""
DayMatches = Callable[[date], bool]


@lru_cache(1024)
def parse(expression: str, zone: str = "UTC") -> Next:
    """Raises ValueError for what is no schedule, or no time zone."""
    try:
        place: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError("not a time zone") from error
    if found := _RATE.fullmatch(expression):
        return _rate(int(found[1]), found[2])
    if found := _CRON.fullmatch(expression):
        return _cron(found[1].split(), place)
    if found := _AT.fullmatch(expression):
        return _at(datetime.fromisoformat(found[1]).replace(tzinfo=place).timestamp())
    raise ValueError("not a schedule")


def _at(once: float) -> Next:
    return lambda moment: once if moment < once else None


def _rate(value: int, unit: str) -> Next:
    if not 1 <= value <= _LARGEST_RATE or (value == 1) == unit.endswith("s"):
        raise ValueError("a rate of one has a singular unit, any other a plural one")
    seconds = value * _UNITS[unit.rstrip("s")]
    return lambda moment: moment + seconds


def _cron(fields: list[str], zone: tzinfo) -> Next:
    if len(fields) != 6:
        raise ValueError("a cron expression has six fields")
    minutes = _values(fields[0], 0, 59)
    hours = _values(fields[1], 0, 23)
    months = _values(fields[3], 1, 12, _MONTHS)
    years = _values(fields[5], 1970, _LAST_YEAR)
    of_month, of_week = fields[2], fields[4]
    if (of_month == "?") == (of_week == "?"):
        raise ValueError("one of day-of-month and day-of-week is ?, the other is not")
    matches = _day_of_week(of_week) if of_month == "?" else _day_of_month(of_month)

    def following(moment: float) -> float | None:
        start = datetime.fromtimestamp(moment, zone).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.date()
        first = (start.hour, start.minute)
        while day.year <= max(years):
            if day.year not in years:
                day, first = date(day.year + 1, 1, 1), (0, 0)
                continue
            if day.month not in months:
                day, first = _next_month(day), (0, 0)
                continue
            if matches(day):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        if (hour, minute) >= first:
                            found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()
                            if found > moment:
                                return found
            day, first = day + timedelta(days=1), (0, 0)
        return None

    return following


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _values(field: str, lowest: int, highest: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """What a field of lists, ranges and steps stands for."""
    found: set[int] = set()
    for part in field.upper().split(","):
        span, slash, step = part.partition("/")
        if slash and (not step.isdigit() or not int(step)):
            raise ValueError("a step is a number above 0")
        if span in ("*", "?") and (span == "*" or not slash):
            first, last = lowest, highest
        else:
            low, dash, high = span.partition("-")
            first = _number(low, names)
            last = _number(high, names) if dash else highest if slash else first
        if not lowest <= first <= last <= highest:
            raise ValueError("a value is out of range")
        found.update(range(first, last + 1, int(step) if slash else 1))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isascii() or not text.isdigit():
        raise ValueError("not a number")
    return int(text)


def _last_day(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_of_month(field: str) -> DayMatches:
    text = field.upper()
    if text == "L":
        return lambda day: day.day == _last_day(day)
    if text.endswith("W"):
        wanted = _number(text[:-1], None)
        if not 1 <= wanted <= 31:
            raise ValueError("a value is out of range")
        return lambda day: day.day == _nearest_weekday(day, wanted)
    days = _values(text, 1, 31)
    return lambda day: day.day in days


def _nearest_weekday(day: date, wanted: int) -> int:
    """The weekday of the day's month that is nearest to `wanted`, 0 for none."""
    last = _last_day(day)
    if wanted > last:
        return 0
    weekday = day.replace(day=wanted).weekday()
    if weekday == 5:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 6:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _day_of_week(field: str) -> DayMatches:
    text = field.upper()
    if "#" in text:
        weekday, _, place = text.partition("#")
        wanted, nth = _number(weekday, _WEEKDAYS), _number(place, None)
        if not 1 <= wanted <= 7 or not 1 <= nth <= 5:
            raise ValueError("a value is out of range")
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == nth
    if text == "L":
        return lambda day: _weekday(day) == 7
    if text.endswith("L") and len(text) > 1:
        wanted = _number(text[:-1], _WEEKDAYS)
        return lambda day: _weekday(day) == wanted and day.day > _last_day(day) - 7
    weekdays = _values(text, 1, 7, _WEEKDAYS)
    return lambda day: _weekday(day) in weekdays


def _weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1
