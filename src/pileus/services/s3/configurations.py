"""A bucket's sub-resources that are put, read and deleted as a whole: one table of them, three operations each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.services.s3 import (
    access,
    cors,
    encryption,
    lifecycle_rules,
    public_access,
    service,
    tags,
    transitions,
    website_rules,
    writing,
)
from pileus.services.s3.state import BUCKETS, Bucket
from pileus.services.s3.transitions import DEFAULT_MINIMUM
from pileus.store.interface import Transaction

Check = Callable[[Context, Bucket, Any], Any]
"""What is kept of what was put, None for nothing; raises AWSError for what cannot be."""


async def change(context: Context, bucket: Bucket, alter: Callable[[Bucket], None]) -> None:
    """Alters the bucket's record in a transaction."""

    def apply(tx: Transaction) -> None:
        now = writing.same_bucket(tx, bucket)
        alter(now)
        BUCKETS.put(tx, now.name, value=now)

    await context.store.transact(apply)


@dataclass(frozen=True, slots=True)
class Configuration:
    """`member` holds it in the put request, `answer` in the read's (all of it where empty). `noun` makes the names of
    the operations, `action` those of the actions."""

    name: str
    noun: str
    member: str
    answer: str
    action: str
    missing: tuple[str, str]
    check: Check
    delete: str = ""
    delete_action: str = ""
    remains: Callable[[Any], Any] = lambda kept: None
    """What no request deletes, None for nothing."""

    def declare(self) -> None:
        put_action, get_action = f"s3:Put{self.action}", f"s3:Get{self.action}"
        delete_action = self.delete_action or put_action

        @service.operation(f"Put{self.noun}", access=access.on_bucket(put_action), actions=[put_action])
        async def put(context: Context, request: Shape) -> None:
            bucket = access.find(context, request)
            kept = self.check(context, bucket, request[self.member])

            def alter(now: Bucket) -> None:
                now.configurations.pop(self.name, None)
                if kept is not None:
                    now.configurations[self.name] = kept

            await change(context, bucket, alter)

        @service.operation(f"Get{self.noun}", access=access.on_bucket(get_action), actions=[get_action])
        async def get(context: Context, request: Shape) -> Shape:
            bucket = access.find(context, request)
            found = bucket.configurations.get(self.name)
            if found is None:
                code, message = self.missing
                raise AWSError(code, message, status=404, BucketName=bucket.name)
            return {self.answer: found} if self.answer else dict(found)

        @service.operation(
            self.delete or f"Delete{self.noun}", access=access.on_bucket(delete_action), actions=[delete_action]
        )
        async def delete(context: Context, request: Shape) -> None:
            bucket = access.find(context, request)
            if self.name in bucket.configurations:
                await change(context, bucket, self._remove)

    def _remove(self, now: Bucket) -> None:
        remaining = self.remains(now.configurations.pop(self.name, None))
        if remaining is not None:
            now.configurations[self.name] = remaining


def _tagging(context: Context, bucket: Bucket, given: Any) -> Any:
    kept = tags.system_tags_of(bucket.configurations.get("tagging"))
    asked = tags.system_tags_of(given["TagSet"])
    if not context.system_tags and asked != kept:
        wrong = "removed" if asked.items() < kept.items() else "added/updated"
        key = next((key for key, _ in asked.items() ^ kept.items()), "")
        raise AWSError("InvalidTag", f"System tags cannot be {wrong} by requester", status=400, TagKey=key)
    return tags.shape(tags.of_bucket(tag for tag in given["TagSet"] if tag["Key"] not in asked) | kept) or None


def _system_tags(kept: Any) -> Any:
    remaining = tags.system_tags_of(kept)
    return tags.shape(remaining) if remaining else None


def _cors(context: Context, bucket: Bucket, given: Any) -> Any:
    return cors.checked(given["CORSRules"])


def _website(context: Context, bucket: Bucket, given: Any) -> Any:
    return website_rules.checked(given)


def _encryption(context: Context, bucket: Bucket, given: Any) -> Any:
    rules = given["Rules"]
    if len(rules) != 1:
        raise malformed()
    default = rules[0].get("ApplyServerSideEncryptionByDefault")
    if rules[0].get("BlockedEncryptionTypes"):
        raise option_not_implemented("blocking encryption types")
    if default is None:
        raise malformed()
    if default["SSEAlgorithm"] == "AES256" and default.get("KMSMasterKeyID"):
        raise AWSError(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            status=400,
            ArgumentName="ApplyServerSideEncryptionByDefault",
        )
    encryption.named(bucket, context.region, default["SSEAlgorithm"], default.get("KMSMasterKeyID", ""), None)
    return given


def _lifecycle(context: Context, bucket: Bucket, given: Any) -> Any:
    if context.headers.get("x-amz-transition-default-minimum-object-size", DEFAULT_MINIMUM) != DEFAULT_MINIMUM:
        raise option_not_implemented("another default minimum size of transitions", "rules can name sizes.")
    kept = lifecycle_rules.checked(given["Rules"])
    for rule in kept["Rules"]:
        transitions.check(rule)
    return {**kept, "TransitionDefaultMinimumObjectSize": DEFAULT_MINIMUM}


def _public_access_block(context: Context, bucket: Bucket, given: Any) -> Any:
    return {setting: bool(given.get(setting)) for setting in public_access.SETTINGS}


def malformed() -> AWSError:
    return AWSError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
        status=400,
    )


TABLE: Iterable[Configuration] = (
    Configuration(
        "tagging", "BucketTagging", "Tagging", "TagSet", "BucketTagging",
        ("NoSuchTagSet", "The TagSet does not exist"), _tagging, remains=_system_tags,
    ),
    Configuration(
        "website", "BucketWebsite", "WebsiteConfiguration", "", "BucketWebsite",
        ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"), _website,
        delete_action="s3:DeleteBucketWebsite",
    ),
    Configuration(
        "cors", "BucketCors", "CORSConfiguration", "CORSRules", "BucketCORS",
        ("NoSuchCORSConfiguration", "The CORS configuration does not exist"), _cors,
    ),
    Configuration(
        "encryption", "BucketEncryption", "ServerSideEncryptionConfiguration", "ServerSideEncryptionConfiguration",
        "EncryptionConfiguration",
        ("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"),
        _encryption,
    ),
    Configuration(
        "lifecycle", "BucketLifecycleConfiguration", "LifecycleConfiguration", "", "LifecycleConfiguration",
        ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"), _lifecycle,
        delete="DeleteBucketLifecycle",
    ),
    Configuration(
        "public_access_block", "PublicAccessBlock", "PublicAccessBlockConfiguration", "PublicAccessBlockConfiguration",
        "BucketPublicAccessBlock",
        ("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
        _public_access_block,
    ),
)  # fmt: skip
for configuration in TABLE:
    configuration.declare()


# Those that are more than a document: they change what the bucket is.


@service.operation("PutBucketVersioning", access=access.on_bucket("s3:PutBucketVersioning"))
async def put_bucket_versioning(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)
    given = request["VersioningConfiguration"]
    status = given.get("Status")
    if given.get("MFADelete") == "Enabled" or request.get("MFA"):
        raise option_not_implemented("MFA delete")
    if status not in ("Enabled", "Suspended"):
        raise AWSError(
            "IllegalVersioningConfigurationException", "The Versioning element must be specified", status=400
        )
    if bucket.object_lock and status == "Suspended":
        raise AWSError(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            status=409,
        )

    def alter(now: Bucket) -> None:
        now.versioning = status

    await change(context, bucket, alter)


@service.operation("GetBucketVersioning", access=access.on_bucket("s3:GetBucketVersioning"))
async def get_bucket_versioning(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    return {"Status": bucket.versioning} if bucket.versioning else {}


@service.operation("GetBucketRequestPayment", access=access.on_bucket("s3:GetBucketRequestPayment"))
async def get_bucket_request_payment(context: Context, request: Shape) -> Shape:
    access.find(context, request)
    return {"Payer": "BucketOwner"}


@service.operation("PutBucketRequestPayment", access=access.on_bucket("s3:PutBucketRequestPayment"))
async def put_bucket_request_payment(context: Context, request: Shape) -> None:
    access.find(context, request)
    if request["RequestPaymentConfiguration"]["Payer"] != "BucketOwner":
        raise option_not_implemented("buckets whose requesters pay")


@service.operation(
    "GetBucketAccelerateConfiguration",
    access=access.on_bucket("s3:GetAccelerateConfiguration"),
    actions=["s3:GetAccelerateConfiguration"],
)
async def get_bucket_accelerate_configuration(context: Context, request: Shape) -> Shape:
    """There is nothing to accelerate: never enabled, as AWS says it of a new bucket."""
    access.find(context, request)
    return {}


@service.operation(
    "GetBucketReplication",
    access=access.on_bucket("s3:GetReplicationConfiguration"),
    actions=["s3:GetReplicationConfiguration"],
)
async def get_bucket_replication(context: Context, request: Shape) -> Shape:
    """Never configured: PutBucketReplication is not implemented."""
    bucket = access.find(context, request)
    raise AWSError(
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
        status=404,
        BucketName=bucket.name,
    )
