"""The processes: one supervisor, and gateway workers that share the port and nothing but the store."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pileus.aws.clock import Clock
from pileus.gateway import cloud as clouds
from pileus.gateway import data_directory
from pileus.gateway.app import Gateway
from pileus.gateway.data_directory import CannotStartError
from pileus.gateway.periodic import PeriodicWork
from pileus.gateway.server import BACKLOG, Server, tls
from pileus.services import all_services
from pileus.services.context import Settings

log = logging.getLogger("pileus")

_GRACE_SECONDS = 10


def up(settings: Settings) -> int:
    """Runs the cloud until SIGTERM or SIGINT; the exit code. Raises CannotStartError."""
    with data_directory.lock(settings.data):
        listening = _listen(settings)
        host, port = listening.getsockname()[:2]
        settings = dataclasses.replace(settings, port=port)
        _log_to(settings.data / "pileus.log")
        store = data_directory.open_store(settings)
        asyncio.run(clouds.prepare(store, Clock()))
        store.close()
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1", "::") else host  # noqa: S104 - compared only
        address = f"{'https' if settings.tls_certificate else 'http'}://{shown}:{port}"
        data_directory.write_running(settings.data, address, settings.region)
        try:
            if settings.workers == 1:
                return _run(_work(settings, listening, address, 0))
            return _supervise(settings, listening, address)
        finally:
            (settings.data / "running.json").unlink(missing_ok=True)


def _run(main: Coroutine[Any, Any, int]) -> int:
    """On uvloop where it is there."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise CannotStartError(
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}); choose another with --port,"
            " or --port 0 for a free one."
        ) from error
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening


def _log_to(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    handler = logging.StreamHandler(os.fdopen(descriptor, "a", buffering=1))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


async def _work(settings: Settings, listening: socket.socket, address: str, number: int) -> int:
    """One worker: serves until it is told to stop, then ends its parts in order."""
    cloud = clouds.open_cloud(settings)
    gateway = Gateway(cloud)
    services = all_services().values()
    certificate = settings.tls_certificate
    server = Server(gateway.respond, tls(certificate, settings.tls_key) if certificate is not None else None)
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number_of in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number_of, ending.set)
    cloud.meter.start()
    for service in services:
        for start in service.on_start:
            await start(cloud)
    periodic = PeriodicWork(cloud)
    periodic.start()
    # What is here now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    # Sixteen requests at once hold more than the 700 objects at which it would look, and hardly any circle: it took a
    # tenth of an UpdateItem.
    gc.set_threshold(20_000)
    gc.enable()
    await server.start(listening)
    if number == 0:
        print(f"Pileus is up at {address}", flush=True)
        for sentence in (await cloud.isolation())["missing"] if cloud.isolation else ():
            print(f"Warning: {sentence}", file=sys.stderr, flush=True)
    await ending.wait()
    await server.close(_GRACE_SECONDS)
    await periodic.close()
    for service in services:
        for stop in service.on_stop:
            await stop(cloud)
    await cloud.meter.close()
    cloud.store.close()
    return 0


def _supervise(settings: Settings, listening: socket.socket, address: str) -> int:
    """Keeps `workers` processes running; ends when told to, or when one cannot start."""
    children: dict[int, int] = {}
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    def fork(number: int) -> None:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            code = 1
            try:
                _die_with_parent()
                code = _run(_work(settings, listening, address, number))
            except BaseException:
                log.exception("worker %d failed", number)
            finally:
                sys.stdout.flush()
                os._exit(code)
        children[child] = number

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for number in range(settings.workers):
        fork(number)
    while children:
        try:
            child, status = os.wait()
        except InterruptedError:
            continue
        gone = children.pop(child, None)
        if gone is not None and not stopping:
            log.error("worker %d ended (%s); starting it again", gone, status)
            fork(gone)
    return 0


def _die_with_parent() -> None:
    """A killed supervisor leaves no worker behind (PR_SET_PDEATHSIG, Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
