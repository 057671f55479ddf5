"""A pytest plugin for ceph/s3-tests: buckets as they were before April 2023, when most of its tests were written, with
ACLs on and public access not blocked. What S3 makes of a CreateBucket today is asked for afterwards."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.client
from botocore.config import Config

_call = botocore.client.BaseClient._make_api_call
_ACL = ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def _make_api_call(self: Any, name: str, given: dict[str, Any]) -> Any:
    if name != "CreateBucket" or self.meta.service_model.service_name != "s3":
        return _call(self, name, given)
    parameters = dict(given)
    acl: dict[str, Any] = {}
    if "ObjectOwnership" not in parameters:
        parameters["ObjectOwnership"] = "ObjectWriter"
        acl = {member: parameters.pop(member) for member in _ACL if parameters.get(member)}
    answer = _call(self, name, parameters)
    other = _of_today(self)
    _call(other, "DeletePublicAccessBlock", {"Bucket": parameters["Bucket"]})
    if acl:
        _call(other, "PutBucketAcl", {"Bucket": parameters["Bucket"], **acl})
    return answer


def _of_today(client: Any) -> Any:
    """A client of the same user that signs in version 4: version 2 is older than public access blocks."""
    credentials = client._request_signer._credentials
    return boto3.client(
        "s3",
        endpoint_url=client.meta.endpoint_url,
        region_name=client.meta.region_name,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(signature_version="s3v4"),
    )


botocore.client.BaseClient._make_api_call = _make_api_call
