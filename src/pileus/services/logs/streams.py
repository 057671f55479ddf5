"""Log streams: the events of one source, in order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from pileus.aws.errors import AWSError
from pileus.services.context import Cloud, Context
from pileus.services.logs import service
from pileus.services.logs.groups import position
from pileus.services.logs.names import group_name, invalid, on_group, on_stream
from pileus.services.logs.records import (
    CHUNKS,
    GROUPS,
    STREAMS,
    LogStream,
    delete_stream,
    get_group,
    get_stream,
    milliseconds,
    new_id,
    put_stream,
    resize,
    stored_bytes,
    streams_by_time,
    streams_of,
)
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.interface import Transaction
from pileus.store.keys import pack
from pileus.store.records import Records


@service.operation("CreateLogStream", access=on_stream("CreateLogStream"))
async def create_log_stream(context: Context, request: Shape) -> None:
    def change(tx: Transaction) -> None:
        group = get_group(tx, group_name(context, request))
        if STREAMS.get(tx, group.id, request["logStreamName"]) is not None:
            raise AWSError("ResourceAlreadyExistsException", "The specified log stream already exists")
        stream = LogStream(new_id(), milliseconds(context))
        put_stream(tx, group, request["logStreamName"], stream)

    await context.store.transact(change)


@service.operation("DeleteLogStream", access=on_stream("DeleteLogStream"))
async def delete_log_stream(context: Context, request: Shape) -> None:
    def change(tx: Transaction) -> None:
        group = get_group(tx, group_name(context, request))
        stream = get_stream(tx, group, request["logStreamName"])
        resize(tx, group, -stored_bytes(tx, group, stream))
        delete_stream(tx, group, request["logStreamName"], stream)
        CHUNKS.delete_all(tx, group.id, stream.id)

    await context.store.transact(change)


@service.operation("DescribeLogStreams", access=on_group("DescribeLogStreams"))
async def describe_log_streams(context: Context, request: Shape) -> Shape:
    name = group_name(context, request)
    prefix = request.get("logStreamNamePrefix") or ""
    by_time = request.get("orderBy") == "LastEventTime"
    if by_time and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group = get_group(context.store, name)
    after = position(request.get("nextToken"))
    if after is not None and len(after) != 2:
        raise invalid("The specified nextToken is invalid.")
    descending = bool(request.get("descending"))
    limit = request.get("limit") or 50
    rows: Iterable[tuple[tuple[int, str], LogStream]]
    if by_time:
        near = None if after is None else after[0]
        if not isinstance(near, int | None):
            raise invalid("The specified nextToken is invalid.")
        every = streams_by_time(context.store, group, descending=descending, near=near)
        rows = (
            row
            for row in every
            if after is None or (pack(*row[0]) < pack(*after) if descending else pack(*row[0]) > pack(*after))
        )
    elif descending:
        scanned = STREAMS.scan(
            context.store, group.id, after=None if after is None else (group.id, after[1]), reverse=True
        )
        reached = takewhile(lambda row: str(row[0][1]) >= prefix, scanned)
        rows = (((0, str(key[1])), stream) for key, stream in reached if str(key[1]).startswith(prefix))
    else:
        shown_last = None if after is None else str(after[1])
        rows = (
            ((0, each), stream) for each, stream in streams_of(context.store, group, prefix, after=shown_last)
        )  # fmt: skip
    shown, token = paging.page(rows, limit)
    streams = []
    for (_, stream_name), stream in shown:
        shape: Shape = {
            "logStreamName": stream_name,
            "creationTime": stream.created,
            "arn": name.stream_arn(str(stream_name)),
            "storedBytes": 0,
        }
        if stream.last is not None:
            shape.update(
                firstEventTimestamp=stream.first,
                lastEventTimestamp=stream.last,
                lastIngestionTime=stream.ingested,
                uploadSequenceToken=sequence_token(stream),
            )
        streams.append(shape)
    return {"logStreams": streams, **({"nextToken": token} if token else {})}


def sequence_token(stream: LogStream) -> str:
    """AWS ignores it since 2023 but still sends one."""
    return f"{int.from_bytes(stream.id, 'big'):020d}{stream.sequence:020d}"


_PLACED = Records(bool, "logs", "placed")


async def place(cloud: Cloud) -> None:
    """Streams of a data directory from before their ends and begins were kept get their places among them, once."""
    if _PLACED.get(cloud.store, "begins"):
        return

    def change(tx: Transaction) -> None:
        for _, group in list(GROUPS.scan(tx)):
            for name, stream in list(streams_of(tx, group)):
                put_stream(tx, group, name, stream)
        _PLACED.put(tx, "begins", value=True)

    await cloud.store.transact(change)


service.on_start.append(place)
