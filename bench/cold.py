"""Cold starts: the first invocation of a function that was never run, for each runtime, with and without the SDK."""

from __future__ import annotations

import statistics
import sys
import time

from contenders import Contender
from results import Cold
from signed import Client, send
from workload import create_function

_CASES = (("python3.12", False), ("python3.12", True), ("nodejs20.x", False), ("java17", False))


def measure(client: Client, contender: Contender, *, times: int) -> list[Cold]:
    found = []
    role = client("iam").get_role(RoleName="bench")["Role"]["Arn"]
    for runtime, sdk in _CASES:
        if runtime not in contender.runtimes:
            continue
        name = f"{runtime}{' with boto3' if sdk else ''}"
        try:
            taken = [
                _first(client, role, f"cold-{runtime[:6]}-{sdk}-{number}", runtime, sdk) for number in range(times)
            ]
        except Exception as error:
            print(f"{contender.name} has no cold start of {name}: {error}", file=sys.stderr)
            continue
        found.append(Cold(contender.name, name, statistics.median(taken), max(taken), times))
    return found


def _first(client: Client, role: str, name: str, runtime: str, sdk: bool) -> float:
    create_function(client, role, name, runtime, sdk=sdk)
    signed = client.sign("lambda", "invoke", FunctionName=name, Payload=b"{}")
    began = time.perf_counter()
    status, body = send(signed, int(client.endpoint.rpartition(":")[2]))
    taken = time.perf_counter() - began
    if status != 200 or b"true" not in body:
        raise RuntimeError(f"{status} {body[:200]!r}")
    client("lambda").delete_function(FunctionName=name)
    return taken * 1000
