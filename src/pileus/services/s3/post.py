"""Uploads by browser forms: POST to a bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from xml.sax.saxutils import escape

from defusedxml import ElementTree

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.metering import units
from pileus.security.authentication import Authenticator
from pileus.security.principals import ANONYMOUS, Principal
from pileus.security.signature import ALGORITHM, Claim, SignatureError, signing_key
from pileus.services.context import Cloud, Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import access, checksums, encoded_words, encryption, objects, post_policy, writing
from pileus.services.s3.forms import Form
from pileus.services.s3.post_policy import Limits
from pileus.services.s3.state import Bucket, Version

_FIELDS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-type": "ContentType",
    "expires": "Expires",
    "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "content-md5": "ContentMD5",
    **{algorithm.header: algorithm.member for algorithm in checksums.ALGORITHMS.values()},
}
_HEADERS = {
    "VersionId": "x-amz-version-id",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "x-amz-server-side-encryption-customer-algorithm",
    "SSECustomerKeyMD5": "x-amz-server-side-encryption-customer-key-md5",
}
_METADATA = "x-amz-meta-"
_NAMES = {
    "awsaccesskeyid": "AWSAccessKeyId",
    "signature": "Signature",
    "x-amz-algorithm": "X-Amz-Algorithm",
    "x-amz-credential": "X-Amz-Credential",
    "x-amz-date": "X-Amz-Date",
    "x-amz-signature": "X-Amz-Signature",
}
"""As errors write them."""
_new_object = access.on_new_object("s3:PutObject")


class _Counted:
    """The file, held against the lengths that the policy allows."""

    def __init__(self, form: Form, limits: Limits) -> None:
        self._form = form
        self._limits = limits
        self.length: int | None = None
        self.trailers: dict[str, str] = {}

    @property
    def whole(self) -> bytes | None:
        return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._form:
            size += len(piece)
            if self._limits.most is not None and size > self._limits.most:
                self._limits.check(size)
            yield piece
        self._limits.check(size)


async def upload(
    cloud: Cloud, authenticator: Authenticator, bucket_name: str, request: Request, request_id: str
) -> Response:
    """Raises AWSError. Nothing is kept of a form whose policy or signature does not hold."""
    form = Form(request.body, request.headers.get("content-type", ""))
    await form.read_fields()
    fields = form.fields
    if "key" in fields and form.filename is not None:
        fields["key"] = fields["key"].replace("${filename}", form.filename)
    principal, limits = _authenticate(authenticator, fields, bucket_name, cloud.clock.time())
    request.principal = principal
    context = Context(
        cloud,
        principal,
        cloud.settings.region,
        request_id,
        "s3",
        "PostObject",
        cloud.clock.time(),
        request.source_ip,
        request.secure,
        request.headers.get("user-agent", ""),
        request.headers,
        request.host,
    )
    if not form.has_file:
        raise AWSError("InvalidArgument", "POST requires exactly one file upload per request.", status=400)
    key = fields.get("key", "")
    if not key:
        raise AWSError(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
            status=400,
        )
    asked = _request(fields, bucket_name, key)
    bucket = access.find(context, asked)
    accesses = _new_object(context, asked)
    cloud.authorizer.authorize(context, (accesses,) if isinstance(accesses, Access) else accesses)
    asked["Body"] = _Counted(form, limits)
    version = await objects.write(context, bucket, asked, "ObjectCreated:Post")
    cloud.meter.add(bucket.account, units.call("s3", "PostObject"))
    return _answer(request, fields, bucket, key, version, request_id)


def _request(fields: Mapping[str, str], bucket: str, key: str) -> Shape:
    """The form as PutObject's parameters."""
    asked: dict[str, Any] = {member: fields[name] for name, member in _FIELDS.items() if name in fields}
    asked |= {"Bucket": bucket, "Key": key}
    asked["Metadata"] = {
        # Forms say them as they are: what looks like an encoded word in one is none.
        name.removeprefix(_METADATA): encoded_words.literally(value)
        for name, value in fields.items()
        if name.startswith(_METADATA)
    }
    if "tagging" in fields:
        asked["Tagging"] = _tagging(fields["tagging"])
    return asked


def _tagging(text: str) -> str:
    """The form's Tagging document as the header writes tags."""
    try:
        root = ElementTree.fromstring(text, forbid_dtd=True)
    except (ElementTree.ParseError, ValueError):
        raise AWSError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            status=400,
        ) from None
    tags = [tag for tag in root.iter() if tag.tag.rpartition("}")[2] == "Tag"]
    pairs = [{child.tag.rpartition("}")[2]: child.text or "" for child in tag} for tag in tags]
    return urlencode([(pair.get("Key", ""), pair.get("Value", "")) for pair in pairs])


# Who sends the form


def _authenticate(
    authenticator: Authenticator, fields: Mapping[str, str], bucket: str, now: float
) -> tuple[Principal, Limits]:
    policy = fields.get("policy")
    if "x-amz-signature" in fields or "x-amz-credential" in fields or "x-amz-algorithm" in fields:
        principal = _signed(authenticator, fields)
    elif "awsaccesskeyid" in fields or "signature" in fields:
        principal = _signed_long_ago(authenticator, fields)
    else:
        return ANONYMOUS, post_policy.check(policy, fields, bucket, now) if policy else Limits()
    return principal, post_policy.check(_field(fields, "policy"), fields, bucket, now)


def _field(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise AWSError(
            "InvalidArgument",
            f"Bucket POST must contain a field named '{_NAMES.get(name, name)}'.  If it is specified, please check the "
            "order of the fields.",
            status=400,
            ArgumentName=_NAMES.get(name, name),
            ArgumentValue="",
        )
    return fields[name]


def _signed(authenticator: Authenticator, fields: Mapping[str, str]) -> Principal:
    """Signature version 4: over the policy as it is encoded."""
    if _field(fields, "x-amz-algorithm") != ALGORITHM:
        raise AWSError("InvalidRequest", f"x-amz-algorithm must be {ALGORITHM}.", status=400)
    scope = _field(fields, "x-amz-credential").split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise AWSError("AuthorizationQueryParametersError", "The Credential is mal-formed.", status=400)
    key_id, date, region, name = scope[:4]
    timestamp = _field(fields, "x-amz-date")
    given, policy = _field(fields, "x-amz-signature"), _field(fields, "policy")
    if not timestamp.startswith(date):
        raise _mismatch(key_id, given, policy)
    claim = Claim(key_id, date, region, name, (), given, timestamp, fields.get("x-amz-security-token", ""), False)
    secret, principal = _credentials(authenticator, claim)
    wanted = signing_key(secret, date, region, name).sign(policy.encode())
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        raise _mismatch(key_id, given, policy)
    return principal


def _signed_long_ago(authenticator: Authenticator, fields: Mapping[str, str]) -> Principal:
    """Signature version 2, which forms still in use have: an HMAC-SHA1 over the encoded policy."""
    key_id, given = _field(fields, "awsaccesskeyid"), _field(fields, "signature")
    token, policy = fields.get("x-amz-security-token", ""), _field(fields, "policy")
    secret, principal = _credentials(authenticator, Claim(key_id, "", "us-east-1", "s3", (), given, "", token, False))
    wanted = base64.b64encode(hmac.digest(secret.encode(), policy.encode(), "sha1"))
    if not hmac.compare_digest(wanted, given.encode()):
        raise _mismatch(key_id, given, policy)
    return principal


def _credentials(authenticator: Authenticator, claim: Claim) -> tuple[str, Principal]:
    try:
        return authenticator.credentials(claim, "s3")
    except SignatureError as error:
        if error.kind == "unknown-key":
            raise AWSError(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
                status=403,
                AWSAccessKeyId=claim.access_key_id,
            ) from None
        if error.kind == "expired-token":
            raise AWSError("ExpiredToken", "The provided token has expired.", status=400) from None
        if error.kind == "invalid-token":
            raise AWSError(
                "InvalidToken", "The provided token is malformed or otherwise invalid.", status=400
            ) from None
        raise _mismatch(claim.access_key_id, claim.signature, "") from None


def _mismatch(key_id: str, given: str, policy: str) -> AWSError:
    return AWSError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
        status=403,
        AWSAccessKeyId=key_id,
        StringToSign=policy,
        SignatureProvided=given,
        StringToSignBytes=policy.encode().hex(" "),
    )


# The answer


def _told(bucket: Bucket, version: Version) -> dict[str, str]:
    """What PutObject tells too."""
    algorithm = checksums.ALGORITHMS[version.checksum_algorithm]
    headers = {algorithm.header: version.checksum, "x-amz-checksum-type": version.checksum_type}
    shown = writing.shown_version(bucket, version) | encryption.described(version.properties.encryption)
    return headers | {_HEADERS[member]: value for member, value in shown.items() if member in _HEADERS}


def _answer(
    request: Request, fields: Mapping[str, str], own: Bucket, key: str, version: Version, request_id: str
) -> Response:
    bucket, etag = own.name, version.etag
    scheme = "https" if request.secure else "http"
    host = request.headers.get("host", "")
    prefix = "" if host.startswith(f"{bucket}.") else f"/{bucket}"
    location = f"{scheme}://{host}{prefix}/{quote(key)}"
    headers = {"etag": f'"{etag}"', "location": location, "x-amz-request-id": request_id, "x-amz-id-2": request_id}
    headers |= _told(own, version)
    target = fields.get("success_action_redirect") or fields.get("redirect")
    if target and urlsplit(target).scheme in ("http", "https"):
        parts = urlsplit(target)
        told = urlencode({"bucket": bucket, "key": key, "etag": f'"{etag}"'})
        query = f"{parts.query}&{told}" if parts.query else told
        headers["location"] = urlunsplit(parts._replace(query=query))
        return Response(303, headers)
    status = fields.get("success_action_status")
    if status == "201":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>'
            f"<Location>{escape(location)}</Location><Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
            f"<ETag>&quot;{etag}&quot;</ETag></PostResponse>"
        )
        return Response(201, {**headers, "content-type": "application/xml"}, body.encode())
    return Response(200 if status == "200" else 204, headers)
