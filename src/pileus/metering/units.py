"""The units that usage is counted in: one place for their names, and for who counts each.

A unit's name is `<service>:<what>`. Beside the units below, the gateway counts every call under
`calls:<service>:<Operation>` (`call`), from which S3's request tiers are summed: no operation counts its own call.
"""

from __future__ import annotations

# Lambda: by the function's invocation, synchronous, asynchronous or by an event source; durations are billed
# milliseconds (init included) times memory, in GB-seconds.
LAMBDA_REQUESTS = "lambda:Requests"
LAMBDA_GB_SECONDS_X86 = "lambda:GB-Seconds-x86_64"
LAMBDA_GB_SECONDS_ARM = "lambda:GB-Seconds-arm64"
LAMBDA_STORAGE_GB_SECONDS = "lambda:Ephemeral-Storage-GB-Seconds"  # of /tmp above 512 MB

# S3: summed from the calls at bill time (`request_tier`); website requests are GetObject calls.
S3_REQUESTS_TIER1 = "s3:Requests-Tier1"
S3_REQUESTS_TIER2 = "s3:Requests-Tier2"

# DynamoDB: request units by item operations on on-demand tables only (provisioned tables pay for capacity):
# 1 KB a write unit, 4 KB a strongly consistent read unit, half of it eventually consistent, double in transactions.
DYNAMODB_READ_REQUEST_UNITS = "dynamodb:ReadRequestUnits"
DYNAMODB_WRITE_REQUEST_UNITS = "dynamodb:WriteRequestUnits"
DYNAMODB_STREAM_READ_REQUEST_UNITS = "dynamodb:StreamReadRequestUnits"  # GetRecords, not Lambda's own polling

# CloudWatch Logs: bytes of PutLogEvents, each event with 26 bytes on top, as AWS counts.
LOGS_INGESTED_BYTES = "logs:Ingested-Bytes"

# The gateway: bytes of answers to anyone.
TRANSFER_OUT_BYTES = "transfer:Out-Bytes"

# Levels: what an account holds, sampled (metering.levels) and counted as quantity times hours.
S3_STORAGE_BYTE_HOURS = "s3:Storage-Byte-Hours"
DYNAMODB_STORAGE_BYTE_HOURS = "dynamodb:Storage-Byte-Hours"
DYNAMODB_READ_CAPACITY_UNIT_HOURS = "dynamodb:ReadCapacityUnit-Hours"
DYNAMODB_WRITE_CAPACITY_UNIT_HOURS = "dynamodb:WriteCapacityUnit-Hours"
LOGS_STORAGE_BYTE_HOURS = "logs:Storage-Byte-Hours"

ALL = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))

# https://aws.amazon.com/s3/pricing/: PUT, COPY, POST and LIST are the dearer requests, DELETE and CANCEL are free,
# all others the cheaper ones. https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html
_S3_TIER1 = frozenset(
    {
        "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload", "ListBuckets",
        "ListMultipartUploads", "ListObjectVersions", "ListObjects", "ListObjectsV2", "ListParts", "PostObject",
        "RestoreObject", "UploadPart", "UploadPartCopy",
    }
)  # fmt: skip


def call(service: str, operation: str) -> str:
    """The unit that a call of an operation is counted under."""
    return f"calls:{service}:{operation}"


def request_tier(operation: str) -> str | None:
    """The request unit that a call of an S3 operation is billed as, None for the free ones."""
    if operation in _S3_TIER1 or operation.startswith("Put"):
        return S3_REQUESTS_TIER1
    if operation.startswith(("Delete", "Abort")):
        return None
    return S3_REQUESTS_TIER2
