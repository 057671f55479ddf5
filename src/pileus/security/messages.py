"""How a denial is told: AWS's sentence, and the encoded message that sts:DecodeAuthorizationMessage opens.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import orjson

from pileus.security.keyring import Sealer
from pileus.security.policy.evaluate import Decision
from pileus.security.principals import Principal
from pileus.security.request_values import RequestValues

if TYPE_CHECKING:
    from pileus.security.access import Access

_PURPOSE = b"authorization-message"
_LAYERS = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
}
_LIMIT = 3072
"""Bytes of a message before it is sealed: a header must hold it."""
SECRET_KEYS = frozenset({"sts:externalid"})
"""Condition keys whose values are shared secrets and are told to nobody."""


def wording(principal: Principal, action: str, resource: str, decision: Decision) -> str:
    who = "anonymous" if principal.kind == "anonymous" else principal.arn
    layer = _LAYERS[decision.layer]
    where = f'"{resource}"' if action.startswith("s3:") else resource
    told = f"User: {who} is not authorized to perform: {action}"
    if decision.layer != "trust":
        told += f" on resource: {where}"
    if not decision.explicit:
        return f"{told} because no {layer} allows the {action} action"
    article = {"identity": "an", "trust": "the"}.get(decision.layer, "a")
    return f"{told} with an explicit deny in {article} {layer}"


def _items(values: list[Any]) -> dict[str, Any]:
    return {"items": values}


def encode_message(
    sealer: Sealer, principal: Principal, access: Access, decision: Decision, values: RequestValues
) -> str:
    """The denial in the form of AWS's decoded messages, sealed, for whoever may call DecodeAuthorizationMessage in the
    principal's or the resource's account."""
    conditions = [
        {"key": key, "values": _items([{"value": one} for one in ([value] if isinstance(value, str) else value)])}
        for key, value in values.known()
        if key not in SECRET_KEYS
    ]
    statements = (
        [{"statementId": decision.match.statement.sid, "effect": "DENY", "policy": decision.match.source.name}]
        if decision.match
        else []
    )
    told = {
        "allowed": False,
        "explicitDeny": decision.explicit,
        "matchedStatements": _items(statements),
        "failures": _items([]),
        "context": {
            "principal": {"id": principal.user_id, "arn": principal.arn},
            "action": access.action,
            "resource": access.resource,
            "conditions": _items(conditions),
        },
    }
    accounts = sorted({principal.account, access.owner or principal.account})
    packed = orjson.dumps([accounts, told])
    if len(packed) > _LIMIT:
        told["context"] = {**told["context"], "conditions": _items([])}  # type: ignore[dict-item]
        packed = orjson.dumps([accounts, told])
    return base64.urlsafe_b64encode(sealer.seal(zlib.compress(packed[: 1 << 16]), _PURPOSE)).decode()


def decode_message(sealer: Sealer, message: str, account: str) -> str:
    """The JSON text of a message. Raises ValueError where it is none of this cloud's, or none for this account."""
    accounts, told = orjson.loads(zlib.decompress(sealer.open(base64.urlsafe_b64decode(message), _PURPOSE)))
    if account not in accounts:
        raise ValueError("a message for another account")
    return orjson.dumps(told).decode()
