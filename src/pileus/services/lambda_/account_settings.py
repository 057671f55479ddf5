"""The account's quotas, and what of them is used."""

from __future__ import annotations

from pileus.services.context import Context
from pileus.services.lambda_ import limits, service
from pileus.services.lambda_.access import on_everything
from pileus.services.lambda_.functions import stored_bytes
from pileus.services.lambda_.records import FUNCTIONS, RESERVED
from pileus.services.operation import Shape


@service.operation("GetAccountSettings", access=on_everything("GetAccountSettings"))
async def get_account_settings(context: Context, request: Shape) -> Shape:
    reserved = RESERVED.get(context.store, context.account, context.region) or 0
    return {
        "AccountLimit": {
            "TotalCodeSize": limits.CODE_STORAGE_BYTES,
            "CodeSizeUnzipped": limits.UNZIPPED_BYTES,
            "CodeSizeZipped": limits.ZIPPED_BYTES,
            "ConcurrentExecutions": limits.CONCURRENT_EXECUTIONS,
            "UnreservedConcurrentExecutions": limits.CONCURRENT_EXECUTIONS - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": stored_bytes(context.store, context.account, context.region),
            "FunctionCount": sum(1 for _ in FUNCTIONS.scan(context.store, context.account, context.region)),
        },
    }
