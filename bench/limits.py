"""What no implementation on this machine can beat, measured in the same run: milliseconds for one of each."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import folder


def measure(*, quick: bool) -> dict[str, float]:
    times = 50 if quick else 300
    return {
        "fsync": _fsync(times),
        "fork and import": _fork_and_import(times),
        "awslambdaric loop": _runtime_loop(1000 if quick else 5000),
    }


def _fsync(times: int) -> float:
    taken = []
    with tempfile.NamedTemporaryFile(dir=Path.cwd()) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


_FORK = """
import os, statistics, sys, time
import boto3, awslambdaric.bootstrap
taken = []
for number in range(int(sys.argv[1])):
    ours, theirs = os.pipe()
    began = time.perf_counter()
    if not os.fork():
        import handler
        os.write(theirs, b"x")
        os._exit(0)
    os.read(ours, 1)
    taken.append(time.perf_counter() - began)
    os.wait()
    os.close(ours)
    os.close(theirs)
print(statistics.median(taken) * 1000)
"""


def _fork_and_import(times: int) -> float:
    """From a process that has boto3 and the runtime client, to a child that has imported a small handler."""
    with folder("fork") as place:
        (place / "handler.py").write_text("def handler(event, context):\n    return {'ok': True}\n")
        ran = subprocess.run(
            [sys.executable, "-c", _FORK, str(times)], cwd=place, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": str(place), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"},
        )  # fmt: skip
    return float(ran.stdout)


_NEXT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n"
    b"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
    b"Lambda-Runtime-Deadline-Ms: 9542409706888\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n"
    b'\r\n{"a":1}'
)
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


def _runtime_loop(times: int) -> float:
    """One invocation through the official runtime client, the other side being the least that can answer it."""
    with folder("loop") as place, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        (place / "handler.py").write_text("def handler(event, context):\n    return {'ok': True}\n")
        api = f"127.0.0.1:{listener.getsockname()[1]}"
        environment = {
            "AWS_LAMBDA_RUNTIME_API": api,
            "LAMBDA_TASK_ROOT": str(place),
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        }
        client = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "handler.handler"],
            cwd=place, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return _answer(listener, times) * 1000
        finally:
            client.kill()
            client.wait()


def _answer(listener: socket.socket, times: int) -> float:
    """Seconds from the answer to `next` to the arrival of the response, the median."""
    taken: list[float] = []
    sent = 0.0
    connection = listener.accept()[0]
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while len(taken) < times:
        head = _request(connection)
        if head is None:
            connection.close()
            connection = listener.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif head.startswith(b"GET "):
            if sent:
                taken.append(time.perf_counter() - sent)
            sent = time.perf_counter()
            connection.sendall(_NEXT)
        else:
            connection.sendall(_ACCEPTED)
    connection.close()
    return statistics.median(taken)


def _request(connection: socket.socket) -> bytes | None:
    """The head of the next request, its body read too; None where the client closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            missing = int(line.split(b":")[1]) - len(body)
            while missing > 0:
                missing -= len(connection.recv(65536))
    return head


if __name__ == "__main__":
    for name, value in measure(quick=True).items():
        print(f"{name}: {value:.3f} ms")
