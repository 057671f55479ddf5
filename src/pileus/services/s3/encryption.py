"""Server-side encryption: contents lie encrypted by AES-256-GCM under a key of their own.

That key is sealed with the version's record: by the cloud's key (SSE-S3), by the account's key `aws/s3` (SSE-KMS, the
only KMS key that there is), or by the key that the customer brings with every request (SSE-C), which is never kept.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html

Contents are cut into chunks, each encrypted under a nonce of random prefix, position and a mark on the last one (the
STREAM construction, https://eprint.iacr.org/2015/189), so that any range can be read and none be moved or cut off.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Cloud, Context, is_loopback
from pileus.services.s3.state import Bucket, Encryption

CHUNK = 64 * 1024
_TAG = 16
_PREFIX = 7
_SEAL_NONCE = 12
_CUSTOMER_ALGORITHM = "AES256"
_HEADER = "x-amz-server-side-encryption"
_CUSTOMER_MEMBERS = {
    prefix: (f"{prefix}Algorithm", f"{prefix}Key", f"{prefix}KeyMD5")
    for prefix in ("SSECustomer", "CopySourceSSECustomer")
}

Scheme = Literal["", "AES256", "aws:kms", "customer"]


class Wanted(msgspec.Struct, frozen=True):
    """How a request wants its contents encrypted; `customer_key` is the raw key of SSE-C."""

    scheme: Scheme = ""
    customer_key: bytes = b""
    kms_key: str = ""
    bucket_key: bool = False


def wanted(context: Context, request: Mapping[str, Any], bucket: Bucket) -> Wanted:
    """What the request's headers or else the bucket's default encryption ask for."""
    customer = customer_key(context, request)
    scheme = request.get("ServerSideEncryption")
    if customer:
        if scheme or request.get("SSEKMSKeyId"):
            raise _invalid(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method "
                "specified",
                ArgumentName=_HEADER,
                ArgumentValue=str(scheme or ""),
            )
        return Wanted("customer", customer)
    if not scheme and request.get("SSEKMSKeyId"):
        raise _invalid(
            "Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            ArgumentName=_HEADER,
        )
    if scheme:
        return named(bucket, context.region, scheme, request.get("SSEKMSKeyId", ""), request.get("BucketKeyEnabled"))
    rules = bucket.configurations.get("encryption", {}).get("Rules", [])
    if not rules:
        return Wanted()
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    return named(
        bucket,
        context.region,
        default.get("SSEAlgorithm", "AES256"),
        default.get("KMSMasterKeyID", ""),
        rules[0].get("BucketKeyEnabled"),
    )


def named(bucket: Bucket, region: str, scheme: str, key: str, bucket_key: bool | None) -> Wanted:
    if scheme == "AES256":
        if key:
            raise _invalid(
                "Server Side Encryption with KMS managed key requires HTTP header "
                "x-amz-server-side-encryption : aws:kms",
                ArgumentName=_HEADER,
                ArgumentValue=scheme,
            )
        return Wanted("AES256")
    if scheme == "aws:kms":
        return Wanted("aws:kms", kms_key=_kms_key(bucket.account, region, key), bucket_key=bool(bucket_key))
    if scheme in ("aws:kms:dsse", "aws:fsx", "aws:backup"):
        raise option_not_implemented(f"the server-side encryption {scheme}")
    raise _invalid(
        "The encryption method specified is not supported",
        ArgumentName=_HEADER,
        ArgumentValue=scheme,
    )


def managed_key_arn(account: str, region: str) -> str:
    """The AWS managed key `aws/s3` of an account."""
    return arn("kms", region, account, f"key/{uuid.uuid5(uuid.NAMESPACE_URL, f'aws/s3 {region} {account}')}")


def _kms_key(account: str, region: str, key: str) -> str:
    managed = managed_key_arn(account, region)
    alias = arn("kms", region, account, "alias/aws/s3")
    if key not in ("", managed, managed.rsplit("/", 1)[1], alias, "alias/aws/s3"):
        raise AWSError("KMS.NotFoundException", f"Key '{key}' does not exist", status=400)
    return managed


def customer_key(context: Context, request: Mapping[str, Any], prefix: str = "SSECustomer") -> bytes:
    """The key that an SSE-C request brings, empty for none. Raises InvalidArgument for an incomplete set."""
    members = _CUSTOMER_MEMBERS[prefix]
    if request.keys().isdisjoint(members):
        return b""
    algorithm, key, digest = map(request.get, members)
    if algorithm is None and key is None and digest is None:
        return b""
    requests = "Requests specifying Server Side Encryption with Customer provided keys must"
    if algorithm is None:
        raise _invalid(f"{requests} provide a valid encryption algorithm.", ArgumentName=_HEADER)
    if algorithm != _CUSTOMER_ALGORITHM:
        raise AWSError(
            "InvalidEncryptionAlgorithmError",
            "The Encryption request you specified is not valid. Supported value: AES256.",
            status=400,
            ArgumentName=_HEADER,
            ArgumentValue=algorithm,
        )
    if key is None:
        raise _invalid(f"{requests} provide an appropriate secret key.", ArgumentName=_HEADER)
    if digest is None:
        raise _invalid(f"{requests} provide the client calculated MD5 of the secret key.", ArgumentName=_HEADER)
    if not context.secure and not is_loopback(context.source_ip):
        raise AWSError("InvalidRequest", f"{requests} be made over a secure connection.", status=400)
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise _invalid("The secret key was invalid for the specified algorithm.", ArgumentName=_HEADER)
    if not hmac.compare_digest(key_md5(raw), digest):
        raise _invalid(
            "The calculated MD5 hash of the key did not match the hash that was provided.", ArgumentName=_HEADER
        )
    return raw


def key_md5(key: bytes) -> str:
    return base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()


def make(cloud: Cloud, account: str, want: Wanted) -> tuple[Encryption | None, bytes]:
    """A new key for contents, sealed to be kept and open to be used; nothing where none is wanted."""
    if not want.scheme:
        return None, b""
    key = secrets.token_bytes(32)
    if want.scheme == "customer":
        nonce = secrets.token_bytes(_SEAL_NONCE)
        sealed = nonce + AESGCM(want.customer_key).encrypt(nonce, key, b"SSE-C")
        return Encryption(sealed, customer_key_md5=key_md5(want.customer_key)), key
    sealed = cloud.keyring.keeper.seal(key, _purpose(account, want.kms_key))
    return Encryption(sealed, kms_key=want.kms_key, bucket_key=want.bucket_key), key


def open_key(cloud: Cloud, account: str, encryption: Encryption | None, customer: bytes) -> bytes:
    """The key of contents, empty for those that are not encrypted. `customer` is what the request brought."""
    if encryption is None or not encryption.customer_key_md5:
        if customer:
            raise AWSError("InvalidRequest", "The encryption parameters are not applicable to this object.", status=400)
        return (
            b""
            if encryption is None
            else cloud.keyring.keeper.open(encryption.key, _purpose(account, encryption.kms_key))
        )
    if not customer:
        raise AWSError(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object.",
            status=400,
        )
    try:
        return AESGCM(customer).decrypt(encryption.key[:_SEAL_NONCE], encryption.key[_SEAL_NONCE:], b"SSE-C")
    except InvalidTag:
        raise AWSError(
            "AccessDenied",
            "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret "
            "key.",
            status=403,
        ) from None


def _purpose(account: str, kms_key: str) -> bytes:
    return f"s3 contents {account} {kms_key}".encode()


def described(encryption: Encryption | None) -> dict[str, Any]:
    """The members of an answer that tell how an object is encrypted."""
    if encryption is None:
        return {}
    if encryption.customer_key_md5:
        return {"SSECustomerAlgorithm": _CUSTOMER_ALGORITHM, "SSECustomerKeyMD5": encryption.customer_key_md5}
    if encryption.kms_key:
        members = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption.kms_key}
        return members | ({"BucketKeyEnabled": True} if encryption.bucket_key else {})
    return {"ServerSideEncryption": "AES256"}


def _invalid(message: str, **members: Any) -> AWSError:
    return AWSError("InvalidArgument", message, status=400, **members)


# Contents


def new_nonce() -> bytes:
    return secrets.token_bytes(_PREFIX)


def _nonce(prefix: bytes, index: int, last: bool) -> bytes:
    return prefix + index.to_bytes(4, "big") + (b"\1" if last else b"\0")


async def encrypt(pieces: AsyncIterable[bytes], key: bytes, prefix: bytes) -> AsyncIterator[bytes]:
    """`pieces` as encrypted chunks."""
    cipher = AESGCM(key)
    waiting = bytearray()
    index = 0
    async for piece in pieces:
        waiting += piece
        # What fills the last chunk exactly waits: only the end tells that it is the last.
        while len(waiting) > CHUNK:
            yield cipher.encrypt(_nonce(prefix, index, False), bytes(waiting[:CHUNK]), None)
            del waiting[:CHUNK]
            index += 1
    if waiting:
        yield cipher.encrypt(_nonce(prefix, index, True), bytes(waiting), None)


def stretch(size: int, start: int, length: int) -> tuple[int, int]:
    """Where the chunks that hold that range of `size` plain bytes lie in the encrypted ones: offset and length."""
    first, last = start // CHUNK, (start + length - 1) // CHUNK
    end = min((last + 1) * CHUNK, size) + (last + 1) * _TAG
    offset = first * (CHUNK + _TAG)
    return offset, end - offset


async def decrypt(
    pieces: AsyncIterable[bytes], key: bytes, prefix: bytes, size: int, start: int, length: int
) -> AsyncIterator[bytes]:
    """The range's plain bytes from `pieces`, which begin where `stretch` says. Raises OSError for damaged ones."""
    cipher = AESGCM(key)
    final = (size - 1) // CHUNK
    index = start // CHUNK
    skip = start - index * CHUNK
    left = length
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        while left > 0:
            plain_size = CHUNK if index < final else size - final * CHUNK
            if len(waiting) < plain_size + _TAG:
                break
            chunk = bytes(waiting[: plain_size + _TAG])
            del waiting[: plain_size + _TAG]
            try:
                plain = cipher.decrypt(_nonce(prefix, index, index == final), chunk, None)
            except InvalidTag:
                raise OSError("contents are not what was stored") from None
            plain = plain[skip : skip + left]
            skip = 0
            left -= len(plain)
            index += 1
            yield plain
    if left:
        raise OSError("contents are shorter than their record says")
