"""`pileus table export` and `pileus table import`: a table's items to and from JSON lines or CSV.

JSON lines are what ExportTableToPointInTime writes and ImportTable reads, one {"Item": …} in DynamoDB JSON a line; the
import takes plain JSON objects as well. CSV has no types: attributes are strings but for the table's keys, and an
export writes what is neither string nor number as JSON.
"""

from __future__ import annotations

import csv
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import orjson
import typer

from pileus.cli.errors import CommandError, explain
from pileus.cli.running import DEFAULT_DATA, Data
from pileus.cli.session import Session, Target, Where

Item = dict[str, Any]

_THREADS = 4
_BATCH = 25


class Wire:
    """One table in the JSON of the wire: boto3 signs, sends and repeats the requests, but neither makes nor reads their
    bodies, which is what would take the time of a million items."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table
        self._call = threading.local()
        client.meta.events.register("before-call.dynamodb", self._put_body)
        client.meta.events.register("before-parse.dynamodb", self._take_body)

    def scan(self, **request: Any) -> dict[str, Any]:
        self._call.body = orjson.dumps({"TableName": self._table, **request})
        self._client.scan(TableName=self._table)
        answer: dict[str, Any] = orjson.loads(self._call.answer)
        return answer

    def write(self, requests: list[Any]) -> list[Any]:
        """Answers what was not processed."""
        self._call.body = orjson.dumps({"RequestItems": {self._table: requests}}, default=str)
        self._client.batch_write_item(RequestItems={self._table: [{}]})
        rest: list[Any] = orjson.loads(self._call.answer)["UnprocessedItems"].get(self._table, [])
        return rest

    def _put_body(self, params: dict[str, Any], **_: Any) -> None:
        params["body"] = self._call.body

    def _take_body(self, response_dict: dict[str, Any], **_: Any) -> None:
        if response_dict["status_code"] == 200:
            self._call.answer, response_dict["body"] = response_dict["body"], b"{}"


class Format(StrEnum):
    json = "json"
    csv = "csv"


Table = Annotated[str, typer.Argument(help="The table's name.")]
FileFormat = Annotated[
    Format | None, typer.Option("--format", help="json (lines) or csv; by default what the file's name ends in.")
]


def export(
    table: Table,
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output where left out.")] = None,
    form: FileFormat = None,
    target: Where = Target.pileus,
    data: Data = DEFAULT_DATA,
) -> None:
    """Write a table's items to a file."""
    client = Session(target, data).client("dynamodb")
    with _said_in_one_line(client):
        expected = client.describe_table(TableName=table)["Table"]["ItemCount"]
        with _progress(f"Exporting {table}", expected) as advance, _writing(file) as out:
            writer = _csv_writer(out) if _format(form, file) is Format.csv else _json_writer(out)
            count = 0
            for items in _scanned(Wire(client, table)):
                for item in items:
                    writer(item)
                count += len(items)
                advance(len(items))
    print(f"{count} items of {table}{f' in {file}' if file else ''}", file=sys.stderr)


def import_(
    table: Table,
    file: Annotated[Path, typer.Argument(help="The file to read; - for standard input.")],
    form: FileFormat = None,
    target: Where = Target.pileus,
    data: Data = DEFAULT_DATA,
) -> None:
    """Read a table's items from a file."""
    client = Session(target, data).client("dynamodb")
    with _said_in_one_line(client):
        definitions = client.describe_table(TableName=table)["Table"]["AttributeDefinitions"]
        types = {definition["AttributeName"]: definition["AttributeType"] for definition in definitions}
        total = file.stat().st_size if file != Path("-") and file.is_file() else None
        with _progress(f"Importing {table}", total) as advance, _reading(file) as lines:
            counted = _counted(lines, advance)
            read = _csv_items(counted, types) if _format(form, file) is Format.csv else _json_items(counted)
            count = _write(Wire(client, table), read)
    print(f"{count} items in {table}", file=sys.stderr)


@contextmanager
def _said_in_one_line(client: Any) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise CommandError(error.response["Error"]["Message"]) from error
    except (BotoCoreError, OSError) as error:
        raise CommandError(explain(error)) from error


def _format(given: Format | None, file: Path | None) -> Format:
    if given is not None:
        return given
    return Format.csv if file is not None and file.suffix.lower() == ".csv" else Format.json


@contextmanager
def _progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total or None)
        yield lambda steps: progress.advance(task, steps)


@contextmanager
def _writing(file: Path | None) -> Iterator[TextIO]:
    if file is None:
        yield sys.stdout
        return
    # Written beside and put in its place when it is whole.
    beside = file.with_name(file.name + ".part")
    with beside.open("w", encoding="utf-8", newline="") as out:
        yield out
    beside.replace(file)


@contextmanager
def _reading(file: Path) -> Iterator[TextIO]:
    if file == Path("-"):
        yield sys.stdin
        return
    with file.open(encoding="utf-8", newline="") as lines:
        yield lines


def _counted(lines: TextIO, advance: Callable[[int], None]) -> Iterator[str]:
    for line in lines:
        advance(len(line))
        yield line


# Items in the file


def _json_writer(out: TextIO) -> Callable[[Item], None]:
    def write(item: Item) -> None:
        out.write(orjson.dumps({"Item": item}).decode() + "\n")

    return write


def _csv_writer(out: TextIO) -> Callable[[Item], None]:
    """Columns are the attributes of the first item, its own first; a later item with others cannot be written."""
    writer = csv.writer(out)
    header: list[str] = []

    def write(item: Item) -> None:
        if not header:
            header.extend(item)
            writer.writerow(header)
        unknown = [name for name in item if name not in header]
        if unknown:
            raise CommandError(
                f"The attribute {unknown[0]} is not in the first item, so it has no column; export as JSON instead."
            )
        writer.writerow([_csv_text(item[name]) if name in item else "" for name in header])

    return write


def _csv_text(value: Any) -> str:
    kind, content = next(iter(value.items()))
    return content if kind in ("S", "N") else orjson.dumps(value).decode()


def _json_items(lines: Iterable[str]) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            parsed = json.loads(line, parse_float=Decimal)  # orjson has no exact numbers
        except ValueError as error:
            raise CommandError(f"Line {number} is no JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise CommandError(f"Line {number} is no JSON object.")
        if parsed.keys() == {"Item"} and isinstance(parsed["Item"], dict):
            yield parsed["Item"]
        else:
            yield {name: _typed(value) for name, value in parsed.items()}


def _typed(value: Any) -> Item:
    """A plain JSON value as an attribute value."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | Decimal):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, list):
        return {"L": [_typed(element) for element in value]}
    return {"M": {name: _typed(element) for name, element in value.items()}}


def _csv_items(lines: Iterable[str], types: dict[str, str]) -> Iterator[Item]:
    reader = csv.reader(lines)
    header = next(reader, [])
    for row in reader:
        if row:
            yield {name: {types.get(name, "S"): text} for name, text in zip(header, row, strict=False) if text != ""}


# Items in the table


def _scanned(wire: Wire) -> Iterator[list[Item]]:
    """Pages of all segments, as they come."""
    with ThreadPoolExecutor(_THREADS) as pool:

        def page(segment: int, start: Item | None) -> tuple[int, list[Item], Item | None]:
            more = {} if start is None else {"ExclusiveStartKey": start}
            answer = wire.scan(Segment=segment, TotalSegments=_THREADS, ConsistentRead=True, **more)
            return segment, answer["Items"], answer.get("LastEvaluatedKey")

        pending = {pool.submit(page, segment, None) for segment in range(_THREADS)}
        while pending:
            done, pending = wait(pending, return_when="FIRST_COMPLETED")
            for future in done:
                segment, items, last = future.result()
                if last is not None:
                    pending.add(pool.submit(page, segment, last))
                yield items


def _write(wire: Wire, items: Iterator[Item]) -> int:
    count = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        pending: set[Future[None]] = set()
        while batch := list(islice(items, _BATCH)):
            pending.add(pool.submit(_write_batch, wire, batch))
            count += len(batch)
            if len(pending) >= 2 * _THREADS:
                done, pending = wait(pending, return_when="FIRST_COMPLETED")
                for future in done:
                    future.result()
        for future in pending:
            future.result()
    return count


def _write_batch(wire: Wire, items: list[Item]) -> None:
    requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
    while requests:
        requests = wire.write(requests)
