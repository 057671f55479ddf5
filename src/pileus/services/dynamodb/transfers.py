"""What exports to S3 and imports from it have in common: a record that shows how far they are, and a principal.

Both act in S3 as the caller who asked for them, authorised as that caller is at that time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from pileus.aws import arn as arns
from pileus.aws.errors import AWSError
from pileus.security.principals import Principal
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb.schema import table_arn
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store import paging
from pileus.store.interface import Transaction
from pileus.store.records import Records

Kind = Literal["export", "import"]


class Transfer(msgspec.Struct):
    id: str
    kind: Kind
    account: str
    region: str
    table: str
    table_id: str
    number: int
    principal: Principal
    request: dict[str, Any]
    started: float
    moment: float = 0.0
    ended: float = 0.0
    status: str = "IN_PROGRESS"
    items: int = 0
    processed: int = 0
    size: int = 0
    errors: int = 0
    manifest: str = ""
    failure_code: str = ""
    failure: str = ""

    @property
    def arn(self) -> str:
        return arns.arn("dynamodb", self.region, self.account, f"table/{self.table}/{self.kind}/{self.id}")

    @property
    def table_arn(self) -> str:
        return table_arn(self.region, self.account, self.table)

    @property
    def where(self) -> tuple[str, str, str]:
        return self.account, self.region, self.table


_transfers = Records(Transfer, "dynamodb", "transfer")
_tokens = Records(str, "dynamodb", "transfer-token")


def new_id(now: float) -> str:
    return f"{int(now * 1000):014d}-{secrets.token_hex(4)}"


def put(tx: Transaction, transfer: Transfer) -> None:
    _transfers.put(tx, transfer.kind, transfer.account, transfer.region, transfer.id, value=transfer)
    token = transfer.request.get("ClientToken")
    if token:
        _tokens.put(tx, transfer.kind, transfer.account, transfer.region, token, value=transfer.id)


def known(context: Context, kind: Kind, token: str | None) -> Transfer | None:
    """The transfer that the same client token has started."""
    identity = _tokens.get(context.store, kind, context.account, context.region, token) if token else None
    return None if identity is None else _transfers.get(context.store, kind, context.account, context.region, identity)


def load(cloud: Cloud, kind: Kind, account: str, region: str, identity: str) -> Transfer | None:
    return _transfers.get(cloud.store, kind, account, region, identity)


async def save(cloud: Cloud, transfer: Transfer) -> None:
    await cloud.store.transact(lambda tx: put(tx, transfer))


def find(context: Context, kind: Kind, arn: str) -> Transfer:
    parts = arn.split("/")
    transfer = None
    if len(parts) == 4 and parts[2] == kind:
        transfer = _transfers.get(context.store, kind, context.account, context.region, parts[3])
    if transfer is None or transfer.arn != arn:
        raise AWSError(f"{kind.title()}NotFoundException", f"{kind.title()} not found: {arn}")
    return transfer


def listed(
    context: Context, kind: Kind, table: str | None, limit: int, token: str | None
) -> tuple[list[Transfer], str | None]:
    """Newest first."""
    try:
        after = paging.decode(token)
    except ValueError:
        raise AWSError("ValidationException", "The NextToken is not valid") from None
    within = (kind, context.account, context.region)
    pairs = (
        pair
        for pair in _transfers.scan(context.store, *within, after=after, reverse=True)
        if not table or pair[1].table_arn == table
    )
    rows, following = paging.page(pairs, limit)
    return [transfer for _, transfer in rows], following


def on_transfer(action: str, parameter: str) -> AccessRule:
    def access(context: Context, request: Shape) -> Iterable[Access]:
        return (Access(f"dynamodb:{action}", request[parameter]),)

    return access
