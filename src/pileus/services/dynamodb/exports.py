"""ExportTableToPointInTime, DescribeExport, ListExports: a table as it was, in DynamoDB JSON, in S3.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson

from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import copies, jobs, service, transfers
from pileus.services.dynamodb.access import everything, on_table
from pileus.services.dynamodb.descriptions import moment
from pileus.services.dynamodb.recovery import backed_up_table, earliest
from pileus.services.dynamodb.schema import Table, TableRecord, record_size
from pileus.services.dynamodb.tables import change_table
from pileus.services.dynamodb.transfers import Transfer
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_FILE_BYTES = 16 << 20
"""Items gathered for one object, before compression."""


@service.operation("ExportTableToPointInTime", access=on_table("ExportTableToPointInTime", "TableArn"))
async def export_table_to_point_in_time(context: Context, request: Shape) -> Shape:
    if request.get("ExportType") == "INCREMENTAL_EXPORT" or request.get("IncrementalExportSpecification"):
        raise option_not_implemented("incremental exports")
    if (request.get("ExportFormat") or "DYNAMODB_JSON") != "DYNAMODB_JSON":
        raise option_not_implemented("exports in the ION format")
    for option in ("FilterSpecification", "S3SseAlgorithm", "S3SseKmsKeyId"):
        if request.get(option):
            raise option_not_implemented(option)
    existing = transfers.known(context, "export", request.get("ClientToken"))
    if existing is not None:
        return {"ExportDescription": _description(existing)}
    table = backed_up_table(context, request["TableArn"])
    if not table.record.recovery_days:
        raise AWSError(
            "PointInTimeRecoveryUnavailableException",
            f"Point in time recovery is not enabled for table '{table.name}'",
        )
    now = context.cloud.clock.time()
    wanted = request["ExportTime"].timestamp() if request.get("ExportTime") else now
    if not earliest(table.record, now) <= wanted <= now:
        raise AWSError("InvalidExportTimeException", "ExportTime must be within the point in time recovery window")
    record = table.record
    kept = {name: value for name, value in request.items() if isinstance(value, str)}
    transfer = Transfer(
        transfers.new_id(now), "export", record.account, record.region, record.name, record.id, record.number,
        context.principal, kept, now, wanted,
    )  # fmt: skip

    def begin(tx: Transaction, table: Table) -> TableRecord:
        transfers.put(tx, transfer)
        jobs.put(tx, "export", account=transfer.account, region=transfer.region, id=transfer.id)
        return copies.begin(table, now)

    await change_table(context, table.arn, begin)
    jobs.start(context.cloud)
    return {"ExportDescription": _description(transfer)}


@jobs.handles("export")
async def _export(cloud: Cloud, arguments: dict[str, Any]) -> None:
    transfer = transfers.load(cloud, "export", arguments["account"], arguments["region"], arguments["id"])
    if transfer is None:
        return
    try:
        await _write(cloud, transfer)
    except (AWSError, copies.SourceGoneError) as error:
        transfer.status = "FAILED"
        transfer.failure_code = error.code if isinstance(error, AWSError) else "TableNotFoundException"
        transfer.failure = error.message if isinstance(error, AWSError) else "The table was deleted."
    else:
        transfer.status = "COMPLETED"
    transfer.ended = cloud.clock.time()
    await transfers.save(cloud, transfer)
    await copies.end(cloud, transfer.where, transfer.number)


async def _write(cloud: Cloud, transfer: Transfer) -> None:
    prefix = transfer.request.get("S3Prefix", "").strip("/")
    folder = f"{prefix}/AWSDynamoDB/{transfer.id}" if prefix else f"AWSDynamoDB/{transfer.id}"
    bucket = transfer.request["S3Bucket"]
    s3 = cloud.client(transfer.principal, region=transfer.region)

    async def put(key: str, data: bytes) -> str:
        request: Shape = {"Bucket": bucket, "Key": key, "Body": Bytes(data)}
        if transfer.request.get("S3BucketOwner"):
            request["ExpectedBucketOwner"] = transfer.request["S3BucketOwner"]
        answer = await s3.call("s3", "PutObject", request)
        return str(answer.get("ETag", ""))

    await put(f"{folder}/_started", b"")
    files: list[bytes] = []
    transfer.items = transfer.size = 0
    async for lines, count, size in _lines(cloud, transfer):
        data = gzip.compress(lines, 6)
        key = f"{folder}/data/{hashlib.sha256(f'{transfer.id}{len(files)}'.encode()).hexdigest()[:26]}.json.gz"
        tag = await put(key, data)
        digest = b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        files.append(
            orjson.dumps({"itemCount": count, "md5Checksum": digest, "etag": tag.strip('"'), "dataFileS3Key": key})
        )
        transfer.items += count
        transfer.size += size
    manifest_files = b"".join(line + b"\n" for line in files)
    await put(f"{folder}/manifest-files.json", manifest_files)
    summary = {
        "version": "2020-06-30",
        "exportArn": transfer.arn,
        "startTime": _iso(transfer.started),
        "endTime": _iso(cloud.clock.time()),
        "tableArn": transfer.table_arn,
        "tableId": transfer.table_id,
        "exportTime": _iso(transfer.moment),
        "s3Bucket": bucket,
        "s3Prefix": prefix or None,
        "s3SseAlgorithm": None,
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"{folder}/manifest-files.json",
        "billedSizeBytes": transfer.size,
        "itemCount": transfer.items,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    transfer.manifest = f"{folder}/manifest-summary.json"
    await put(transfer.manifest, orjson.dumps(summary))


async def _lines(cloud: Cloud, transfer: Transfer) -> AsyncIterator[tuple[bytes, int, int]]:
    """Lines for one object at a time, their number, and the items' size."""
    gathered: list[bytes] = []
    length = size = 0
    async for records in copies.records_at(cloud, transfer.where, transfer.number, transfer.moment):
        for record in records:
            gathered.append(b'{"Item":' + record[4:] + b"}\n")
            length += len(record)
            size += record_size(record)
        if length >= _FILE_BYTES:
            yield b"".join(gathered), len(gathered), size
            gathered, length, size = [], 0, 0
    if gathered:
        yield b"".join(gathered), len(gathered), size


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _description(transfer: Transfer) -> Shape:
    description: Shape = {
        "ExportArn": transfer.arn,
        "ExportStatus": transfer.status,
        "StartTime": moment(transfer.started),
        "TableArn": transfer.table_arn,
        "TableId": transfer.table_id,
        "ExportTime": moment(transfer.moment),
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
    }
    for parameter in ("ClientToken", "S3Bucket", "S3BucketOwner", "S3Prefix"):
        if parameter in transfer.request:
            description[parameter] = transfer.request[parameter]
    if transfer.ended:
        description["EndTime"] = moment(transfer.ended)
    if transfer.status == "COMPLETED":
        description["ExportManifest"] = transfer.manifest
        description["BilledSizeBytes"] = transfer.size
        description["ItemCount"] = transfer.items
    if transfer.failure_code:
        description["FailureCode"], description["FailureMessage"] = transfer.failure_code, transfer.failure
    return description


@service.operation("DescribeExport", access=transfers.on_transfer("DescribeExport", "ExportArn"))
async def describe_export(context: Context, request: Shape) -> Shape:
    return {"ExportDescription": _description(transfers.find(context, "export", request["ExportArn"]))}


@service.operation("ListExports", access=everything("ListExports"))
async def list_exports(context: Context, request: Shape) -> Shape:
    found, token = transfers.listed(
        context, "export", request.get("TableArn"), request.get("MaxResults") or 25, request.get("NextToken")
    )
    response: Shape = {
        "ExportSummaries": [
            {"ExportArn": transfer.arn, "ExportStatus": transfer.status, "ExportType": "FULL_EXPORT"}
            for transfer in found
        ]
    }
    if token:
        response["NextToken"] = token
    return response
