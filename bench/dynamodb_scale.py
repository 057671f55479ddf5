"""One table far larger than memory should matter: how its reads compare with a small table's, on one server.

    nice .venv/bin/python bench/dynamodb_scale.py [--items 10000000] [--batch 100000]

The first --batch items are written by BatchWriteItem over HTTP, whose rate is told; the others are imported from S3.
Items are of about 300 bytes, 100 to a partition. Reads hit random keys of both tables in turn, one connection, every
request signed beforehand; the client's own time is in both figures alike. Then the server is ended and started again.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import random
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contenders import ROOT
from processes import Server, folder, free_port
from signed import Client

_KEY = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
_PER_PARTITION = 100
_FILLER = "x" * 250
_SMALL = 10_000
_PER_OBJECT = 250_000
_SAMPLES = 1500


def key(number: int) -> dict[str, Any]:
    return {"p": {"S": f"partition-{number // _PER_PARTITION:08d}"}, "c": {"N": str(number % _PER_PARTITION)}}


def item(number: int) -> dict[str, Any]:
    return {**key(number), "n": {"N": str(number)}, "text": {"S": _FILLER}}


def start(data: Path) -> Server:
    port = free_port()
    command = [
        str(ROOT / ".venv/bin/pileus"),
        "up",
        "--data",
        str(data),
        "--port",
        str(port),
        "--durability",
        "relaxed",
    ]
    environment = {"PILEUS_ROOT_ACCESS_KEY_ID": _KEY[0], "PILEUS_ROOT_SECRET_ACCESS_KEY": _KEY[1]}
    return Server(command, port=port, folder=data.parent, environment=environment)


def table(name: str) -> dict[str, Any]:
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "c", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "c", "AttributeType": "N"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def write(database: Any, name: str, first: int, last: int) -> float:
    """Seconds that BatchWriteItem took from four threads."""

    def batch(begin: int) -> None:
        puts = [{"PutRequest": {"Item": item(n)}} for n in range(begin, min(begin + 25, last))]
        assert not database.batch_write_item(RequestItems={name: puts})["UnprocessedItems"]

    began = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(batch, range(first, last, 25)):
            pass
    return time.perf_counter() - began


def objects(first: int, last: int) -> Iterator[bytes]:
    for begin in range(first, last, _PER_OBJECT):
        lines = (
            f'{{"Item":{{"p":{{"S":"partition-{n // _PER_PARTITION:08d}"}},"c":{{"N":"{n % _PER_PARTITION}"}},'
            f'"n":{{"N":"{n}"}},"text":{{"S":"{_FILLER}"}}}}}}\n'
            for n in range(begin, min(begin + _PER_OBJECT, last))
        )
        yield gzip.compress("".join(lines).encode(), 1)


def import_(client: Client, name: str, count: int) -> float:
    """Seconds that ImportTable took for `count` items."""
    s3, database = client("s3"), client("dynamodb")
    s3.create_bucket(Bucket="scale")
    for number, data in enumerate(objects(0, count)):
        s3.put_object(Bucket="scale", Key=f"items/{number:05d}.json.gz", Body=data)
    began = time.perf_counter()
    arn = database.import_table(
        S3BucketSource={"S3Bucket": "scale", "S3KeyPrefix": "items/"},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters=table(name),
    )["ImportTableDescription"]["ImportArn"]
    while True:
        description = database.describe_import(ImportArn=arn)["ImportTableDescription"]
        print(f"\r{description['ImportedItemCount']:>12,} of {count:,}", end="", file=sys.stderr)
        if description["ImportStatus"] != "IN_PROGRESS":
            break
        time.sleep(1)
    print(file=sys.stderr)
    if description["ImportStatus"] != "COMPLETED" or description["ImportedItemCount"] != count:
        raise SystemExit(f"the import ended so: {description}")
    return time.perf_counter() - began


def compare(client: Client, port: int, operation: str, sizes: dict[str, int]) -> dict[str, float]:
    """Median milliseconds by table, measured in turn."""
    requests: dict[str, list[bytes]] = {}
    for name, count in sizes.items():
        numbers = [random.randrange(count) for _ in range(_SAMPLES)]
        if operation == "GetItem":
            signed = [client.sign("dynamodb", "get_item", TableName=name, Key=key(n)) for n in numbers]
        else:
            signed = [
                client.sign(
                    "dynamodb", "query", TableName=name, Limit=20, KeyConditionExpression="p = :p",
                    ExpressionAttributeValues={":p": key(n)["p"]},
                )
                for n in numbers
            ]  # fmt: skip
        requests[name] = signed
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    times: dict[str, list[float]] = {name: [] for name in sizes}
    for number in range(_SAMPLES):
        for name in sizes:
            began = time.perf_counter()
            connection.sock.sendall(requests[name][number])
            answer = http.client.HTTPResponse(connection.sock, method="POST")
            answer.begin()
            body = answer.read()
            times[name].append((time.perf_counter() - began) * 1000)
            assert answer.status == 200 and _FILLER.encode() in body, body[:200]
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=100_000, help="items written by BatchWriteItem to measure it")
    options = parser.parse_args()
    with folder("dynamodb") as work:
        data = work / "data"
        server = start(data)
        try:
            client = Client(f"http://127.0.0.1:{server.port}", *_KEY)
            database = client("dynamodb")
            for name in ("small", "batch"):
                database.create_table(**table(name))
            write(database, "small", 0, _SMALL)
            seconds = write(database, "batch", 0, options.batch)
            print(f"BatchWriteItem  {options.batch:,} items, {options.batch / seconds:,.0f} a second")
            seconds = import_(client, "large", options.items)
            print(f"ImportTable     {options.items:,} items, {options.items / seconds:,.0f} a second")
            size = sum(path.stat().st_size for path in data.glob("store.db*"))
            print(f"store           {size / 2**30:.2f} GiB")
            sizes = {"small": _SMALL, "large": options.items}
            for operation in ("GetItem", "Query"):
                medians = compare(client, server.port, operation, sizes)
                print(
                    f"{operation:<15} small {medians['small']:.3f} ms, large {medians['large']:.3f} ms, "
                    f"ratio {medians['large'] / medians['small']:.2f}"
                )
            print(f"memory          {server.memory() / 2**20:.0f} MiB")
        finally:
            server.stop()
        server = start(data)
        print(f"restart         {server.started:.2f} s")
        server.stop()


if __name__ == "__main__":
    main()
