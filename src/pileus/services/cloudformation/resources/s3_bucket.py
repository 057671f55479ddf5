"""AWS::S3::Bucket: a bucket, and one configuration of it a property."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pileus.aws.errors import AWSError
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, must_be_free

Body = Callable[[Any], Any]


class Configuration(NamedTuple):
    """`put` sends the property as `member`, in the words of the API; `remove` takes it away, or `put` with `none`."""

    schema: Any
    put: str
    member: str
    body: Body
    remove: str = ""
    none: Any = None


def _same(value: Any) -> Any:
    return value


def _renamed(value: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): item for key, item in value.items()}


def _website(value: dict[str, Any]) -> dict[str, Any]:
    made = dict(value)
    if "IndexDocument" in made:
        made["IndexDocument"] = {"Suffix": made["IndexDocument"]}
    if "ErrorDocument" in made:
        made["ErrorDocument"] = {"Key": made["ErrorDocument"]}
    if "RoutingRules" in made:
        names = {"RedirectRule": "Redirect", "RoutingRuleCondition": "Condition"}
        made["RoutingRules"] = [_renamed(rule, names) for rule in made["RoutingRules"]]
    return made


def _cors(value: dict[str, Any]) -> dict[str, Any]:
    names = {"ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
    return {"CORSRules": [_renamed(rule, names) for rule in value["CorsRules"]]}


def _encryption(value: dict[str, Any]) -> dict[str, Any]:
    names = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {"Rules": [_renamed(rule, names) for rule in value["ServerSideEncryptionConfiguration"]]}


def _lifecycle(value: dict[str, Any]) -> dict[str, Any]:
    return {"Rules": [_lifecycle_rule(dict(rule)) for rule in value["Rules"]]}


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"ID": rule["Id"]} if "Id" in rule else {}
    made["Status"] = rule["Status"]
    conditions = _conditions(rule)
    tags = rule.get("TagFilters", [])
    if len(conditions) + len(tags) > 1:
        made["Filter"] = {"And": conditions | ({"Tags": tags} if tags else {})}
    else:
        made["Filter"] = conditions or ({"Tag": tags[0]} if tags else {"Prefix": ""})
    expiration = {
        "Days": rule.get("ExpirationInDays"), "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
        "Date": _date(rule.get("ExpirationDate")),
    }  # fmt: skip
    present = {name: value for name, value in expiration.items() if value is not None}
    if present:
        made["Expiration"] = present
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if name in rule:
            made[name] = rule[name]
    for name, days in (("Transitions", "Days"), ("NoncurrentVersionTransitions", "NoncurrentDays")):
        if name in rule:
            made[name] = [_transition(item, days) for item in rule[name]]
    return made


def _transition(item: dict[str, Any], days: str) -> dict[str, Any]:
    made = _renamed(item, {"TransitionInDays": days, "TransitionDate": "Date"})
    made["StorageClass"] = made["StorageClass"].upper()
    if "Date" in made:
        made["Date"] = _date(made["Date"])
    return made


def _date(written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise TemplateError(f"{written} is no date in the format of ISO 8601") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _logging(value: dict[str, Any]) -> dict[str, Any]:
    names = {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"}
    return {"LoggingEnabled": {"TargetPrefix": "", **_renamed(value, names)}}


def _conditions(rule: dict[str, Any]) -> dict[str, Any]:
    sizes = {name: int(rule[name]) for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in rule}
    return ({"Prefix": rule["Prefix"]} if "Prefix" in rule else {}) | sizes


def _notification(value: dict[str, Any]) -> dict[str, Any]:
    def configuration(item: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"LambdaFunctionArn": item["Function"], "Events": [item["Event"]]}
        if "Filter" in item:
            made["Filter"] = {"Key": {"FilterRules": item["Filter"]["S3Key"]["Rules"]}}
        return made

    return {"LambdaFunctionConfigurations": [configuration(item) for item in value.get("LambdaConfigurations", [])]}


_TAG = {"Key": str, "Value": str}
CONFIGURATIONS = {
    "OwnershipControls": Configuration(
        {"Rules": [{"ObjectOwnership": str}]}, "PutBucketOwnershipControls", "OwnershipControls", _same,
        "DeleteBucketOwnershipControls",
    ),
    "PublicAccessBlockConfiguration": Configuration(
        {"BlockPublicAcls": bool, "BlockPublicPolicy": bool, "IgnorePublicAcls": bool, "RestrictPublicBuckets": bool},
        "PutPublicAccessBlock", "PublicAccessBlockConfiguration", _same, "DeletePublicAccessBlock",
    ),
    "VersioningConfiguration": Configuration(
        {"Status": str}, "PutBucketVersioning", "VersioningConfiguration", _same, none={"Status": "Suspended"},
    ),
    "BucketEncryption": Configuration(
        {"ServerSideEncryptionConfiguration": [{
            "BucketKeyEnabled": bool, "ServerSideEncryptionByDefault": {"SSEAlgorithm": str, "KMSMasterKeyID": str},
        }]},
        "PutBucketEncryption", "ServerSideEncryptionConfiguration", _encryption, "DeleteBucketEncryption",
    ),
    "CorsConfiguration": Configuration(
        {"CorsRules": [{
            "AllowedHeaders": [str], "AllowedMethods": [str], "AllowedOrigins": [str], "ExposedHeaders": [str],
            "Id": str, "MaxAge": int,
        }]},
        "PutBucketCors", "CORSConfiguration", _cors, "DeleteBucketCors",
    ),
    "LifecycleConfiguration": Configuration(
        {"Rules": [{
            "Id": str, "Status": str, "Prefix": str, "ObjectSizeGreaterThan": str, "ObjectSizeLessThan": str,
            "TagFilters": [_TAG], "ExpirationInDays": int, "ExpiredObjectDeleteMarker": bool,
            "ExpirationDate": str,
            "Transitions": [{"StorageClass": str, "TransitionInDays": int, "TransitionDate": str}],
            "NoncurrentVersionTransitions": [{
                "StorageClass": str, "TransitionInDays": int, "NewerNoncurrentVersions": int,
            }],
            "NoncurrentVersionExpiration": {"NoncurrentDays": int, "NewerNoncurrentVersions": int},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": int},
        }]},
        "PutBucketLifecycleConfiguration", "LifecycleConfiguration", _lifecycle, "DeleteBucketLifecycle",
    ),
    "WebsiteConfiguration": Configuration(
        {
            "IndexDocument": str, "ErrorDocument": str, "RedirectAllRequestsTo": {"HostName": str, "Protocol": str},
            "RoutingRules": [{
                "RedirectRule": {
                    "HostName": str, "HttpRedirectCode": str, "Protocol": str, "ReplaceKeyPrefixWith": str,
                    "ReplaceKeyWith": str,
                },
                "RoutingRuleCondition": {"HttpErrorCodeReturnedEquals": str, "KeyPrefixEquals": str},
            }],
        },
        "PutBucketWebsite", "WebsiteConfiguration", _website, "DeleteBucketWebsite",
    ),
    "NotificationConfiguration": Configuration(
        {"LambdaConfigurations": [{
            "Event": str, "Function": str, "Filter": {"S3Key": {"Rules": [{"Name": str, "Value": str}]}},
        }]},
        "PutBucketNotificationConfiguration", "NotificationConfiguration", _notification, none={},
    ),
    "LoggingConfiguration": Configuration(
        {
            "DestinationBucketName": str, "LogFilePrefix": str,
            "TargetObjectKeyFormat": {"SimplePrefix": {}, "PartitionedPrefix": {"PartitionDateSource": str}},
        },
        "PutBucketLogging", "BucketLoggingStatus", _logging, none={},
    ),
    "Tags": Configuration([_TAG], "PutBucketTagging", "Tagging", lambda tags: {"TagSet": tags}, "DeleteBucketTagging"),
}  # fmt: skip


async def create(work: Work) -> None:
    # Bucket names are lower case: what is generated follows them.
    name = work.properties.get("BucketName") or work.name("BucketName", 63).lower()
    location = {} if work.region == "us-east-1" else {"LocationConstraint": work.region}
    lock = work.properties.get("ObjectLockEnabled")
    # In us-east-1 CreateBucket succeeds for a bucket that its caller has: it would become this stack's to delete.
    try:
        await must_be_free(work, f"{name} already exists", "NoSuchBucket", "s3", "HeadBucket", Bucket=name)
    except AWSError as error:
        # Of a bucket that is not there everyone learns so: to be refused is to learn that it is there.
        raise TemplateError(f"{name} already exists") if error.code == "AccessDenied" else error from None
    await work.create(
        "s3", "CreateBucket", exists="BucketAlreadyOwnedByYou", Bucket=name, ObjectLockEnabledForBucket=lock,
        CreateBucketConfiguration=location or None,
    )  # fmt: skip
    await work.identify(name)
    await _configure(work)
    work.attributes = {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{work.region}.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{work.region}.amazonaws.com",
        "WebsiteURL": work.site.format(name),
    }


async def update(work: Work) -> None:
    await _configure(work)
    if work.changed("ObjectLockEnabled"):
        if not work.properties.get("ObjectLockEnabled"):
            raise TemplateError("ObjectLockEnabled cannot be taken back once a bucket has it")
        lock = {"ObjectLockEnabled": "Enabled"}
        await work.call("s3", "PutObjectLockConfiguration", Bucket=work.physical_id, ObjectLockConfiguration=lock)


async def _configure(work: Work) -> None:
    for name, configuration in CONFIGURATIONS.items():
        if not work.changed(name):
            continue
        value = work.properties.get(name)
        if value is not None and name == "LoggingConfiguration":
            value = {"DestinationBucketName": work.physical_id, **value}
        if value is not None or not configuration.remove:
            body = configuration.none if value is None else configuration.body(value)
            await work.call("s3", configuration.put, Bucket=work.physical_id, **{configuration.member: body})
        else:
            await work.call("s3", configuration.remove, Bucket=work.physical_id)


async def delete(work: Work) -> None:
    await absent(work.call("s3", "DeleteBucket", Bucket=work.physical_id), "NoSuchBucket")


BUCKET = ResourceType(
    "AWS::S3::Bucket",
    properties={
        "BucketName": str, "ObjectLockEnabled": bool,
        **{name: configuration.schema for name, configuration in CONFIGURATIONS.items()},
    },
    create=create, update=update, delete=delete,
    create_only=frozenset({"BucketName"}),
    attributes=frozenset({"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"}),
    name_property="BucketName", tags="Tags",
)  # fmt: skip
