"""Who somebody is, and why they were denied."""

from __future__ import annotations

from pileus.aws.errors import AWSError
from pileus.security.accounts import ACCESS_KEYS
from pileus.security.messages import decode_message
from pileus.services.context import Context
from pileus.services.operation import Access, Shape, unauthorized
from pileus.services.sts import service
from pileus.services.sts.sessions import validation_error


@service.operation("GetCallerIdentity", access=unauthorized)
async def get_caller_identity(context: Context, request: Shape) -> Shape:
    """No permission is needed, says AWS: a denial would tell the same."""
    caller = context.principal
    return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}


def _on_everything(context: Context, request: Shape) -> Access:
    return Access(f"sts:{context.operation}", "*")


@service.operation("GetAccessKeyInfo", access=_on_everything)
async def get_access_key_info(context: Context, request: Shape) -> Shape:
    key = ACCESS_KEYS.get(context.store, request["AccessKeyId"])
    if key is None:
        # Ids of temporary credentials are not kept anywhere: they tell of no account.
        raise validation_error("The access key ID is not known.")
    return {"Account": key.account}


@service.operation("DecodeAuthorizationMessage", access=_on_everything)
async def decode_authorization_message(context: Context, request: Shape) -> Shape:
    try:
        decoded = decode_message(context.cloud.keyring.sealer, request["EncodedMessage"], context.account)
    except ValueError as error:
        raise AWSError(
            "InvalidAuthorizationMessageException",
            "Message is not a valid authorization message.",
            status=400,
        ) from error
    return {"DecodedMessage": decoded}
