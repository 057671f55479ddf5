"""Java, through a small bootstrap of our own (java_bootstrap/), compiled once on this machine.

Its classes and those of the JDK that it needs lie in a class data sharing archive, which cuts the start of the virtual
machine to less than half (https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from pileus.runtime.interface import Directories, FunctionVersion
from pileus.runtime.languages.language import LAYERS, TASK, Language, ask, candidates, prefix_of

IDENTIFIERS = ("java17", "java21")
_SOURCE = Path(__file__).with_name("java_bootstrap")
_MAIN = "pileus.Bootstrap"
_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")


@functools.cache
def find(runtime: str) -> Language | None:
    if runtime not in IDENTIFIERS:
        return None
    major = runtime.removeprefix("java")
    for path in candidates(
        "java",
        f"/usr/lib/jvm/*{major}*/bin/java",
        f"/opt/*{major}*/bin/java",
        f"~/.sdkman/candidates/java/{major}*/bin/java",
    ):
        version = re.search(r'"?(\d+)[.\d]*', ask(path, "--version").partition(" ")[2])
        if version is None or version[1] != major:
            continue
        home = Path(path).resolve().parent
        if not (home / "javac").exists():
            return Language(runtime, missing=f"there is a Java {major} but no compiler beside it: install its JDK")
        cache = _cache(home)
        return Language(
            runtime,
            launcher=runtime,
            stock=1,
            system=(prefix_of(path), str(cache)),
            program=functools.partial(_program, str(home / "java"), cache),
            prepare=functools.partial(_prepare, home, cache),
        )
    return Language(runtime, missing=f"no Java {major} on this machine: install a JDK and put `java` on PATH")


def _cache(home: Path) -> Path:
    """Named after all that its content follows from."""
    digest = hashlib.blake2b(str(home).encode(), digest_size=8)
    for source in sorted(_SOURCE.glob("*.java")):
        digest.update(source.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "pileus"
    if base.is_relative_to("/tmp"):  # noqa: S108  functions have a /tmp of their own, and would not find it there
        base = Path(f"/var/tmp/pileus-{os.getuid()}")  # noqa: S108
    return base / f"java-{digest.hexdigest()}"


def _prepare(home: Path, cache: Path) -> None:
    """Made beside and renamed: two clouds may start at once, and one may be killed."""
    if cache.exists() and cache.stat().st_uid == os.getuid():
        return
    cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if cache.parent.stat().st_uid != os.getuid():
        raise RuntimeError(f"{cache.parent} belongs to somebody else")
    made = Path(tempfile.mkdtemp(dir=cache.parent))
    made.chmod(0o755)
    sources = map(str, sorted(_SOURCE.glob("*.java")))
    try:
        _run(str(home / "javac"), "-d", str(made / "classes"), "-encoding", "UTF-8", "-nowarn", *sources)
        _run(str(home / "jar"), "--create", "--file", str(made / "bootstrap.jar"), "-C", str(made / "classes"), ".")
        shutil.rmtree(made / "classes")
        (made / "bootstrap.jar").chmod(0o644)
        made.rename(cache)
    except OSError:
        return  # another was first
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _archive(home, cache)


def _archive(home: Path, cache: Path) -> None:
    """The archive remembers the jar's path, so it is made in place. Without one, starting only takes longer."""
    archive = cache / "bootstrap.jsa"
    command = [
        str(home / "java"),
        *_OPTIONS,
        f"-XX:ArchiveClassesAtExit={archive}.new",
        "-cp",
        str(cache / "bootstrap.jar"),
    ]
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "_HANDLER": _MAIN + "::none", "PATH": "/usr/bin:/bin"}
    subprocess.run([*command, _MAIN], env=environment, capture_output=True, timeout=60, check=False)  # noqa: S603
    made = Path(f"{archive}.new")
    if made.exists():
        made.chmod(0o644)
        made.rename(archive)


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    if answer.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {answer.stdout}{answer.stderr}")


def _program(java: str, cache: Path, function: FunctionVersion, directories: Directories) -> list[str]:
    classpath = [str(cache / "bootstrap.jar"), TASK, f"{TASK}/lib/*", f"{LAYERS}/java/lib/*"]
    # What the virtual machine keeps beside its heap needs room too.
    heap = max(32, function.memory_mb * 3 // 4)
    archive = cache / "bootstrap.jsa"
    sharing = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    return [java, *_OPTIONS, *sharing, f"-Xmx{heap}m", "-cp", ":".join(classpath), _MAIN]
