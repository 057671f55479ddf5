"""Packages: shared by their content, gone when nothing refers to them, made again when they are missing."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud, prepare
from pileus.services.context import Settings
from pileus.services.lambda_ import packages as package_module
from pileus.services.lambda_.packages import Packages, opened_location
from pileus.services.lambda_.records import Package


def opened(path: Path) -> Any:
    return open_cloud(Settings(data=path, durability="relaxed"))


def make_writable(folder: Path) -> None:
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)


def test_the_same_bytes_are_kept_once_and_go_with_the_last_reference(tmp_path: Path, zipped: Any) -> None:
    async def main() -> None:
        cloud = opened(tmp_path)
        packages = cloud.part(Packages)
        data = zipped({"app.py": "x = 1\n"})
        first, second = await packages.add(Bytes(data)), await packages.add(Bytes(data))
        assert (first.tree, first.size, first.unpacked) == (second.tree, len(data), 6)
        held = [await cloud.store.transact(lambda tx, one=one: packages.hold(tx, one)) for one in (first, second)]
        assert held[0] == held[1]
        folder = await packages.folder(first.tree)
        assert (folder / "app.py").read_text() == "x = 1\n"
        assert await cloud.store.transact(lambda tx: packages.drop(tx, first)) == []
        gone = await cloud.store.transact(lambda tx: packages.drop(tx, first))
        assert gone == [held[0].blob]
        packages.discard(gone)
        with pytest.raises(FileNotFoundError):
            packages.read(held[0].blob)

    asyncio.run(main())


def test_a_missing_folder_is_unpacked_again(tmp_path: Path, zipped: Any) -> None:
    async def main() -> None:
        cloud = opened(tmp_path)
        packages = cloud.part(Packages)
        package = await packages.add(Bytes(zipped({"a/app.py": "x = 1\n"})))
        await cloud.store.transact(lambda tx: packages.hold(tx, package))
        folder = await packages.folder(package.tree)
        make_writable(folder)
        shutil.rmtree(folder)
        assert (await packages.folder(package.tree) / "a" / "app.py").read_text() == "x = 1\n"
        with pytest.raises(AWSError):
            await packages.folder("0" * 64)

    asyncio.run(main())


def test_another_boot_of_the_machine_trusts_no_folder(
    tmp_path: Path, zipped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> Package:
        cloud = opened(tmp_path)
        packages = cloud.part(Packages)
        package: Package = await packages.add(Bytes(zipped({"app.py": "whole\n"})))
        await cloud.store.transact(lambda tx: packages.hold(tx, package))
        cloud.store.close()
        return package

    package = asyncio.run(main())
    torn = tmp_path / "functions" / package.tree / "app.py"
    torn.chmod(0o600)
    torn.write_text("")
    boot = tmp_path / "boot-id"
    boot.write_text("another")
    monkeypatch.setattr(package_module, "_BOOT_ID", boot)

    async def again() -> None:
        folder = await opened(tmp_path).part(Packages).folder(package.tree)
        assert (folder / "app.py").read_text() == "whole\n"

    asyncio.run(again())


def test_two_workers_unpack_at_once(tmp_path: Path, zipped: Any) -> None:
    async def main() -> None:
        data = zipped({f"f{number}.py": "x" * 1000 for number in range(50)})
        clouds = [opened(tmp_path) for _ in range(4)]
        made = await asyncio.gather(*(cloud.part(Packages).add(Bytes(data)) for cloud in clouds))
        assert len({package.tree for package in made}) == 1
        assert len(list((tmp_path / "functions" / made[0].tree).iterdir())) == 50
        assert list((tmp_path / "functions" / "incoming").iterdir()) == []

    asyncio.run(main())


def test_a_location_is_sealed_and_expires(tmp_path: Path, zipped: Any) -> None:
    async def main() -> None:
        cloud = opened(tmp_path)
        await prepare(cloud.store, cloud.clock)
        packages = cloud.part(Packages)
        package = await packages.add(Bytes(zipped({"app.py": ""})))
        context: Any = type("Context", (), {"cloud": cloud, "headers": {}, "secure": False})()
        token = package_module.location(context, package).rpartition("/")[2]
        reading = opened_location(cloud, token)
        assert reading is not None
        reading.close()
        assert opened_location(cloud, token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]) is None
        assert opened_location(cloud, "nonsense") is None
        later = cloud.clock.time() + 601
        cloud.clock.time = lambda: later
        assert opened_location(cloud, token) is None

    asyncio.run(main())
