"""How each protocol's services name the faults that are found before an operation runs.

The models do not say it; recorded answers do. A service that differs from the others of its protocol has a row of its
own.
"""

from __future__ import annotations

from typing import NamedTuple

from pileus.aws.errors import AWSError
from pileus.security.signature import SignatureError


class Fault(NamedTuple):
    code: str
    status: int
    message: str = ""


# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; other services name none of their own.
_LONG_HEAD = Fault(
    "RequestHeaderSectionTooLarge",
    400,
    "Your request header and query parameters used to make the request exceed the maximum allowed size.",
)

# Kinds of SignatureError, and `denied`, `validation`, `serialization`, `not-compressed`, `unknown-operation`,
# `too-large`, `long-head`.
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. Consult the service documentation for details."
)
_S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_INVALID = "The security token included in the request is invalid."

_JSON = {
    "missing": Fault("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
    "incomplete": Fault("IncompleteSignatureException", 403),
    "algorithm": Fault("IncompleteSignatureException", 403, "Pileus verifies AWS4-HMAC-SHA256 signatures only."),
    "scope": Fault("InvalidSignatureException", 403),
    "skewed": Fault("InvalidSignatureException", 403),
    "expired": Fault("InvalidSignatureException", 403),
    "mismatch": Fault("InvalidSignatureException", 403, _MISMATCH),
    "unknown-key": Fault("UnrecognizedClientException", 403, _INVALID),
    "invalid-token": Fault("UnrecognizedClientException", 403, _INVALID),
    "expired-token": Fault("ExpiredTokenException", 403, "The security token included in the request is expired"),
    "unsigned-headers": Fault("InvalidSignatureException", 403),
    "denied": Fault("AccessDeniedException", 403),
    "validation": Fault("ValidationException", 400),
    "serialization": Fault("SerializationException", 400),
    "not-compressed": Fault("SerializationException", 400),
    "unknown-operation": Fault("UnknownOperationException", 404),
    "too-large": Fault("RequestEntityTooLargeException", 413, "The request is larger than this service accepts."),
    "long-head": _LONG_HEAD,
}
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html: its faults answer 400.
# A body that is not compressed as it says is an internal error to DynamoDB: recorded.
_DYNAMODB = {
    **{kind: fault if kind == "too-large" else fault._replace(status=400) for kind, fault in _JSON.items()},
    "not-compressed": Fault("InternalServerError", 500),
}
_QUERY = {
    "missing": Fault("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    "incomplete": Fault("IncompleteSignature", 400),
    "algorithm": Fault("IncompleteSignature", 400, "Pileus verifies AWS4-HMAC-SHA256 signatures only."),
    "scope": Fault("SignatureDoesNotMatch", 403),
    "skewed": Fault("SignatureDoesNotMatch", 403),
    "expired": Fault("SignatureDoesNotMatch", 403),
    "mismatch": Fault("SignatureDoesNotMatch", 403, _MISMATCH),
    "unknown-key": Fault("InvalidClientTokenId", 403, _INVALID),
    "invalid-token": Fault("InvalidClientTokenId", 403, _INVALID),
    "expired-token": Fault("ExpiredToken", 403, "The security token included in the request is expired"),
    "unsigned-headers": Fault("SignatureDoesNotMatch", 403),
    "denied": Fault("AccessDenied", 403),
    "validation": Fault("ValidationError", 400),
    "serialization": Fault("MalformedInput", 400),
    "not-compressed": Fault("MalformedInput", 400),
    "unknown-operation": Fault("InvalidAction", 400),
    "too-large": Fault("RequestEntityTooLarge", 413, "The request is larger than this service accepts."),
    "long-head": _LONG_HEAD,
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_S3 = {
    "missing": Fault("AccessDenied", 403, "Access Denied"),
    "incomplete": Fault("AuthorizationHeaderMalformed", 400),
    "algorithm": Fault("InvalidRequest", 400, "The authorization mechanism you have provided is not supported."),
    "scope": Fault("AuthorizationHeaderMalformed", 400),
    "skewed": Fault(
        "RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."
    ),
    "expired": Fault("AccessDenied", 403, "Request has expired"),
    "mismatch": Fault("SignatureDoesNotMatch", 403, _S3_MISMATCH),
    "unknown-key": Fault(
        "InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."
    ),
    "invalid-token": Fault("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    "expired-token": Fault("ExpiredToken", 400, "The provided token has expired."),
    "unsigned-headers": Fault("AccessDenied", 403, "There were headers present in the request which were not signed"),
    "malformed": Fault("InvalidArgument", 400),
    "undated": Fault("AccessDenied", 403),
    "denied": Fault("AccessDenied", 403),
    "validation": Fault("InvalidArgument", 400),
    "serialization": Fault(
        "MalformedXML",
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "unknown-operation": Fault("MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
    "too-large": Fault("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"),
    "long-head": _LONG_HEAD,
}

_BY_PROTOCOL = {"json": _JSON, "rest-json": _JSON, "query": _QUERY, "rest-xml": _S3}
_BY_SERVICE = {
    "dynamodb": _DYNAMODB,
    "dynamodbstreams": _DYNAMODB,
    "logs": {**_JSON, "validation": Fault("InvalidParameterException", 400)},
    "lambda": {
        **_JSON,
        "serialization": Fault("InvalidRequestContentException", 400),
        "too-large": Fault("RequestEntityTooLargeException", 413),
    },
}


def fault(service: str, protocol: str, kind: str, message: str = "") -> AWSError:
    row = (_BY_SERVICE.get(service) or _BY_PROTOCOL[protocol])[kind]
    return AWSError(row.code, row.message or message, status=row.status)


def too_large(service: str, protocol: str, operation: str, limit: int) -> AWSError:
    message = f"Request must be smaller than {limit} bytes for the {operation} operation"
    return fault(service, protocol, "too-large", message)


def signature_fault(service: str, protocol: str, error: SignatureError) -> AWSError:
    """With the canonical request and the string to sign where AWS gives them."""
    found = fault(service, protocol, error.kind, error.message)
    if error.kind == "mismatch":
        if protocol == "rest-xml":
            found.members = dict(error.details)
        else:
            found.message += (
                f"\n\nThe Canonical String for this request should have been\n'{error.details['CanonicalRequest']}'\n\n"
                f"The String-to-Sign should have been\n'{error.details['StringToSign']}'\n"
            )
    elif error.kind == "unsigned-headers":
        if protocol == "rest-xml":
            found.members = {"HeadersNotSigned": error.message}
        else:
            found.message = f"'{error.message}' must be a 'SignedHeader' in the AWS Authorization."
    elif protocol == "rest-xml":
        found.members = dict(error.details)
    return found
