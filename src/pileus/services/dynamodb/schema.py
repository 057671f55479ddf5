"""What is kept of a table, and where its items lie in the store.

An item's key is the table's number, the index's (0 for the table itself), a hash of the partition key, and the key
attributes in order-preserving bytes. So an item collection is one range, sorted as DynamoDB sorts it, a scan walks
partitions in the order of a hash as it does on AWS, and the segments of a parallel scan are ranges. Numbers of tables
and indexes are never used again, so that what a deleted one leaves behind can be cleared away at leisure.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, crc32
from typing import Any, Literal

import msgspec
import orjson

from pileus.aws.arn import arn
from pileus.services.dynamodb import numbers
from pileus.services.dynamodb.errors import EmptyKeyError, invalid_parameters, key_mismatch, validation
from pileus.services.dynamodb.values import Item, Value, type_of
from pileus.store import watch
from pileus.store.keys import pack

Status = Literal["CREATING", "ACTIVE", "UPDATING", "DELETING"]
ScalarType = Literal["S", "N", "B"]

# What a table keeps beside its items, in the place of an index: sizes of item collections, former versions.
COLLECTIONS, HISTORY = -1, -2

MAX_PARTITION_KEY = 2048
INITIAL_UNITS = {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000}
"""Of an on-demand table, and what it is warm for at least."""
MAX_SORT_KEY = 1024


class Throughput(msgspec.Struct, omit_defaults=True):
    read: int = 0
    write: int = 0
    increased: float = 0.0
    decreased: float = 0.0
    decreases_today: int = 0


class Index(msgspec.Struct, omit_defaults=True):
    """A secondary index. `number` is its place in the store."""

    name: str
    number: int
    is_global: bool
    partition: tuple[str, ...]
    sort: tuple[str, ...]
    projection: str = "ALL"
    non_key: tuple[str, ...] = ()
    status: Status = "ACTIVE"
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand: dict[str, int] = {}
    warm: dict[str, int] = {}


class StreamRecord(msgspec.Struct, omit_defaults=True):
    """A table's stream; `label` is its creation time as AWS writes it in the stream's ARN."""

    label: str
    view: str
    number: int
    enabled: bool = True
    created: float = 0.0
    ended: float = 0.0


class TableRecord(msgspec.Struct, omit_defaults=True):
    account: str
    region: str
    name: str
    id: str
    number: int
    created: float
    attributes: dict[str, ScalarType]
    partition: str
    sort: str = ""
    indexes: tuple[Index, ...] = ()
    status: Status = "ACTIVE"
    billing: str = "PROVISIONED"
    on_demand_since: float = 0.0
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand: dict[str, int] = {}
    warm: dict[str, int] = {}
    stream: StreamRecord | None = None
    table_class: str = ""
    deletion_protection: bool = False
    encryption: dict[str, Any] = {}
    ttl: str = ""
    """The attribute of expiry, where time to live is enabled."""
    ttl_index: int = 0
    history_since: float = 0.0
    """When keeping of former versions began: point-in-time recovery, or a backup being made."""
    recovery_since: float = 0.0
    recovery_days: int = 0
    """The window of point-in-time recovery; none where 0."""
    copying: int = 0
    """Backups and exports under way, which need former versions."""
    restored: dict[str, Any] = {}
    policy: str = ""
    policy_revision: str = ""
    next_index: int = 1


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TableRecord).decode
_SIZE = struct.Struct(">I")


def pack_record(item: Item, size: int) -> bytes:
    """An item as it is stored: its size as DynamoDB counts it, then its JSON."""
    return _SIZE.pack(size) + orjson.dumps(item)


def record_size(record: bytes) -> int:
    return int.from_bytes(record[:4], "big")


def record_item(record: bytes) -> Item:
    return orjson.loads(record[4:])  # type: ignore[no-any-return]


def encode_key(value: Value, kind: str) -> bytes:
    """A key attribute in bytes that sort as the values do, none a prefix of another."""
    content = value[kind]
    if kind == "S":
        data = content.encode()
    elif kind == "N":
        return numbers.encode(content)
    else:
        data = a2b_base64(content)
    # 0 ends a value, so 0 and 1 inside are written as 1 1 and 1 2.
    return data.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") + b"\0"  # type: ignore[no-any-return]


def encode_prefix(value: Value, kind: str) -> bytes:
    """The beginning of all keys that begin with `value`."""
    return encode_key(value, kind)[:-1]


def past_prefix(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix`."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,))


def table_head(table: int, part: int) -> bytes:
    """The beginning of all keys of one part of a table."""
    return pack("ddb", table, part)


def hashed(partition: bytes) -> bytes:
    return crc32(partition).to_bytes(4, "big") + partition


class Keys:
    """The key schema of a table or an index, with what it takes to find and check items by it."""

    def __init__(
        self, table: TableRecord, number: int, partition: tuple[str, ...], sort: tuple[str, ...], base: Keys | None
    ) -> None:
        types = table.attributes
        self.head = table_head(table.number, number)
        self.partition = tuple((name, types[name]) for name in partition)
        self.sort = tuple((name, types[name]) for name in sort)
        self.attributes = self.partition + self.sort
        self.names = tuple(name for name, _ in self.attributes)
        self.base = base
        rest = () if base is None else tuple(each for each in base.attributes if each[0] not in self.names)
        self.all_names = self.names + tuple(name for name, _ in rest)

    def range(self) -> tuple[bytes, bytes]:
        return self.head, past_prefix(self.head)

    def within(self, item: Item) -> bytes:
        """What follows the head in the keys of all items that share this one's partition key."""
        if len(self.partition) == 1:
            name, kind = self.partition[0]
            return hashed(encode_key(item[name], kind))
        return hashed(b"".join(encode_key(item[name], kind) for name, kind in self.partition))

    def key(self, item: Item) -> bytes:
        key = self.head + self.within(item)
        for name, kind in self.sort:
            key += encode_key(item[name], kind)
        if self.base is not None:
            for name, kind in self.base.attributes:
                key += encode_key(item[name], kind)
        return key

    def of(self, item: Item) -> Item:
        """The key attributes of an item, the table's own included: what LastEvaluatedKey shows."""
        return {name: item[name] for name in self.all_names}


class IndexPlan:
    """An index in the form that each write uses."""

    def __init__(self, table: TableRecord, index: Index, base: Keys) -> None:
        self.index = index
        self.name = index.name
        self.is_global = index.is_global
        self.keys = Keys(table, index.number, index.partition, index.sort, base)
        self.projected: frozenset[str] | None = None
        if index.projection != "ALL":
            self.projected = frozenset((*self.keys.all_names, *base.names, *index.non_key))

    def covers(self, item: Item) -> bool:
        return all(name in item for name in self.keys.names)

    def project(self, item: Item) -> Item:
        if self.projected is None:
            return item
        return {name: value for name, value in item.items() if name in self.projected}


class Table:
    """A table as operations use it: its record and what follows from it, made once a version of the record."""

    def __init__(self, stored: bytes, store_key: bytes) -> None:
        self.stored = stored
        self.store_key = store_key
        self.record = record = _decode(stored)
        self.name = record.name
        self.arn = table_arn(record.region, record.account, record.name)
        sort = (record.sort,) if record.sort else ()
        self.keys = Keys(record, 0, (record.partition,), sort, None)
        self.indexes = tuple(IndexPlan(record, index, self.keys) for index in record.indexes)
        self.by_name = {plan.name: plan for plan in self.indexes}
        self.maintained = tuple(plan for plan in self.indexes if plan.index.status != "DELETING")
        self.local = tuple(plan for plan in self.indexes if not plan.is_global)
        self.plain = not (
            self.indexes or record.ttl or record.history_since or (record.stream and record.stream.enabled)
        )
        """A write concerns the item alone."""
        # Global indexes first: that is the order in which DynamoDB looks at them.
        self._index_keys = tuple(
            (plan.name, name, kind)
            for plan in sorted(self.indexes, key=lambda plan: not plan.is_global)
            for name, kind in plan.keys.attributes
            if name not in self.keys.names
        )
        self.index_key_types: dict[str, tuple[str, str]] = {}
        for index, name, kind in self._index_keys:
            self.index_key_types.setdefault(name, (kind, index))
        self._key_count = len(self.keys.attributes)

    @classmethod
    def of(cls, record: TableRecord) -> Table:
        return cls(_encode(record), record_key(record.account, record.region, record.name))

    def key(self, given: Any) -> bytes:
        """The place of the item with this primary key, checked against the schema."""
        if len(given) != self._key_count:
            raise key_mismatch()
        check_key(given, self.keys)
        return self.keys.key(given)

    def check_item(self, item: Item) -> None:
        """That an item to be stored has the table's keys, and well-typed ones of the indexes."""
        partition = True
        for name, kind in self.keys.attributes:
            value = item.get(name)
            if value is None:
                raise invalid_parameters(f"Missing the key {name} in the item")
            if kind not in value:
                raise invalid_parameters(f"Type mismatch for key {name} expected: {kind} actual: {type_of(value)}")
            check_key_value(name, kind, value[kind], partition)
            partition = False
        if self.indexes:
            self.check_index_keys(item)

    def check_index_keys(self, item: Item) -> None:
        for index, name, kind in self._index_keys:
            value = item.get(name)
            if value is None:
                continue
            if kind not in value:
                raise invalid_parameters(
                    f"Type mismatch for Index Key {name} Expected: {kind} Actual: {type_of(value)} IndexName: {index}"
                )
            if value[kind] == "":
                raise _empty_index_key(name, kind, index)
        for plan in self.indexes:
            for place, (name, kind) in enumerate(plan.keys.attributes):
                if name in item and kind != "N":
                    check_key_value(name, kind, item[name][kind], place < len(plan.keys.partition))


def _empty_index_key(name: str, kind: str, index: str) -> Exception:
    noun = "string" if kind == "S" else "binary"
    return validation(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
        f"The AttributeValue for a key attribute cannot contain an empty {noun} value. "
        f"IndexName: {index}, IndexKey: {name}"
    )


def check_key(given: Any, keys: Keys) -> None:
    partitions = len(keys.partition)
    for place, (name, kind) in enumerate(keys.attributes):
        check_key_attribute(given, name, kind, place < partitions)


def check_key_attribute(given: Any, name: str, kind: str, partition: bool) -> None:
    value = given.get(name)
    if value is None or kind not in value:
        raise key_mismatch()
    if kind != "N":
        check_key_value(name, kind, value[kind], partition)


def check_key_value(name: str, kind: str, content: str, partition: bool) -> None:
    """Neither empty nor too long."""
    if kind == "N":
        return
    if not content:
        noun = "string" if kind == "S" else "binary"
        raise EmptyKeyError(
            "One or more parameter values are not valid. "
            f"The AttributeValue for a key attribute cannot contain an empty {noun} value. Key: {name}"
        )
    length = len(content.encode()) if kind == "S" else len(a2b_base64(content))
    if partition and length > MAX_PARTITION_KEY:
        raise invalid_parameters("Size of hashkey has exceeded the maximum size limit of2048 bytes")
    if not partition and length > MAX_SORT_KEY:
        raise invalid_parameters("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")


def table_arn(region: str, account: str, name: str) -> str:
    return arn("dynamodb", region, account, f"table/{name}")


watch.declare(pack("dynamodb", "table"))


def record_key(account: str, region: str, name: str) -> bytes:
    return pack("dynamodb", "table", account, region, name)


def encode_record(record: TableRecord) -> bytes:
    return _encode(record)
