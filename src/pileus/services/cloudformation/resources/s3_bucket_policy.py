"""AWS::S3::BucketPolicy."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, document, must_be_free
from pileus.services.cloudformation.schemas import JSON


async def create(work: Work) -> None:
    bucket = work.properties["Bucket"]
    taken = f"The bucket policy already exists on bucket {bucket}."
    await must_be_free(work, taken, "NoSuchBucketPolicy", "s3", "GetBucketPolicy", Bucket=bucket)
    await update(work)
    await work.identify(work.properties["Bucket"])


async def update(work: Work) -> None:
    policy = document(work.properties["PolicyDocument"])
    await work.call("s3", "PutBucketPolicy", Bucket=work.properties["Bucket"], Policy=policy)


async def delete(work: Work) -> None:
    await absent(work.call("s3", "DeleteBucketPolicy", Bucket=work.physical_id), "NoSuchBucket", "NoSuchBucketPolicy")


BUCKET_POLICY = ResourceType(
    "AWS::S3::BucketPolicy",
    properties={"Bucket": str, "PolicyDocument": JSON},
    create=create, update=update, delete=delete,
    required=frozenset({"Bucket", "PolicyDocument"}), create_only=frozenset({"Bucket"}),
)  # fmt: skip
