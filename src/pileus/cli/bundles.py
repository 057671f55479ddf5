"""Folders of code as zip files: with their dependencies, and always the same bytes for the same content.

What an installation of dependencies made is kept under the hash of what asked for it, so that changing a function's
own code installs nothing again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pileus.cli.errors import CommandError

_LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".DS_Store", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_MOMENT = (1980, 1, 1, 0, 0, 0)
_PLATFORMS = {"x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64"), "arm64": ("manylinux2014_aarch64",)}


def bundle(
    folder: Path, runtime: str, *, architecture: str = "x86_64", for_aws: bool = False, layer: bool = False
) -> bytes:
    """The folder as a zip. Dependencies lie where the runtime looks for them: beside the code, for a layer in
    `python` or `nodejs`. Raises CommandError."""
    files = dict(_files(folder))
    if not files:
        raise CommandError(f"{folder} has no files to deploy.")
    if runtime.startswith("python") and (folder / "requirements.txt").is_file():
        installed = _python(folder / "requirements.txt", runtime.removeprefix("python"), architecture, for_aws)
        files = {("python/" if layer else "") + name: path for name, path in _files(installed)} | files
    elif runtime.startswith("nodejs") and _has_dependencies(folder / "package.json"):
        installed = _node(folder, runtime)
        files = {name: path for name, path in files.items() if not name.startswith("node_modules/")}
        files |= {("nodejs/" if layer else "") + name: path for name, path in _files(installed)}
    return _zip(files)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative names and paths, links followed only where they stay inside."""
    root = folder.resolve()
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in _LEFT_OUT]
        for name in files:
            path = Path(directory) / name
            if name in _LEFT_OUT or name.endswith(".pyc"):
                continue
            if not path.resolve().is_relative_to(root):
                raise CommandError(f"{path} is a link out of {folder}; it is not deployed.")
            yield path.relative_to(folder).as_posix(), path


def _zip(files: dict[str, Path]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MOMENT)
            executable = files[name].stat().st_mode & 0o111
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())
    return out.getvalue()


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pileus"


def _kept(key: str, make: list[list[str]], work: Path) -> Path:
    """The folder that `make`'s commands filled, `{}` in them standing for it; made once for each key."""
    place = cache() / "dependencies" / hashlib.sha256(key.encode()).hexdigest()
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        target = Path(temporary) / "made"
        target.mkdir()
        for command in make:
            run([word.replace("{}", str(target)) for word in command], work)
        try:
            target.rename(place)
        except OSError:
            # Another deployment was quicker.
            if not place.is_dir():
                raise
    return place


def run(command: list[str], work: Path, shown: str = "") -> None:
    """Raises CommandError with what the command said of its failure. `shown` is how a person knows the command."""
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise CommandError(f"{command[0]} is not installed; it is needed to build {work}.") from None
    if done.returncode != 0:
        said = [line for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        wrong = [line for line in said if "error" in line.lower()] or said[-1:] or ["it said nothing"]
        raise CommandError(f"`{shown or ' '.join(command[:4])}` failed in {work}: {wrong[0].strip()}")


def _python(requirements: Path, version: str, architecture: str, for_aws: bool) -> Path:
    wanted = requirements.read_text()
    if not any(line.strip() and not line.strip().startswith("#") for line in wanted.splitlines()):
        return requirements.parent / "no-dependencies"
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target", "{}"]
    other: list[str] = []
    if for_aws or version != own:
        other = ["--only-binary=:all:", "--implementation", "cp", "--python-version", version]
    if for_aws:
        other += [word for platform in _PLATFORMS[architecture] for word in ("--platform", platform)]
    command = [sys.executable, *install, *other, "-r", str(requirements.resolve())]
    tidy = [sys.executable, "-I", "-c", _TIDY, "{}"]
    return _kept(json.dumps([wanted, version, other]), [command, tidy], requirements.parent)


_TIDY = """\
import pathlib, shutil, sys
root = pathlib.Path(sys.argv[1])
shutil.rmtree(root / "bin", ignore_errors=True)
for record in root.glob("*.dist-info/RECORD"):
    record.unlink()
"""
"""Scripts name the interpreter that installed them, and the records of an installation name the scripts."""


def _has_dependencies(package: Path) -> bool:
    try:
        return bool(json.loads(package.read_text()).get("dependencies"))
    except FileNotFoundError:
        return False
    except ValueError as error:
        raise CommandError(f"{package}: {error}") from None


def _node(folder: Path, runtime: str) -> Path:
    lock = folder / "package-lock.json"
    if not lock.is_file():
        raise CommandError(
            f"{folder / 'package.json'} has dependencies and no lock file; run `npm install` there once."
        )
    key = json.dumps([(folder / "package.json").read_text(), lock.read_text(), runtime])
    copy = [
        ["cp", str((folder / "package.json").resolve()), str(lock.resolve()), "{}"],
        ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--silent", "--prefix", "{}"],
        ["rm", "-f", "{}/package.json", "{}/package-lock.json", "{}/node_modules/.package-lock.json"],
    ]
    return _kept(key, copy, folder)


def hash_of(folder: Path, *, without: frozenset[Path] = frozenset()) -> str:
    """Changes with any file's name or content."""
    digest = hashlib.sha256()
    for name, path in sorted(_files(folder)):
        if "node_modules" in path.parts or any(path.is_relative_to(other) for other in without):
            continue
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()
