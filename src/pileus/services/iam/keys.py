"""`pileus keys rotate`: new keys for sealing session tokens and signing OpenID tokens."""

from __future__ import annotations

from pileus.aws.errors import AWSError
from pileus.security.accounts import FIRST_ACCOUNT
from pileus.services.admin import admin
from pileus.services.context import Context
from pileus.services.operation import Shape


@admin("rotate-keys")
async def rotate_keys(context: Context, request: Shape) -> Shape:
    """The keys are the whole cloud's, so only its owner, the root of the first account, may renew them."""
    if context.account != FIRST_ACCOUNT:
        raise AWSError("AccessDenied", "Only the root of the first account may rotate the cloud's keys.", status=403)
    await context.cloud.keyring.rotate(context.received)
    return {}
