"""CreateBucket, DeleteBucket, HeadBucket, ListBuckets, GetBucketLocation."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.aws.model import service_model
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import access, grants, public_access, service, tags, uploads
from pileus.services.s3.names import bucket_arn, check_bucket, no_such_bucket
from pileus.services.s3.state import BUCKETS, COMPLETED, HEADS, OWNED, Bucket, Grant, bucket_of
from pileus.store import paging
from pileus.store.interface import Transaction

_OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
_MOST_BUCKETS = 10_000
_DEFAULT_REGION = "us-east-1"
_CONSTRAINTS = frozenset(service_model("s3").shape_for("BucketLocationConstraint").enum)


def _creating(context: Context, request: Shape) -> list[Access]:
    keys: dict[str, str | tuple[str, ...]] = {}
    location = (request.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
    if location:
        keys["s3:locationconstraint"] = location
    if request.get("ObjectOwnership"):
        keys["s3:x-amz-object-ownership"] = request["ObjectOwnership"]
    if request.get("ACL"):
        keys["s3:x-amz-acl"] = request["ACL"]
    actions = ["s3:CreateBucket"]
    if grants.given(request):
        actions.append("s3:PutBucketAcl")
    if request.get("ObjectOwnership"):
        actions.append("s3:PutBucketOwnershipControls")
    if request.get("ObjectLockEnabledForBucket"):
        actions += ["s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"]
    return [Access(action, bucket_arn(request["Bucket"]), keys) for action in actions]


@service.operation(
    "CreateBucket",
    access=_creating,
    actions=(
        "s3:CreateBucket", "s3:PutBucketAcl", "s3:PutBucketOwnershipControls", "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketVersioning",
    ),
)  # fmt: skip
async def create_bucket(context: Context, request: Shape) -> Shape:
    name = request["Bucket"]
    check_bucket(name)
    configuration = request.get("CreateBucketConfiguration") or {}
    region = _region(context, configuration)
    if configuration.get("Location") or configuration.get("Bucket"):
        raise option_not_implemented("directory buckets")
    if request.get("BucketNamespace"):
        raise option_not_implemented("bucket namespaces")
    ownership = request.get("ObjectOwnership", "BucketOwnerEnforced")
    if ownership not in _OWNERSHIPS:
        raise AWSError(
            "InvalidArgument",
            f"Invalid x-amz-object-ownership header: {ownership}",
            status=400,
            ArgumentName="x-amz-object-ownership",
        )
    granted: tuple[Grant, ...] = ()
    if ownership != "BucketOwnerEnforced":
        granted = grants.of_canned("private", context.account, context.account)
    if grants.given(request) and request.get("ACL") != "private":
        requested = grants.requested(context.store, request, owner=context.account, bucket_owner=context.account)
        if ownership == "BucketOwnerEnforced":
            raise AWSError(
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
                status=400,
            )
        if grants.is_public(requested or ()):
            # The public-access block that every new bucket has refuses it.
            raise AWSError(
                "InvalidBucketAclWithBlockPublicAccessError",
                "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
                status=400,
            )
        granted = requested or granted
    lock = bool(request.get("ObjectLockEnabledForBucket"))
    bucket = Bucket(
        name,
        context.account,
        region,
        context.received,
        ownership=ownership,
        grants=granted,
        versioning="Enabled" if lock else "",
        object_lock=lock,
        configurations={"public_access_block": dict(public_access.ALL)},
    )
    if lock:
        bucket.configurations["object_lock"] = {"ObjectLockEnabled": "Enabled"}
    given = tags.of_bucket(configuration.get("Tags") or ()) | dict(context.system_tags)
    if given:
        bucket.configurations["tagging"] = tags.shape(given)

    def change(tx: Transaction) -> None:
        existing = BUCKETS.get(tx, name)
        if existing is not None:
            _refuse(existing, context)
            # What is asked anew of an own bucket in us-east-1 is its ACL.
            existing.grants = granted if existing.acls_enabled else ()
            BUCKETS.put(tx, name, value=existing)
            return
        if sum(1 for _ in islice(OWNED.scan(tx, context.account), _MOST_BUCKETS)) >= _MOST_BUCKETS:
            raise AWSError("TooManyBuckets", "You have attempted to create more buckets than allowed", status=400)
        BUCKETS.put(tx, name, value=bucket)
        OWNED.put(tx, context.account, name, value=bucket.created)

    await context.store.transact(change)
    return {"Location": f"/{name}", "BucketArn": bucket_arn(name)}


def _region(context: Context, configuration: Shape) -> str:
    """The bucket's region: this cloud's, which the request must agree with."""
    constraint, region = configuration.get("LocationConstraint") or "", context.region
    if not constraint or (constraint == region != _DEFAULT_REGION) or (constraint, region) == ("EU", "eu-west-1"):
        return region
    if region == _DEFAULT_REGION and constraint not in _CONSTRAINTS:
        raise AWSError(
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
            status=400,
            LocationConstraint=constraint,
        )
    raise AWSError(
        "IllegalLocationConstraintException",
        f"The {constraint} location constraint is incompatible for the region specific endpoint this request was sent "
        "to.",
        status=400,
    )


def _refuse(existing: Bucket, context: Context) -> None:
    if existing.account != context.account:
        raise AWSError(
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again.",
            status=409,
            BucketName=existing.name,
        )
    # In us-east-1 alone, creating one's own bucket again is no error.
    if existing.region != _DEFAULT_REGION:
        raise AWSError(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            status=409,
            BucketName=existing.name,
        )


@service.operation("DeleteBucket", access=access.on_bucket("s3:DeleteBucket"))
async def delete_bucket(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)

    def change(tx: Transaction) -> list[str]:
        now = BUCKETS.get(tx, bucket.name)
        if now is None or now.created != bucket.created:
            raise no_such_bucket(bucket.name)
        if next(HEADS.scan(tx, bucket.name, limit=1), None) is not None:
            what = "You must delete all versions in the bucket." if now.versioning else ""
            raise AWSError(
                "BucketNotEmpty",
                f"The bucket you tried to delete is not empty{'. ' + what if what else ''}",
                status=409,
                BucketName=bucket.name,
            )
        gone = uploads.abandon_all(context.cloud, tx, bucket.name)
        COMPLETED.delete_all(tx, bucket.name)
        BUCKETS.delete(tx, bucket.name)
        OWNED.delete(tx, now.account, bucket.name)
        return gone

    uploads.remove_all(context.cloud, await context.store.transact(change))


@service.operation("HeadBucket", access=access.on_bucket("s3:ListBucket"), actions=["s3:ListBucket"])
async def head_bucket(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    return {"BucketRegion": bucket.region, "AccessPointAlias": False, "BucketArn": bucket_arn(bucket.name)}


@service.operation("GetBucketLocation", access=access.on_bucket("s3:GetBucketLocation"))
async def get_bucket_location(context: Context, request: Shape) -> Shape:
    region = access.find(context, request).region
    return {} if region == _DEFAULT_REGION else {"LocationConstraint": region}


@service.operation(
    "ListBuckets", access=lambda context, request: Access("s3:ListAllMyBuckets"), actions=["s3:ListAllMyBuckets"]
)
async def list_buckets(context: Context, request: Shape) -> Shape:
    limit = request.get("MaxBuckets") or _MOST_BUCKETS
    prefix = request.get("Prefix") or ""
    region = request.get("BucketRegion")
    try:
        after = paging.decode(request.get("ContinuationToken"))
    except ValueError:
        raise AWSError("InvalidArgument", "The continuation token provided is incorrect", status=400) from None
    found = (
        (key, created)
        for key, created in OWNED.scan(context.store, context.account, after=after)
        if str(key[1]).startswith(prefix) and (not region or _is_in(context, str(key[1]), region))
    )
    rows, token = paging.page(found, limit)
    answer: Shape = {
        "Owner": grants.owner_shape(context.store, context.account),
        "Buckets": [
            {
                "Name": key[1],
                "CreationDate": datetime.fromtimestamp(int(created), UTC),
                "BucketArn": bucket_arn(str(key[1])),
                **({"BucketRegion": context.region} if _is_paged(request) else {}),
            }
            for key, created in rows
        ],
    }
    if token:
        answer["ContinuationToken"] = token
    if prefix:
        answer["Prefix"] = prefix
    return answer


def _is_paged(request: Shape) -> bool:
    return any(request.get(member) for member in ("MaxBuckets", "Prefix", "ContinuationToken", "BucketRegion"))


def _is_in(context: Context, name: str, region: str) -> bool:
    bucket = bucket_of(context.cloud, name)
    return bucket is not None and bucket.region == region
