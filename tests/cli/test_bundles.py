"""Folders as zips."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from pileus.cli import bundles
from pileus.cli.bundles import bundle, hash_of
from pileus.cli.errors import CommandError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _names(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    one = _write(tmp_path / "one", app_py="x", lib__util_py="y")
    other = _write(tmp_path / "other", lib__util_py="y", app_py="x")
    os.utime(other / "app.py", (time.time() + 1e6,) * 2)
    os.chmod(other / "app.py", 0o600)
    assert bundle(one, "python3.11") == bundle(other, "python3.11")
    assert hash_of(one) == hash_of(other)
    _write(other, app_py="z")
    assert bundle(one, "python3.11") != bundle(other, "python3.11")
    assert hash_of(one) != hash_of(other)


def test_what_does_not_belong_stays_out(tmp_path: Path) -> None:
    folder = _write(tmp_path / "f", app_py="x", __pycache__="", run="#!")
    (folder / "__pycache__").unlink() if (folder / "__pycache__").is_file() else None
    _write(folder, **{".git__config": "x", "lib____pycache__x.pyc": "x"})
    (folder / "run").chmod(0o755)
    data = bundle(folder, "provided.al2023")
    assert "app.py" in _names(data) and not any(".git" in name for name in _names(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.getinfo("run").external_attr >> 16 == 0o100755
        assert archive.getinfo("app.py").external_attr >> 16 == 0o100644


def test_a_link_out_of_the_folder_is_not_deployed(tmp_path: Path) -> None:
    folder = _write(tmp_path / "f", app_py="x")
    secret = tmp_path / "secret"
    secret.write_text("s")
    (folder / "link").symlink_to(secret)
    with pytest.raises(CommandError, match="link out of"):
        bundle(folder, "python3.11")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(CommandError, match="no files"):
        bundle(tmp_path / "f", "python3.11")


def test_requirements_are_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], work: Path, shown: str = "") -> None:
        ran.append(command)
        if "pip" in command:
            target = Path(command[command.index("--target") + 1])
            _write(target, dep__init_py="d")

    monkeypatch.setattr(bundles, "run", run)
    folder = _write(tmp_path / "f", app_py="x")
    (folder / "requirements.txt").write_text("dep==1\n")
    names = _names(bundle(folder, "python3.11"))
    assert names == ["app.py", "dep/init.py", "requirements.txt"]
    assert _names(bundle(folder, "python3.11", layer=True))[:2] == ["app.py", "python/dep/init.py"]
    _write(folder, app_py="changed")
    bundle(folder, "python3.11")
    assert len([command for command in ran if "pip" in command]) == 1
    bundle(folder, "python3.11", for_aws=True)
    installs = [command for command in ran if "pip" in command]
    assert len(installs) == 2 and "manylinux2014_x86_64" in installs[1]


def test_requirements_that_cannot_be_had_are_one_line(tmp_path: Path) -> None:
    folder = _write(tmp_path / "f", app_py="x")
    (folder / "requirements.txt").write_text("./nowhere-at-all\n")
    with pytest.raises(CommandError) as caught:
        bundle(folder, "python3.11")
    assert "nowhere-at-all" in str(caught.value) and "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("made"))


def test_dependencies_of_node_need_a_lock_file(tmp_path: Path) -> None:
    folder = _write(tmp_path / "f", **{"index.js": "x", "package.json": '{"dependencies": {"left-pad": "1"}}'})
    with pytest.raises(CommandError, match="no lock file"):
        bundle(folder, "nodejs20.x")
    (folder / "package.json").write_text('{"type": "module"}')
    assert _names(bundle(folder, "nodejs20.x")) == ["index.js", "package.json"]
    (folder / "package.json").write_text("{")
    with pytest.raises(CommandError, match=r"package\.json"):
        bundle(folder, "nodejs20.x")
