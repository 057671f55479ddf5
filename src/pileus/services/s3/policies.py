"""Bucket policies: PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase

from pileus.aws.errors import AWSError
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.validation import listed
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.s3 import access, grants, public_access, service
from pileus.services.s3.configurations import change
from pileus.services.s3.names import bucket_arn
from pileus.services.s3.state import Bucket

_LARGEST = 20 * 1024


def _on_policy(action: str) -> AccessRule:
    """The root user of the bucket's owner can always reach the policy, whatever the policy denies
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html)."""

    def rule(context: Context, request: Shape) -> Access:
        bucket = access.find(context, request)
        asked = access.bucket_access(context, request, bucket, action)
        principal = context.principal
        if principal.kind == "root" and principal.account == bucket.account:
            return replace(asked, resource_policies=())
        return asked

    return rule


@service.operation("PutBucketPolicy", access=_on_policy("s3:PutBucketPolicy"))
async def put_bucket_policy(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)
    text = request["Policy"]
    if len(text.encode()) > _LARGEST:
        raise AWSError("PolicyTooLarge", f"Policy exceeds the maximum allowed size of {_LARGEST} bytes", status=400)
    policy = _parse(text)
    _check_scope(policy, bucket)
    if public_access.block(context.store, bucket)["BlockPublicPolicy"] and public_access.is_public(policy):
        raise AWSError(
            "AccessDenied",
            f"User: {context.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"{bucket_arn(bucket.name)}" because public policies are prevented by the BlockPublicPolicy setting in S3 '
            "Block Public Access.",
            status=403,
        )

    def alter(now: Bucket) -> None:
        now.policy = text

    await change(context, bucket, alter)


def _parse(text: str) -> Policy:
    if not text.startswith("{"):
        raise AWSError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'", status=400)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise AWSError("MalformedPolicy", "This policy contains invalid Json", status=400) from None
    if "Statement" not in document:
        raise AWSError("MalformedPolicy", "Missing required field Statement", status=400)
    try:
        return parse(text)
    except AWSError as error:
        raise AWSError("MalformedPolicy", error.message, status=400) from None


def _check_scope(policy: Policy, bucket: Bucket) -> None:
    """Raises MalformedPolicy for statements about other things than this bucket and what is in it."""
    own = bucket_arn(bucket.name)
    for statement in policy.statements:
        source = statement.source
        resources = listed(source.get("Resource", source.get("NotResource")))
        if not resources or not all(_belongs(text, own) for text in resources):
            raise AWSError("MalformedPolicy", "Policy has invalid resource", status=400)
        actions = listed(source.get("Action", source.get("NotAction")))
        if not all(text == "*" or text.lower().startswith("s3:") for text in actions):
            raise AWSError("MalformedPolicy", "Policy has invalid action", status=400)
        if statement.principal is None and statement.not_principal is None:
            raise AWSError("MalformedPolicy", "Missing required field Principal", status=400)


def _belongs(resource: str, own: str) -> bool:
    """Whether the pattern of a bucket, before its first slash, matches this one."""
    return fnmatchcase(own, resource.partition("/")[0].replace("[", "[[]"))


def _missing(bucket: Bucket) -> AWSError:
    return AWSError("NoSuchBucketPolicy", "The bucket policy does not exist", status=404, BucketName=bucket.name)


@service.operation("GetBucketPolicy", access=_on_policy("s3:GetBucketPolicy"))
async def get_bucket_policy(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    if not bucket.policy:
        raise _missing(bucket)
    return {"Policy": bucket.policy}


@service.operation("DeleteBucketPolicy", access=_on_policy("s3:DeleteBucketPolicy"))
async def delete_bucket_policy(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)

    def alter(now: Bucket) -> None:
        now.policy = ""

    await change(context, bucket, alter)


@service.operation("GetBucketPolicyStatus", access=access.on_bucket("s3:GetBucketPolicyStatus"))
async def get_bucket_policy_status(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    public_list = bucket.acls_enabled and grants.is_public(bucket.grants)
    if not bucket.policy and not public_list:
        raise _missing(bucket)
    public = public_list or public_access.is_public(parse(bucket.policy))
    return {"PolicyStatus": {"IsPublic": public}}
