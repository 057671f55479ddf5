"""Runs ceph/s3-tests (https://github.com/ceph/s3-tests) against a Pileus of its own, with two accounts and a third.

git clone https://github.com/ceph/s3-tests && python -m venv s3-tests/.venv
s3-tests/.venv/bin/pip install -r s3-tests/requirements.txt
.venv/bin/python tests/services/s3/ceph/run.py s3-tests [pytest's options]

What fails for a reason stands in expected_failures.toml and is counted as `xfailed`.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from pileus.security.policy.principal_element import canonical_user

PILEUS = str(Path(sys.executable).parent / "pileus")
HERE = Path(__file__).parent
MODULES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")


def exports(data: Path, *words: str) -> dict[str, str]:
    ran = subprocess.run(
        [PILEUS, *words], capture_output=True, text=True, check=True, env={**os.environ, "PILEUS_DATA": str(data)}
    )
    return dict(re.findall(r"export (\w+)=(\S+)", ran.stdout))


def configure(sample: Path, data: Path, port: str) -> configparser.ConfigParser:
    """The suite's own sample configuration, with accounts of this Pileus."""
    found = configparser.ConfigParser(interpolation=None)
    found.read(sample)
    found["DEFAULT"].update(host="localhost", port=port, is_secure="False")
    root, alt, third = (
        exports(data, "env"),
        exports(data, "account", "create", "alt"),
        exports(data, "account", "create", "third"),
    )
    for section, name, values in (
        ("s3 main", "root", root),
        ("s3 alt", "alt", alt),
        ("s3 tenant", "third", third),
        ("iam", "root", root),
    ):
        account = values.get("PILEUS_ACCOUNT_ID", "000000000000")
        found[section].update(
            access_key=values["AWS_ACCESS_KEY_ID"],
            secret_key=values["AWS_SECRET_ACCESS_KEY"],
            user_id=canonical_user(account),
            display_name=name,
        )
    managed = uuid.uuid5(uuid.NAMESPACE_URL, "aws/s3 us-east-1 000000000000")
    key = f"arn:aws:kms:us-east-1:000000000000:key/{managed}"
    found["s3 main"].update(api_name="", kms_keyid=key, kms_keyid2=key)
    found["s3 tenant"]["tenant"] = ""
    return found


def main() -> int:
    suite, options = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="pileus-s3-tests-") as folder:
        data = Path(folder) / "data"
        running = subprocess.Popen(
            [PILEUS, "up", "--data", str(data), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert running.stdout is not None
            port = running.stdout.readline().rpartition(":")[2].strip()
            written = Path(folder) / "s3.conf"
            with written.open("w") as file:
                configure(suite / "s3tests.conf.SAMPLE", data, port).write(file)
            return subprocess.run(
                [
                    str(suite / ".venv/bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider",
                    "-p", "buckets_before_2023", "-p", "headers_after_signing", "-p", "expected_failures",
                    "-m", "not fails_on_aws", *MODULES, *options,
                ],
                cwd=suite,
                env={**os.environ, "S3TEST_CONF": str(written), "PYTHONPATH": str(HERE)},
                check=False,
            ).returncode  # fmt: skip
        finally:
            running.terminate()
            running.wait()


if __name__ == "__main__":
    sys.exit(main())
