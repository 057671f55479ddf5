"""What accounts hold (bytes stored, capacity provisioned): read now and then, counted as quantity times hours.

Between two readings a level counts as it was at the earlier one. A cloud that was down bills nothing for the time:
a gap longer than `LONGEST_GAP_HOURS` counts as that.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pileus.metering import usage
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

LONGEST_GAP_HOURS = 0.5


class Reading(msgspec.Struct, frozen=True):
    """Levels by unit (a `…-Hours` unit without its hours), read at `time` (seconds since the epoch)."""

    time: float
    levels: dict[str, float]


_READINGS: Records[Reading] = Records(Reading, "metering", "levels")


def last(reader: Reader, account: str) -> Reading:
    return _READINGS.get(reader, account) or Reading(0.0, {})


def record(tx: Transaction, account: str, time: float, levels: Mapping[str, float]) -> None:
    """Counts the time since the last reading at its levels, and keeps the new one."""
    before = last(tx, account)
    hours = min(max(0.0, (time - before.time) / 3600.0), LONGEST_GAP_HOURS)
    held = {(account, unit): level * hours for unit, level in before.levels.items() if level * hours}
    usage.add(tx, usage.day_at(time), held)
    _READINGS.put(tx, account, value=Reading(max(time, before.time), dict(levels)))
