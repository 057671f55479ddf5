"""Capacity units, as each request consumes them.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

from typing import Any

from pileus.metering.units import DYNAMODB_READ_REQUEST_UNITS, DYNAMODB_WRITE_REQUEST_UNITS
from pileus.services.context import Context
from pileus.services.dynamodb.schema import Table

_READ_UNIT = 4096
_WRITE_UNIT = 1024


def read_units(size: int, consistent: bool) -> float:
    units = -(-size // _READ_UNIT) or 1
    return float(units) if consistent else units / 2


def write_units(*sizes: int) -> float:
    return float(max(-(-max(sizes) // _WRITE_UNIT), 1))


def count(context: Context, table: Table, units: float, *, reading: bool) -> None:
    """Puts them on the bill of the table's owner."""
    if table.record.billing == "PAY_PER_REQUEST":
        unit = DYNAMODB_READ_REQUEST_UNITS if reading else DYNAMODB_WRITE_REQUEST_UNITS
        context.cloud.meter.add(table.record.account, unit, units)


class Consumption:
    """What one request consumed of one table and its indexes."""

    __slots__ = ("indexes", "name", "reading", "table", "transactional", "units")

    def __init__(self, table: Table, name: str, *, reading: bool, transactional: bool = False) -> None:
        self.table = table
        self.name = name
        """The table as the request named it."""
        self.reading = reading
        self.transactional = transactional
        self.units = 0.0
        self.indexes: dict[str, float] = {}

    def index(self, name: str, units: float) -> None:
        if units:
            self.indexes[name] = self.indexes.get(name, 0.0) + units

    def add(self, other: Consumption) -> None:
        self.units += other.units
        for name, units in other.indexes.items():
            self.index(name, units)

    @property
    def total(self) -> float:
        return self.units + sum(self.indexes.values()) if self.indexes else self.units

    def count(self, context: Context) -> None:
        count(context, self.table, self.total, reading=self.reading)

    def shape(self, wanted: str) -> dict[str, Any]:
        """ConsumedCapacity; `wanted` is TOTAL or INDEXES."""
        shape = {"TableName": self.name, **self._capacity(self.total)}
        if wanted == "INDEXES":
            shape["Table"] = self._capacity(self.units)
            for member, is_global in (("GlobalSecondaryIndexes", True), ("LocalSecondaryIndexes", False)):
                units = {
                    name: self._capacity(units)
                    for name, units in self.indexes.items()
                    if self.table.by_name[name].is_global is is_global
                }
                if units:
                    shape[member] = units
        return shape

    def _capacity(self, units: float) -> dict[str, Any]:
        capacity: dict[str, Any] = {"CapacityUnits": units}
        if self.transactional:
            capacity["ReadCapacityUnits" if self.reading else "WriteCapacityUnits"] = units
        return capacity
