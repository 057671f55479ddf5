"""A pytest plugin for ceph/s3-tests: buckets as they were before April 2023, when most of its tests were written, with
ACLs on and public access not blocked. What S3 makes of a CreateBucket today is asked for afterwards."""

from __future__ import annotations

from typing import Any

import botocore.client

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
    _call(self, "DeletePublicAccessBlock", {"Bucket": parameters["Bucket"]})
    if acl:
        _call(self, "PutBucketAcl", {"Bucket": parameters["Bucket"], **acl})
    return answer


botocore.client.BaseClient._make_api_call = _make_api_call
