"""ImportTable, DescribeImport, ListImports: a new table from objects in S3, DynamoDB JSON or CSV.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.HowItWorks.html
"""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import orjson

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.client import Client
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import cleaning, jobs, service, transfers
from pileus.services.dynamodb.access import everything, table_access
from pileus.services.dynamodb.catalog import Catalog
from pileus.services.dynamodb.descriptions import moment
from pileus.services.dynamodb.restores import fill, finish
from pileus.services.dynamodb.schema import Table, pack_record
from pileus.services.dynamodb.tables import NewTable, checked, create
from pileus.services.dynamodb.transfers import Transfer
from pileus.services.dynamodb.values import MAX_ITEM_SIZE, Item, check_item
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction

_NOT_ALL = (
    "Some of the items failed validation checks and were not imported. Please check CloudWatch error logs for more "
    "details."
)
_SPACE = re.compile(r"\s*")
_decode_json = json.JSONDecoder().raw_decode
_PIECE = 200
_LONGEST_LINE = 4 << 20
_READ = 1 << 20


def _access(context: Context, request: Shape) -> Access:
    name = request["TableCreationParameters"]["TableName"]
    return table_access(context, "ImportTable", name, request=request)


@service.operation("ImportTable", access=_access)
async def import_table(context: Context, request: Shape) -> Shape:
    if request["InputFormat"] == "ION":
        raise option_not_implemented("imports in the ION format")
    if request.get("InputCompressionType") == "ZSTD":
        raise option_not_implemented("imports compressed by ZSTD")
    existing = transfers.known(context, "import", request.get("ClientToken"))
    if existing is not None:
        return {"ImportTableDescription": _description(existing)}
    new = checked(context, request["TableCreationParameters"])
    record = msgspec.structs.replace(new.record, status="CREATING")
    table = await create(context, NewTable(record))
    now = context.cloud.clock.time()
    record = table.record
    transfer = Transfer(
        transfers.new_id(now), "import", record.account, record.region, record.name, record.id, record.number,
        context.principal, request, now,
    )  # fmt: skip

    def change(tx: Transaction) -> None:
        transfers.put(tx, transfer)
        jobs.put(tx, "import", account=transfer.account, region=transfer.region, id=transfer.id)

    await context.store.transact(change)
    jobs.start(context.cloud)
    return {"ImportTableDescription": _description(transfer)}


@jobs.handles("import")
async def _import(cloud: Cloud, arguments: dict[str, Any]) -> None:
    transfer = transfers.load(cloud, "import", arguments["account"], arguments["region"], arguments["id"])
    if transfer is None:
        return
    transfer.items = transfer.processed = transfer.size = transfer.errors = 0
    readable = True
    try:
        await _read_all(cloud, transfer)
    except S3Error as error:
        readable = False
        _fail(transfer, f"S3{error.code}", error.message)
    except AWSError as error:
        _fail(transfer, error.code, error.message)
    else:
        transfer.status = "COMPLETED"
        if transfer.errors:
            _fail(transfer, "ItemValidationError", _NOT_ALL)
    transfer.ended = cloud.clock.time()
    await transfers.save(cloud, transfer)
    now = transfer.ended
    await cloud.store.transact(
        lambda tx: (
            finish(cloud, tx, transfer.where, transfer.number)
            if readable or transfer.items
            else _withdraw(cloud, tx, transfer, now)
        )
    )


def _fail(transfer: Transfer, code: str, message: str) -> None:
    transfer.status, transfer.failure_code, transfer.failure = "FAILED", code, message


def _withdraw(cloud: Cloud, tx: Transaction, transfer: Transfer, now: float) -> None:
    """A table that nothing could be read for is not left behind."""
    table = cloud.part(Catalog).find(tx, *transfer.where)
    if table is not None and table.record.number == transfer.number:
        tx.delete(table.store_key)
        cleaning.discard(tx, table, now)


class S3Error(AWSError):
    """What S3 said."""


async def _ask(s3: Client, operation: str, request: Shape) -> Shape:
    """Raises S3Error."""
    try:
        return await s3.call("s3", operation, request)
    except AWSError as error:
        raise S3Error(error.code, error.message) from None


async def _read_all(cloud: Cloud, transfer: Transfer) -> None:
    s3 = cloud.client(transfer.principal, region=transfer.region)
    source = transfer.request["S3BucketSource"]
    async for key in _keys(s3, source):
        answer = await _ask(s3, "GetObject", {"Bucket": source["S3Bucket"], "Key": key, **_owner(source)})
        pieces = _pieces(answer["Body"])
        if transfer.request.get("InputCompressionType") == "GZIP":
            pieces = _unzipped(pieces)
        gathered: list[bytes] = []
        async for line in _parsed(_lines(pieces), transfer):
            record = _record(_table(cloud, transfer), line, transfer)
            if record is not None:
                gathered.append(record)
            if len(gathered) >= _PIECE:
                await _put(cloud, transfer, gathered)
                gathered = []
        await _put(cloud, transfer, gathered)
        await transfers.save(cloud, transfer)


def _owner(source: Shape) -> Shape:
    return {"ExpectedBucketOwner": source["S3BucketOwner"]} if source.get("S3BucketOwner") else {}


def _table(cloud: Cloud, transfer: Transfer) -> Table:
    table = cloud.part(Catalog).find(cloud.store, *transfer.where)
    if table is None or table.record.number != transfer.number:
        raise AWSError("TableNotFoundException", "The table was deleted.")
    return table


async def _put(cloud: Cloud, transfer: Transfer, records: list[bytes]) -> None:
    if records:
        await fill(cloud, _table(cloud, transfer), records)
        transfer.items += len(records)


async def _keys(s3: Client, source: Shape) -> AsyncIterator[str]:
    request: Shape = {"Bucket": source["S3Bucket"], "Prefix": source.get("S3KeyPrefix") or "", **_owner(source)}
    while True:
        page = await _ask(s3, "ListObjectsV2", request)
        for entry in page.get("Contents") or ():
            name = entry["Key"].rpartition("/")[2]
            # An export's folder can be given as it is: what is not data is left out.
            if name and not name.startswith(("manifest-", "_started")):
                yield entry["Key"]
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    """Whatever an operation may answer as its body: bytes, an open file, or something that streams."""
    if isinstance(body, bytes):
        yield body
    elif hasattr(body, "__aiter__"):
        async for piece in body:
            yield piece
    else:
        with body:
            while piece := body.read(_READ):
                yield piece


async def _unzipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    async for piece in pieces:
        while piece:
            try:
                yield inflate.decompress(piece, _READ)
            except zlib.error:
                raise AWSError("ValidationException", "The object is not compressed by GZIP") from None
            piece = inflate.unconsumed_tail
            if inflate.eof:
                piece, inflate = inflate.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 16)


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > _LONGEST_LINE:
            raise AWSError("ValidationException", "A line is longer than an item can be")
    if rest:
        yield rest


async def _parsed(lines: AsyncIterator[bytes], transfer: Transfer) -> AsyncIterator[Item | None]:
    """Items as the format has them, None for a line that is none."""
    reading_csv = transfer.request["InputFormat"] == "CSV"
    options = (transfer.request.get("InputFormatOptions") or {}).get("Csv") or {}
    header: list[str] | None = options.get("HeaderList")
    async for line in lines:
        if not line.strip():
            continue
        transfer.size += len(line)
        if not reading_csv:
            for item in _json_items(line):
                transfer.processed += 1
                yield item
            continue
        for row in _rows(line, options.get("Delimiter") or ","):
            if header is None:
                header = row
                continue
            transfer.processed += 1
            yield {name: {"S": text} for name, text in zip(header, row, strict=False) if text != ""}


def _rows(line: bytes, delimiter: str) -> Iterator[list[str]]:
    yield from csv.reader([line.decode("utf-8", "replace").rstrip("\r")], delimiter=delimiter)


def _json_items(line: bytes) -> Iterator[Item | None]:
    """Usually one; DynamoDB also takes several that stand one after the other. None for what is no item."""
    try:
        yield _item_of(orjson.loads(line))
    except ValueError:
        yield from _one_after_the_other(line.decode("utf-8", "replace"))


def _one_after_the_other(text: str) -> Iterator[Item | None]:
    position = 0
    while position < len(text):
        try:
            value, position = _decode_json(text, position)
        except (ValueError, RecursionError):
            yield None
            return
        yield _item_of(value)
        space = _SPACE.match(text, position)
        position = space.end() if space else position


def _item_of(value: Any) -> Item | None:
    item = value.get("Item") if isinstance(value, dict) else None
    return item if isinstance(item, dict) else None


def _record(table: Table, item: Item | None, transfer: Transfer) -> bytes | None:
    """The item as it is stored; what the table cannot hold is counted and left out."""
    try:
        if item is None:
            raise ValueError
        if transfer.request["InputFormat"] == "CSV":
            _type_keys(table, item)
        size = check_item(item)
        table.check_item(item)
        if size > MAX_ITEM_SIZE:
            raise ValueError
    except (AWSError, ValueError):
        transfer.errors += 1
        return None
    return pack_record(item, size)


def _type_keys(table: Table, item: Item) -> None:
    """CSV has no types: key attributes get those of the schema, all others are strings."""
    for name, kind in table.record.attributes.items():
        if name in item and kind != "S":
            item[name] = {kind: item[name]["S"]}


def _description(transfer: Transfer) -> Shape:
    request = transfer.request
    description: Shape = {
        "ImportArn": transfer.arn,
        "ImportStatus": transfer.status,
        "TableArn": transfer.table_arn,
        "TableId": transfer.table_id,
        "StartTime": moment(transfer.started),
        "ErrorCount": transfer.errors,
        "ProcessedSizeBytes": transfer.size,
        "ProcessedItemCount": transfer.processed,
        "ImportedItemCount": transfer.items,
    }
    for parameter in (
        "ClientToken", "S3BucketSource", "InputFormat", "InputFormatOptions", "InputCompressionType",
        "TableCreationParameters",
    ):  # fmt: skip
        if request.get(parameter) is not None:
            description[parameter] = request[parameter]
    if transfer.ended:
        description["EndTime"] = moment(transfer.ended)
    if transfer.failure_code:
        description["FailureCode"], description["FailureMessage"] = transfer.failure_code, transfer.failure
    return description


@service.operation("DescribeImport", access=transfers.on_transfer("DescribeImport", "ImportArn"))
async def describe_import(context: Context, request: Shape) -> Shape:
    return {"ImportTableDescription": _description(transfers.find(context, "import", request["ImportArn"]))}


@service.operation("ListImports", access=everything("ListImports"))
async def list_imports(context: Context, request: Shape) -> Shape:
    found, token = transfers.listed(
        context, "import", request.get("TableArn"), request.get("PageSize") or 25, request.get("NextToken")
    )
    members = ("ImportArn", "ImportStatus", "TableArn", "S3BucketSource", "InputFormat", "StartTime", "EndTime")
    summaries = [
        {member: value for member, value in _description(transfer).items() if member in members} for transfer in found
    ]
    response: Shape = {"ImportSummaryList": summaries}
    if token:
        response["NextToken"] = token
    return response
