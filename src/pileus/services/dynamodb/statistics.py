"""ItemCount and TableSizeBytes, which DynamoDB promises only approximately, every six hours.

Growth is gathered in memory and added to the store every few seconds: a counter in each write's transaction would
make all writes to a table meet in one record. What a killed process had not written yet is put right by counting anew.
"""

from __future__ import annotations

import struct

from pileus.services.context import Cloud
from pileus.services.dynamodb.schema import Table
from pileus.services.dynamodb.writes import Write
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack, prefix_range

_PAIR = struct.Struct(">qq")
_PREFIX = ("dynamodb", "statistics")


class Statistics:
    """Items and bytes by table and index (0 for the table itself)."""

    def __init__(self, cloud: Cloud) -> None:
        self._growth: dict[tuple[int, int], list[int]] = {}

    def add(self, write: Write) -> None:
        items, size = write.growth
        number = write.table.record.number
        if items or size:
            self._add(number, 0, items, size)
        for index, (entries, growth) in write.index_growth.items():
            self._add(number, index, entries, growth)

    def _add(self, number: int, index: int, items: int, size: int) -> None:
        growth = self._growth.get((number, index))
        if growth is None:
            self._growth[number, index] = [items, size]
        else:
            growth[0] += items
            growth[1] += size

    def read(self, reader: Reader, table: Table, index: int = 0) -> tuple[int, int]:
        """Items and bytes, those of this process included at once."""
        number = table.record.number
        items, size = _stored(reader, number, index)
        growth = self._growth.get((number, index), (0, 0))
        return max(items + growth[0], 0), max(size + growth[1], 0)

    async def flush(self, cloud: Cloud) -> None:
        if not self._growth:
            return
        gathered, self._growth = self._growth, {}

        def change(tx: Transaction) -> None:
            for (number, index), growth in gathered.items():
                items, size = _stored(tx, number, index)
                put(tx, number, index, items + growth[0], size + growth[1])

        await cloud.store.transact(change)


def _stored(reader: Reader, number: int, index: int) -> tuple[int, int]:
    value = reader.get(pack(*_PREFIX, number, index))
    if value is None:
        return 0, 0
    items, size = _PAIR.unpack(value)
    return items, size


def put(tx: Transaction, number: int, index: int, items: int, size: int) -> None:
    tx.put(pack(*_PREFIX, number, index), _PAIR.pack(items, size))


def forget(tx: Transaction, number: int) -> None:
    tx.delete_range(*prefix_range(*_PREFIX, number))
