"""Amazon S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/): buckets, objects, and the websites made of them."""

from pileus.services.operation import Service

service = Service("s3", __name__, opaque=frozenset({"Expires", "ResponseExpires"}))
