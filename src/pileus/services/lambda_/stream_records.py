"""Records of DynamoDB streams as functions are given them, and how they are cut into batches."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime
from typing import Any

import orjson

from pileus.services.lambda_ import limits
from pileus.services.lambda_.records import Mapping

Record = dict[str, Any]


def sequence_of(record: Record) -> str:
    sequence: str = record["dynamodb"]["SequenceNumber"]
    return sequence


def arrival_of(record: Record) -> str:
    moment = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def event_of(record: Record, mapping: Mapping) -> Record:
    """A stream's record as functions are given it."""
    change = record["dynamodb"]
    event = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record["eventVersion"],
        "eventSource": record["eventSource"],
        "awsRegion": record["awsRegion"],
        "dynamodb": {
            **change,
            # Whole seconds, with a decimal point: recorded.
            "ApproximateCreationDateTime": float(int(change["ApproximateCreationDateTime"].timestamp())),
            **{image: _printable(change[image]) for image in ("Keys", "NewImage", "OldImage") if image in change},
        },
        "eventSourceARN": mapping.source,
    }
    identity = record.get("userIdentity")
    if identity:
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event


def _printable(value: Any) -> Any:
    """Attribute values with binary ones in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


def lanes(records: list[Record], count: int) -> list[list[Record]]:
    """Records of one item stay in order in one lane."""
    if count == 1:
        return [records]
    found: dict[int, list[Record]] = {}
    for record in records:
        item = orjson.dumps(record["dynamodb"]["Keys"], option=orjson.OPT_SORT_KEYS)
        found.setdefault(zlib.crc32(item) % count, []).append(record)
    return list(found.values())


def batches(records: list[Record], most: int) -> list[list[Record]]:
    """Cut so that each fits a batch and a payload."""
    cut: list[list[Record]] = []
    size = 0
    for record in records:
        length = len(orjson.dumps(record)) + 1
        if not cut or len(cut[-1]) >= most or size + length > limits.REQUEST_BYTES - 100:
            cut.append([])
            size = 0
        cut[-1].append(record)
        size += length
    return cut
