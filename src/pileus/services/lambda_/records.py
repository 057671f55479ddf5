"""What Lambda keeps in the store."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import msgspec

from pileus.aws.errors import AWSError
from pileus.services.lambda_.names import LATEST, FunctionName
from pileus.store import watch
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import Element, pack
from pileus.store.records import Records

T = TypeVar("T")


class Package(msgspec.Struct, frozen=True):
    """Code as it was uploaded. `blob` holds the zip; `tree`, the hexadecimal SHA-256, names its unpacked folder."""

    blob: str
    tree: str
    size: int
    unpacked: int


class Configuration(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A version's FunctionConfiguration, member by member as the API shows it."""

    function_name: str
    function_arn: str
    runtime: str
    role: str
    handler: str
    code_size: int
    description: str
    timeout: int
    memory_size: int
    last_modified: str
    code_sha256: str
    version: str
    tracing_config: dict[str, str]
    revision_id: str
    package_type: str
    architectures: list[str]
    ephemeral_storage: dict[str, int]
    snap_start: dict[str, str]
    logging_config: dict[str, str]
    runtime_version_config: dict[str, str]
    state: str | None = None
    state_reason: str | None = None
    state_reason_code: str | None = None
    last_update_status: str | None = None
    last_update_status_reason: str | None = None
    last_update_status_reason_code: str | None = None
    environment: dict[str, dict[str, str]] | None = None
    layers: list[dict[str, Any]] | None = None

    @property
    def log_group(self) -> str:
        return self.logging_config["LogGroup"]

    @property
    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = msgspec.to_builtins(self)
        return shape


class Version(msgspec.Struct):
    """One version, `$LATEST` (number 0) or a published one, with what it needs to run."""

    configuration: Configuration
    package: Package
    layers: list[Package] = []
    """The layers' packages in the order of the configuration."""
    published: int = 0
    """On $LATEST, the version that is the same; 0 when something changed since."""
    provisioned: int = 0
    """Provisioned concurrency, asked for on this version itself."""
    provisioned_since: str = ""
    runtime_update: dict[str, str] = {}
    """UpdateRuntimeOn and RuntimeVersionArn of its runtime management, where set."""

    @property
    def busy(self) -> bool:
        return self.configuration.state == "Pending" or self.configuration.last_update_status == "InProgress"


class Function(msgspec.Struct):
    """What belongs to the function whatever the version."""

    created: float
    published: int = 0
    """The number of the last published version."""
    tags: dict[str, str] = {}
    reserved: int | None = None
    recursive_loop: str = "Terminate"


class Alias(msgspec.Struct):
    version: str
    description: str
    revision: str
    weights: dict[str, float] = {}
    provisioned: int = 0
    provisioned_since: str = ""


class ResourcePolicy(msgspec.Struct):
    """A policy attached to a function, version, alias or layer version; `statements` in the order of their making."""

    statements: list[dict[str, Any]]
    revision: str
    version: str = "2012-10-17"
    id: str = "default"

    @property
    def document(self) -> dict[str, Any]:
        return {"Version": self.version, "Id": self.id, "Statement": self.statements}


class EventInvokeConfig(msgspec.Struct):
    modified: float
    maximum_retry_attempts: int | None = None
    maximum_event_age: int | None = None
    on_success: str = ""
    on_failure: str = ""


class UrlConfig(msgspec.Struct):
    id: str
    auth_type: str
    created: str
    modified: str
    invoke_mode: str = ""
    """Empty where nobody ever said: BUFFERED."""
    cors: dict[str, Any] | None = None


class UrlOwner(msgspec.Struct):
    """Whose URL an id is."""

    account: str
    region: str
    name: str
    qualifier: str


class LayerVersion(msgspec.Struct):
    package: Package
    code_sha256: str
    description: str
    created: str
    runtimes: list[str] | None = None
    architectures: list[str] | None = None
    license: str | None = None


class Mapping(msgspec.Struct):
    uuid: str
    account: str
    region: str
    source: str
    function: str
    """The name, with the qualifier after a colon where one was given."""
    starting_position: str
    modified: float
    enabled: bool = True
    batch_size: int = 100
    window: int = 0
    parallelization: int = 1
    tumbling: int = 0
    """Seconds of a tumbling window, 0 for none."""
    retries: int = -1
    record_age: int = -1
    bisect: bool = False
    on_failure: str = ""
    filters: list[str] = []
    response_types: list[str] = []
    last_result: str = "No records processed"
    tags: dict[str, str] = {}

    @property
    def name(self) -> FunctionName:
        name, _, qualifier = self.function.partition(":")
        return FunctionName(self.account, self.region, name, qualifier)


class Checkpoint(msgspec.Struct):
    """How far a mapping has come in a shard: the iterator it began with, the last sequence number it is done with."""

    iterator: str = ""
    sequence: str = ""
    ended: bool = False
    window: int = 0
    state: bytes = b"{}"
    """The open tumbling window and its state."""


class Watched(Records[T]):
    """Records that every invocation reads: a change moves a mark, by which processes know that what they remember of
    them is old (`catalog`)."""

    def put(self, tx: Transaction, *key: Element, value: T) -> None:
        super().put(tx, *key, value=value)
        tx.put(MARK, os.urandom(8))

    def delete(self, tx: Transaction, *key: Element) -> None:
        super().delete(tx, *key)
        tx.put(MARK, os.urandom(8))

    def delete_all(self, tx: Transaction, *within: Element) -> None:
        super().delete_all(tx, *within)
        tx.put(MARK, os.urandom(8))


MARK = pack("lambda", "mark")
watch.declare(MARK)

# Keys begin with (account, region, name); versions go on with their number, all others with the qualifier.
FUNCTIONS = Watched(Function, "lambda", "function")
VERSIONS = Watched(Version, "lambda", "version")
ALIASES = Watched(Alias, "lambda", "alias")
POLICIES = Watched(ResourcePolicy, "lambda", "policy")
EVENT_INVOKE_CONFIGS = Records(EventInvokeConfig, "lambda", "event-invoke-config")
URL_CONFIGS = Records(UrlConfig, "lambda", "url-config")
URL_OWNERS = Records(UrlOwner, "lambda", "url-owner")
LAYER_VERSIONS = Records(LayerVersion, "lambda", "layer-version")
LAYER_POLICIES = Records(ResourcePolicy, "lambda", "layer-policy")
RESERVED = Watched(int, "lambda", "reserved")
"""(account, region): the sum of all functions' reserved concurrency."""
LAYER_COUNTERS = Records(int, "lambda", "layer-counter")
"""The last version's number of each layer: numbers are never given twice."""


MAPPINGS = Records(Mapping, "lambda", "event-source-mapping")
"""(account, region, uuid)"""
CHECKPOINTS = Records(Checkpoint, "lambda", "event-source-checkpoint")
"""(uuid, shard's id)"""


def not_found(name: FunctionName) -> AWSError:
    return AWSError("ResourceNotFoundException", f"Function not found: {name.qualified_arn}", Type="User")


def get_function(reader: Reader, name: FunctionName) -> Function:
    function = FUNCTIONS.get(reader, *name.key)
    if function is None:
        raise not_found(name)
    return function


def version_number(qualifier: str) -> int | None:
    """The key of a version, None for an alias' name."""
    if qualifier in ("", LATEST):
        return 0
    return int(qualifier) if qualifier.isascii() and qualifier.isdigit() else None


def get_version(reader: Reader, name: FunctionName) -> Version:
    """The version that a qualifier names; for an alias its main one. Raises ResourceNotFoundException."""
    number = version_number(name.qualifier)
    if number is None:
        alias = ALIASES.get(reader, *name.key, name.qualifier)
        number = version_number(alias.version) if alias else None
    version = VERSIONS.get(reader, *name.key, number) if number is not None and number < 1 << 32 else None
    if version is None:
        raise not_found(name)
    return version
