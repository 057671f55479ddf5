"""ListStreams, DescribeStream.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pileus.aws import arn as arns
from pileus.aws.errors import AWSError
from pileus.security.policy.document import parse
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import stream_log
from pileus.services.dynamodb.catalog import Catalog
from pileus.services.dynamodb.tag_records import StreamEntry, streams
from pileus.services.dynamodbstreams import service
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction

_MAX_LIMIT = 100
_SHARD = "shardId-{:020d}-{:08x}"


def stream_arn(entry: StreamEntry) -> str:
    return arns.arn("dynamodb", entry.region, entry.account, f"table/{entry.table}/stream/{entry.stream.label}")


def shard_id(entry: StreamEntry) -> str:
    """The stream's one shard."""
    return _SHARD.format(int(entry.stream.created * 1000), entry.stream.number)


def starting_sequence(entry: StreamEntry) -> int:
    return stream_log.sequence_at(entry.stream.created)


def location(arn: str) -> tuple[str, str, str, str]:
    """Account, region, table and label of a stream's ARN."""
    try:
        parsed = arns.parse(arn)
    except ValueError:
        parsed = None
    parts = parsed.resource.split("/") if parsed is not None else []
    if parsed is None or parsed.service != "dynamodb" or len(parts) != 4 or (parts[0], parts[2]) != ("table", "stream"):
        raise AWSError("ValidationException", f"Invalid StreamArn: {arn} is not the ARN of a stream")
    return parsed.account, parsed.region, parts[1], parts[3]


def find(context: Context, arn: str) -> StreamEntry:
    entry = streams.get(context.store, *location(arn))
    if entry is None:
        raise AWSError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
    return entry


def stream_access(context: Context, action: str, arn: str) -> Access:
    account, region, table, _ = location(arn)
    found = context.cloud.part(Catalog).find(context.store, account, region, table)
    policies = (parse(found.record.policy),) if found is not None and found.record.policy else ()
    owner = "" if account == context.account else account
    return Access(f"dynamodb:{action}", arn, {}, policies, owner)


def _list_access(context: Context, request: Shape) -> Iterable[Access]:
    return (Access("dynamodb:ListStreams", "*"),)


@service.operation("ListStreams", access=_list_access, actions=("dynamodb:ListStreams",))
async def list_streams(context: Context, request: Shape) -> Shape:
    limit = request.get("Limit") or _MAX_LIMIT
    if limit > _MAX_LIMIT:
        raise AWSError(
            "ValidationException",
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {_MAX_LIMIT}",
        )
    within: list[str] = [context.account, context.region]
    if request.get("TableName"):
        name = request["TableName"]
        within.append(arns.parse(name).resource.split("/")[1] if name.startswith("arn:") else name)
    after = request.get("ExclusiveStartStreamArn")
    start = location(after) if after else None
    found = [entry for _, entry in streams.scan(context.store, *within, after=start, limit=limit + 1)]
    response: Shape = {
        "Streams": [
            {"StreamArn": stream_arn(entry), "StreamLabel": entry.stream.label, "TableName": entry.table}
            for entry in found[:limit]
        ]
    }
    if len(found) > limit:
        response["LastEvaluatedStreamArn"] = stream_arn(found[limit - 1])
    return response


@service.operation(
    "DescribeStream",
    access=lambda context, request: stream_access(context, "DescribeStream", request["StreamArn"]),
    actions=("dynamodb:DescribeStream",),
)
async def describe_stream(context: Context, request: Shape) -> Shape:
    entry = find(context, request["StreamArn"])
    start = request.get("ExclusiveStartShardId")
    chosen = request.get("ShardFilter")
    shards: list[Shape] = []
    if chosen is not None:
        # The one shard has no children.
        if not chosen.get("ShardId"):
            raise AWSError("ValidationException", "ShardFilter.ShardId must be specified with ShardFilter.Type")
        if not chosen.get("Type"):
            raise AWSError("ValidationException", "ShardFilter.Type must be specified with ShardFilter.ShardId")
    elif start is None:
        shards.append(_shard(context, entry))
    description: Shape = {
        "StreamArn": stream_arn(entry),
        "StreamLabel": entry.stream.label,
        "StreamStatus": "ENABLED" if entry.stream.enabled else "DISABLED",
        "StreamViewType": entry.stream.view,
        "CreationRequestDateTime": datetime.fromtimestamp(entry.stream.created, UTC),
        "TableName": entry.table,
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in entry.keys],
        "Shards": shards,
    }
    return {"StreamDescription": description}


def _shard(context: Context, entry: StreamEntry) -> Shape:
    sequences = {"StartingSequenceNumber": str(starting_sequence(entry))}
    if not entry.stream.enabled:
        last = stream_log.last_sequence(context.store, entry.stream.number)
        sequences["EndingSequenceNumber"] = str(last or stream_log.sequence_at(entry.stream.ended))
    return {"ShardId": shard_id(entry), "SequenceNumberRange": sequences}


@service.every(300, "trimming")
async def trim(cloud: Cloud) -> None:
    """Records are kept for a day, and ended streams as long as their records can be."""
    horizon = cloud.clock.time() - stream_log.RETENTION_SECONDS
    for key, entry in list(streams.scan(cloud.store)):
        start, end = stream_log.bounds(entry.stream.number)
        old = stream_log.record_key(entry.stream.number, stream_log.sequence_at(horizon))
        over = not entry.stream.enabled and entry.stream.ended < horizon
        if not over and next(iter(cloud.store.range(start, old, limit=1)), None) is None:
            continue

        def change(
            tx: Transaction,
            key: tuple[str, ...] = key,  # type: ignore[assignment]
            start: bytes = start,
            end: bytes = end if over else old,
            over: bool = over,
        ) -> bool:
            found = [record for record, _ in tx.range(start, end, limit=1000)]
            if found:
                tx.delete_range(start, found[-1] + b"\0")
            elif over:
                streams.delete(tx, *key)
            return bool(found)

        while await cloud.store.transact(change):
            pass
