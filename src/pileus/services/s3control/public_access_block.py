"""GetPublicAccessBlock, PutPublicAccessBlock, DeletePublicAccessBlock of an account."""

from __future__ import annotations

from pileus.aws.errors import AWSError
from pileus.services.account_public_access import ACCOUNT_PUBLIC_ACCESS_BLOCK
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.s3control import service

_SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _on_account(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        if request.get("AccountId", context.account) != context.account:
            raise AWSError("AccessDenied", "Access Denied", status=403)
        return Access(action)

    return rule


_PUT, _GET = "s3:PutAccountPublicAccessBlock", "s3:GetAccountPublicAccessBlock"


@service.operation("PutPublicAccessBlock", access=_on_account(_PUT), actions=[_PUT])
async def put_public_access_block(context: Context, request: Shape) -> None:
    given = request["PublicAccessBlockConfiguration"]
    block = {setting: bool(given.get(setting)) for setting in _SETTINGS}
    await context.store.transact(lambda tx: ACCOUNT_PUBLIC_ACCESS_BLOCK.put(tx, context.account, value=block))


@service.operation("GetPublicAccessBlock", access=_on_account(_GET), actions=[_GET])
async def get_public_access_block(context: Context, request: Shape) -> Shape:
    block = ACCOUNT_PUBLIC_ACCESS_BLOCK.get(context.store, context.account)
    if block is None:
        raise AWSError(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
            status=404,
            AccountId=context.account,
        )
    return {"PublicAccessBlockConfiguration": block}


@service.operation("DeletePublicAccessBlock", access=_on_account(_PUT), actions=[_PUT])
async def delete_public_access_block(context: Context, request: Shape) -> None:
    await context.store.transact(lambda tx: ACCOUNT_PUBLIC_ACCESS_BLOCK.delete(tx, context.account))
