"""Who is measured: how each is installed, started and reached, and which operations it has."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from processes import Server, free_port, size_of

HERE = Path(__file__).parent
PEERS = HERE / ".peers"
ROOT = HERE.parent
VENV = ROOT / ".venv"

DYNAMODB = ("GetItem", "PutItem", "Query")
S3 = ("GetObject", "PutObject", "Website")
LARGE = "GetObject 10 MB"
EVERYTHING = (*DYNAMODB, *S3, LARGE, "GetCallerIdentity", "Invoke", "Invoke Node.js", "Login")


@dataclass(frozen=True)
class Contender:
    """`command` is given the port and the contender's folder. `key` is an access key id and its secret, or what
    prints them once the server runs. `operations` are those it has at all; what fails at set-up is left out too."""

    name: str
    command: Callable[[int, Path], list[str]]
    operations: tuple[str, ...]
    installed: tuple[Path, ...]
    environment: Callable[[int, Path], Mapping[str, str]] = field(default=lambda port, folder: {})
    key: tuple[str, str] = ("test", "test")
    prepare: Callable[[Path], None] = field(default=lambda folder: None)
    quick: tuple[str, ...] | None = None
    """The operations that `make bench-quick` measures, none where it leaves the contender out; None for all."""
    runtimes: tuple[str, ...] = ()
    """Of the functions whose cold starts are measured."""

    def start(self, folder: Path) -> Server:
        self.prepare(folder)
        port = free_port()
        return Server(self.command(port, folder), port=port, folder=folder, environment=self.environment(port, folder))

    @functools.cached_property
    def size(self) -> int:
        return sum(size_of(path) for path in set(self.installed))

    def quicker(self) -> Contender:
        """As `make bench-quick` measures it."""
        return self if self.quick is None else dataclasses.replace(self, operations=self.quick)

    @property
    def present(self) -> bool:
        return all(path.exists() for path in self.installed)


_QUICK = tuple(operation for operation in EVERYTHING if operation != LARGE)
_KEY = ("AKIAPILEUSBENCHMARKS", "bench/secret/that/is/forty/characters/xx")


def pileus(
    durability: str,
    workers: int,
    operations: tuple[str, ...] = EVERYTHING,
    *,
    quick: tuple[str, ...] | None = (),
    runtimes: tuple[str, ...] = (),
) -> Contender:
    return Contender(
        name=f"pileus {durability} ×{workers}",
        command=lambda port, folder: [
            str(VENV / "bin/pileus"), "up", "--port", str(port), "--data", str(folder / "data"),
            "--durability", durability, "--workers", str(workers),
        ],
        environment=lambda port, folder: {
            "PILEUS_ROOT_ACCESS_KEY_ID": _KEY[0], "PILEUS_ROOT_SECRET_ACCESS_KEY": _KEY[1],
        },
        key=_KEY, operations=operations, installed=_pileus_packages(), quick=quick, runtimes=runtimes,
    )  # fmt: skip


def _pileus_packages() -> tuple[Path, ...]:
    """What `make install` installs: Pileus and the packages of requirements.lock."""
    return (ROOT / "src", *_from_pypi(VENV, ROOT / "requirements.lock"))


@functools.cache
def _from_pypi(venv: Path, lock: Path) -> tuple[Path, ...]:
    """What the distributions in a lock file put into a venv, by the top-level names of their records."""
    names = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", lock.read_text(), re.MULTILINE)
    wanted = {_canonical(name) for name in names}
    tops: set[Path] = set()
    for record in venv.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        if _canonical(record.parent.name.split("-")[0]) in wanted:
            first = {line.split("/")[0].split(",")[0] for line in record.read_text().splitlines()}
            tops |= {record.parent.parent / name for name in first - {"..", "__pycache__"}}
    return tuple(sorted(tops)) or (venv,)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def _from_npm(name: str) -> tuple[Path, ...]:
    """A package and all it depends on, as package-lock.json resolves them."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    found: list[str] = []
    waiting = [f"node_modules/{name}"]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.append(path)
        for dependency in packages[path].get("dependencies", {}):
            parts = path.split("/node_modules/")
            candidates = ["/node_modules/".join([*parts[:n], dependency]) for n in range(len(parts), 0, -1)]
            candidates.append(f"node_modules/{dependency}")
            waiting += [candidate for candidate in candidates if candidate in packages][:1]
    # A folder holds the packages nested in it.
    outer = [path for path in found if not any(path.startswith(f"{other}/") for other in found)]
    return tuple(PEERS / path for path in sorted(outer))


def _serverless(folder: Path) -> None:
    (folder / "handler.js").write_text("exports.handler = async (event) => ({ ok: true })\n")
    (folder / "package.json").write_text("{}")
    (folder / "node_modules").symlink_to(PEERS / "node_modules")
    service = {
        "service": "bench",
        "frameworkVersion": "3",
        "provider": {"name": "aws", "runtime": "nodejs20.x"},
        "plugins": ["serverless-offline"],
        "functions": {"bench-node": {"handler": "handler.handler", "name": "bench-node"}},
    }
    (folder / "serverless.yml").write_text(json.dumps(service))


def _node(name: str) -> str:
    return str(PEERS / "node_modules/.bin" / name)


def everyone() -> tuple[Contender, ...]:
    return (
    Contender(
        name="constant",
        command=lambda port, folder: [sys.executable, str(HERE / "constant.py"), str(port)],
        operations=("Constant", "Constant 10 MB"), installed=(), quick=("Constant",),
    ),
    Contender(
        name="uvicorn",
        command=lambda port, folder: [
            str(PEERS / "uvicorn/bin/python"), str(HERE / "uvicorn_constant.py"), str(port),
        ],
        operations=("Constant",), installed=_from_pypi(PEERS / "uvicorn", HERE / "uvicorn.lock"),
    ),
    pileus("relaxed", 1, (*EVERYTHING, "Invoke Java"), quick=_QUICK),
    pileus("relaxed", 2, (*DYNAMODB, *S3, "GetCallerIdentity", "Invoke", "Login")),
    pileus(
        "full", 1, ("GetItem", "PutItem", "GetObject", "PutObject", "Invoke", "Login"), quick=("PutItem", "PutObject"),
        runtimes=("python3.12", "nodejs20.x", "java17"),
    ),
    pileus("full", 2, ("PutItem", "PutObject")),
    Contender(
        name="ministack",
        command=lambda port, folder: [str(PEERS / "ministack/bin/ministack")],
        environment=lambda port, folder: {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "WARNING"},
        operations=EVERYTHING, quick=_QUICK,
        installed=_from_pypi(PEERS / "ministack", HERE / "ministack.lock"),
        runtimes=("python3.12", "nodejs20.x"),
    ),
    Contender(
        name="moto",
        command=lambda port, folder: [str(PEERS / "moto/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        operations=(*DYNAMODB, *S3, "GetCallerIdentity"), quick=(),
        installed=_from_pypi(PEERS / "moto", HERE / "moto.lock"),
    ),
    Contender(
        name="dynalite",
        command=lambda port, folder: [
            _node("dynalite"), "--host", "127.0.0.1", "--port", str(port), "--createTableMs", "0",
        ],
        operations=DYNAMODB, installed=_from_npm("dynalite"),
    ),
    Contender(
        name="s3rver",
        command=lambda port, folder: [
            _node("s3rver"), "--directory", str(folder), "--address", "127.0.0.1", "--port", str(port), "--silent",
        ],
        operations=("GetObject", "PutObject", LARGE), quick=("GetObject", "PutObject"), installed=_from_npm("s3rver"),
        key=("S3RVER", "S3RVER"),
    ),
    Contender(
        name="serverless-offline",
        command=lambda port, folder: [
            _node("serverless"), "offline", "--host", "127.0.0.1", "--httpPort", str(free_port()),
            "--lambdaPort", str(port), "--noPrependStageInUrl",
        ],
        environment=lambda port, folder: {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"},
        operations=("Invoke Node.js",), prepare=_serverless,
        installed=(*_from_npm("serverless"), *_from_npm("serverless-offline")),
    ),
    )  # fmt: skip


def install() -> None:
    """Everything from the lock files into bench/.peers; nothing where it is there already."""
    PEERS.mkdir(exist_ok=True)
    for name in ("uvicorn", "ministack", "moto"):
        _once(
            PEERS / name, HERE / f"{name}.lock",
            [sys.executable, "-m", "venv", str(PEERS / name)],
            [str(PEERS / name / "bin/pip"), "install", "-q", "--require-hashes", "-r", str(HERE / f"{name}.lock")],
        )  # fmt: skip
    for name in ("package.json", "package-lock.json"):
        (PEERS / name).write_bytes((HERE / name).read_bytes())
    _once(
        PEERS / "node_modules", HERE / "package-lock.json",
        ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(PEERS)],
    )  # fmt: skip


def _once(folder: Path, lock: Path, *commands: list[str]) -> None:
    done = folder / ".lock"
    if done.exists() and done.read_bytes() == lock.read_bytes():
        return
    for command in commands:
        subprocess.run(command, check=True)
    done.write_bytes(lock.read_bytes())
