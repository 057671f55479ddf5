"""One change to one item: condition, item, indexes, expiry, history and stream, in the transaction that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pileus.aws.errors import AWSError
from pileus.services.dynamodb import expiry, history, stream_log
from pileus.services.dynamodb.capacity import Consumption, write_units
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.schema import (
    COLLECTIONS,
    IndexPlan,
    Table,
    pack_record,
    record_item,
    record_size,
    table_head,
)
from pileus.services.dynamodb.values import Item, item_size
from pileus.store.interface import Reader, Transaction

_MAX_COLLECTION = 10 * 1024**3
Change = Callable[[Item | None], tuple[Item, int] | None]


class TableChangedError(Exception):
    """The table is not any more what the write was prepared for."""


def check_tables(tx: Transaction, writes: Iterable[Write]) -> None:
    """Raises TableChangedError."""
    for table in {write.table for write in writes}:
        check_table(tx, table)


def check_table(tx: Transaction, table: Table) -> None:
    """Raises TableChangedError."""
    if tx.get(table.store_key) != table.stored:
        raise TableChangedError


class ConditionFailedError(Exception):
    def __init__(self, record: bytes | None) -> None:
        super().__init__("The conditional request failed")
        self.record = record


class Write:
    """A put (`record`), an update (`change`), a delete (neither) or a mere check of a condition.

    `perform` may run again; what it found is in `old` and `new`, the records before and after.
    """

    __slots__ = (
        "change", "check_only", "condition", "identity", "index_growth", "index_units", "key", "new", "old", "record",
        "table",
    )  # fmt: skip

    def __init__(
        self,
        table: Table,
        key: bytes,
        *,
        condition: Test | None = None,
        record: bytes | None = None,
        change: Change | None = None,
        check_only: bool = False,
        identity: dict[str, str] | None = None,
    ) -> None:
        self.table = table
        self.key = key
        self.condition = condition
        self.record = record
        self.change = change
        self.check_only = check_only
        self.identity = identity
        self.old: bytes | None = None
        self.new: bytes | None = None
        self.index_units: dict[str, float] = {}
        self.index_growth: dict[int, tuple[int, int]] = {}

    def perform(self, tx: Transaction, now: float) -> None:
        """The table must be as it was (`check_tables`)."""
        table = self.table
        self.old = old = tx.get(self.key)
        if self.condition is not None and not self.condition({} if old is None else record_item(old)):
            raise ConditionFailedError(old)
        if self.check_only:
            self.new = old
            return
        if self.change is not None:
            changed = self.change(None if old is None else record_item(old))
            new: bytes | None = None if changed is None else pack_record(*changed)
        else:
            new = self.record
        self.new = new
        self.index_units = {}
        self.index_growth = {}
        if new == old:
            return
        if new is None:
            tx.delete(self.key)
        else:
            tx.put(self.key, new)
        if not table.plain:
            self._maintain(tx, now)

    def _maintain(self, tx: Transaction, now: float) -> None:
        table = self.table
        before = None if self.old is None else record_item(self.old)
        after = None if self.new is None else record_item(self.new)
        collection = (record_size(self.new) if self.new else 0) - (record_size(self.old) if self.old else 0)
        for plan in table.maintained:
            units, entries, growth = _maintain_index(tx, plan, before, after)
            if units:
                self.index_units[plan.name] = units
                self.index_growth[plan.index.number] = entries, growth
            if not plan.is_global:
                collection += growth
        if table.local:
            _grow_collection(tx, table, after or before or {}, collection)
        if table.record.ttl:
            expiry.maintain(tx, table, self.key, before, after)
        if table.record.history_since:
            history.keep(tx, table, self.key, self.old, now)
        stream = table.record.stream
        # Equal values may be written in another order: then nothing has changed.
        if stream is not None and stream.enabled and before != after:
            stream_log.append(tx, table, stream, before, after, now, self.identity)

    def consumption(self, name: str, *, transactional: bool = False) -> Consumption:
        consumption = Consumption(self.table, name, reading=False, transactional=transactional)
        units = write_units(record_size(self.old) if self.old else 0, record_size(self.new) if self.new else 0)
        # Of a transaction, only the table's own part costs double: measured.
        consumption.units = 2 * units if transactional else units
        for index, units in self.index_units.items():
            consumption.index(index, units)
        return consumption

    @property
    def growth(self) -> tuple[int, int]:
        """Items and bytes that the table gained."""
        if self.old is self.new:
            return 0, 0
        return (
            (self.new is not None) - (self.old is not None),
            (record_size(self.new) if self.new else 0) - (record_size(self.old) if self.old else 0),
        )


def _maintain_index(
    tx: Transaction, plan: IndexPlan, before: Item | None, after: Item | None
) -> tuple[float, int, int]:
    """Write units, and the index's growth in entries and bytes."""
    old_key = new_key = old = new = None
    old_size = new_size = 0
    if before is not None and plan.covers(before):
        old_key, old = plan.keys.key(before), plan.project(before)
        old_size = item_size(old)
    if after is not None and plan.covers(after):
        new_key, new = plan.keys.key(after), plan.project(after)
        new_size = item_size(new)
    if old_key == new_key:
        if new_key is None or new is None or old == new:
            return 0.0, 0, 0
        tx.put(new_key, pack_record(new, new_size))
        return write_units(old_size, new_size), 0, new_size - old_size
    units = 0.0
    if old_key is not None:
        tx.delete(old_key)
        units += write_units(old_size)
    if new_key is not None and new is not None:
        tx.put(new_key, pack_record(new, new_size))
        units += write_units(new_size)
    return units, (new_key is not None) - (old_key is not None), new_size - old_size


def _collection_key(table: Table, item: Item) -> bytes:
    return table_head(table.record.number, COLLECTIONS) + table.keys.within(item)


def _grow_collection(tx: Transaction, table: Table, item: Item, growth: int) -> None:
    """The size of an item collection with its local indexes is known at any time, for its limit and metrics."""
    key = _collection_key(table, item)
    stored = tx.get(key)
    size = (int.from_bytes(stored, "big") if stored else 0) + growth
    if size > _MAX_COLLECTION and growth > 0:
        raise AWSError("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
    if size > 0:
        tx.put(key, size.to_bytes(8, "big"))
    else:
        tx.delete(key)


def collection_size(tx: Reader, table: Table, item: Item) -> int:
    stored = tx.get(_collection_key(table, item))
    return int.from_bytes(stored, "big") if stored else 0
