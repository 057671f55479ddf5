"""S3 beside others: objects of 1 KB, 10 KB and 10 MB, listings, and a website's pages. The processor's time for each
request is the server's alone, and the figure to compare on a machine that is busy with other things.

python bench/s3.py [--seconds 3] [--only pileus] [--keys 100000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contenders import Contender, everyone
from load import LoadError, drive
from signed import Client, plain
from workload import create_website

BUCKET = "bench-site"
MANY = "bench-many"
SIZES = {"1 KB": 1024, "10 KB": 10 * 1024, "10 MB": 10 * 1024**2}
WHO = ("constant", "pileus relaxed ×1", "pileus full ×1", "ministack", "s3rver", "moto")


def requests(client: Client, contender: Contender, keys: int) -> Iterator[tuple[str, bytes]]:
    """The name and bytes of each request, after what it needs is there."""
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for name, size in SIZES.items():
        key = f"{size}.bin"
        body = bytes(size)
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        yield f"GET {name}", client.sign("s3", "get_object", Bucket=BUCKET, Key=key)
        yield f"PUT {name}", client.sign("s3", "put_object", Bucket=BUCKET, Key=key, Body=body)
    if "Website" in contender.operations:
        s3.put_object(Bucket=BUCKET, Key="index.html", Body=bytes(1024), ContentType="text/html")
        create_website(client)
        port = client.endpoint.rpartition(":")[2]
        host = f"{BUCKET}.s3-website.localhost:{port}"
        yield "website 1 KB", plain("GET", f"{client.endpoint}/index.html", {"Host": host})
    if keys:
        fill(s3, keys)
        yield f"list 1,000 of {keys:,}", client.sign("s3", "list_objects_v2", Bucket=MANY, Prefix="0000")
        yield f"HEAD one of {keys:,}", client.sign("s3", "head_object", Bucket=MANY, Key=f"{keys // 2:08}")


def fill(s3: Any, keys: int) -> None:
    s3.create_bucket(Bucket=MANY)
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda number: s3.put_object(Bucket=MANY, Key=f"{number:08}", Body=b"x"), range(keys)):
            pass


def measure(contender: Contender, connections: tuple[int, ...], seconds: float, keys: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pileus-bench-") as folder:
        server = contender.start(Path(folder))
        try:
            if contender.name == "constant":
                floor = plain("GET", f"http://127.0.0.1:{server.port}/")
                named: Iterator[tuple[str, bytes]] = iter([("constant", floor)])
            else:
                named = requests(Client(f"http://127.0.0.1:{server.port}", *contender.key), contender, keys)
            for name, request in named:
                for count in connections:
                    before = server.cpu()
                    try:
                        load = drive(server.port, request, connections=count, seconds=seconds)
                    except LoadError as error:
                        print(f"{contender.name:20} {name:22} {count:3} connections: {error}")
                        continue
                    print(
                        f"{contender.name:20} {name:22} {count:3} connections {load.rate:9,.0f} /s"
                        f"  p50 {load.p50:8.2f} ms  p99 {load.p99:8.2f} ms"
                        f"  {(server.cpu() - before) / load.requests * 1e6:9,.0f} µs of CPU each",
                        flush=True,
                    )
        finally:
            server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--only", help="those whose names begin so")
    parser.add_argument("--keys", type=int, default=0, help="objects in the bucket that is listed")
    given = parser.parse_args()
    for contender in everyone():
        if contender.name in WHO and contender.present and contender.name.startswith(given.only or ""):
            measure(contender, tuple(given.connections), given.seconds, given.keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
