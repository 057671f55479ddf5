"""Names of buckets and keys, and the ARNs that policies speak of."""

from __future__ import annotations

import ipaddress
import re

from pileus.aws.arn import PARTITION
from pileus.aws.errors import AWSError

KEY_BYTES = 1024

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket(name: str) -> None:
    """Raises InvalidBucketName for a name that no bucket can be given."""
    if (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
        or _is_address(name)
    ):
        raise AWSError("InvalidBucketName", "The specified bucket is not valid.", status=400, BucketName=name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def check_key(key: str) -> None:
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > KEY_BYTES:
        raise AWSError(
            "KeyTooLongError",
            "Your key is too long",
            status=400,
            Size=str(size),
            MaxSizeAllowed=str(KEY_BYTES),
        )


def check_text(key: str) -> None:
    """Raises InvalidURI for a key whose bytes in the path were no UTF-8."""
    try:
        key.encode()
    except UnicodeEncodeError:
        raise AWSError("InvalidURI", "Couldn't parse the specified URI.", status=400) from None


def bucket_arn(bucket: str) -> str:
    return f"arn:{PARTITION}:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    return f"arn:{PARTITION}:s3:::{bucket}/{key}"


def no_such_bucket(bucket: str) -> AWSError:
    return AWSError("NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=bucket)


def no_such_key(key: str) -> AWSError:
    return AWSError("NoSuchKey", "The specified key does not exist.", status=404, Key=key)
