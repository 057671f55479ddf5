"""What S3 keeps in the store, and under which keys.

A bucket is one record with all its configurations. A key's newest version, its *head*, lies under the key alone, so
that a listing is one range scan; older versions lie beside it, newest first. Contents lie apart from both (`contents`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.services.context import Cloud
from pileus.store import watch
from pileus.store.interface import Reader
from pileus.store.keys import pack
from pileus.store.records import Records

NULL = "null"
"""The version id of what was written while versioning was not enabled."""


class Grant(msgspec.Struct, array_like=True, frozen=True):
    """`grantee` is an account id, or the last part of a predefined group's URI (AllUsers)."""

    grantee: str
    permission: str


class Bucket(msgspec.Struct, omit_defaults=True):
    """`configurations` holds sub-resources by their names in botocore's shapes (`website`, `cors`, ...), `policy` the
    text as it was put."""

    name: str
    account: str
    region: str
    created: float
    ownership: str = "BucketOwnerEnforced"
    grants: tuple[Grant, ...] = ()
    versioning: str = ""
    object_lock: bool = False
    policy: str = ""
    configurations: dict[str, Any] = {}

    @property
    def acls_enabled(self) -> bool:
        return self.ownership != "BucketOwnerEnforced"


class Encryption(msgspec.Struct, omit_defaults=True, frozen=True):
    """`key` is the contents' own key, sealed (encryption.py tells by what)."""

    key: bytes
    customer_key_md5: str = ""
    kms_key: str = ""
    bucket_key: bool = False


class Part(msgspec.Struct, omit_defaults=True):
    """One stretch of contents: a whole object or a part of a multipart upload. One of `inline` (the bytes as they are
    kept), `record` (an id in DATA) and `blob` (a key in the blob store) is set unless it is empty."""

    number: int
    size: int
    etag: str
    modified: float = 0.0
    record: str = ""
    blob: str = ""
    nonce: bytes = b""
    checksum: str = ""
    inline: bytes = b""


class Lock(msgspec.Struct, omit_defaults=True, frozen=True):
    """Object lock of one version. `until` is in seconds since the epoch, `legal_hold` None where none was ever set."""

    mode: str = ""
    until: float = 0.0
    legal_hold: bool | None = None


class Properties(msgspec.Struct, omit_defaults=True):
    """What a client says about an object besides its bytes; an upload keeps them until it is completed.

    `headers` are system metadata by botocore's member names (ContentType, CacheControl, ...).
    """

    owner: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    grants: tuple[Grant, ...] = ()
    storage_class: str = "STANDARD"
    redirect: str = ""
    lock: Lock | None = None
    encryption: Encryption | None = None


class Version(msgspec.Struct, omit_defaults=True):
    """A version of an object, or a delete marker. `order` rises with every write of the key.

    `contents` is the one part of most objects; those made of several have `parts_count` and their parts under
    (bucket, key, order) in PARTS.
    """

    id: str
    order: int
    modified: float
    properties: Properties
    size: int = 0
    etag: str = ""
    delete_marker: bool = False
    contents: Part | None = None
    parts_count: int = 0
    checksum_algorithm: str = ""
    checksum: str = ""
    checksum_type: str = "FULL_OBJECT"


class Upload(msgspec.Struct, omit_defaults=True):
    id: str
    started: float
    initiator: str
    properties: Properties
    checksum_algorithm: str = ""
    checksum_type: str = ""
    checksum_asked: bool = False
    """Whether the client named them; S3 shows them only then."""
    overtaken: bool = False
    """Whether the object was deleted while the upload was under way."""


class Event(msgspec.Struct):
    """A notification that a function has not yet been invoked with."""

    bucket: str
    function: str
    payload: bytes
    at: float


class Completed(msgspec.Struct):
    """What completing an upload answered, for clients that ask again."""

    at: float
    etag: str
    version: str
    checksum: dict[str, str]


BUCKETS = Records(Bucket, "s3", "bucket")
OWNED = Records(float, "s3", "owned")
"""(account, bucket) -> time of creation."""
HEADS = Records(Version, "s3", "head")
"""(bucket, key)"""
OLDER = Records(Version, "s3", "older")
"""(bucket, key, -order)"""
PARTS = Records(list[Part], "s3", "parts")
"""(bucket, key, order)"""
DATA = Records(bytes, "s3", "data")
"""(id,): contents small enough to lie in the store."""
UPLOADS = Records(Upload, "s3", "upload")
"""(bucket, key, upload id)"""
UPLOADED = Records(Part, "s3", "uploaded")
"""(upload id, part number)"""
EVENTS = Records(Event, "s3", "event")
"""(id,)"""
COMPLETED = Records(Completed, "s3", "completed")
"""(bucket, key, upload id)"""


watch.declare(pack("s3", "bucket"))


class BucketCache:
    """Decoded buckets, each valid as long as its record's bytes are the same."""

    _LIMIT = 4096

    def __init__(self, cloud: Cloud) -> None:
        self._store = cloud.store
        self._found: dict[str, tuple[bytes, bytes, Bucket]] = {}
        """Key, record and bucket by name."""

    def get(self, name: str) -> Bucket | None:
        """Do not change what this answers: BUCKETS.get is for that."""
        found = self._found.get(name)
        key = found[0] if found is not None else BUCKETS.key(name)
        raw = self._store.recall(key)
        if raw is None:
            self._found.pop(name, None)
            return None
        if found is None or found[1] != raw:
            if len(self._found) >= self._LIMIT:
                self._found.clear()
            found = self._found[name] = (key, raw, msgspec.msgpack.decode(raw, type=Bucket))
        return found[2]

    def is_current(self, reader: Reader, bucket: Bucket) -> bool:
        found = self._found.get(bucket.name)
        return found is not None and found[2] is bucket and reader.get(found[0]) == found[1]


def is_current(cloud: Cloud, reader: Reader, bucket: Bucket) -> bool:
    """Whether a bucket that `bucket_of` answered is what its record says now."""
    return cloud.part(BucketCache).is_current(reader, bucket)


def bucket_of(cloud: Cloud, name: str) -> Bucket | None:
    return cloud.part(BucketCache).get(name)
