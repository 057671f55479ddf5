"""Policy documents as IAM takes them: valid, and within its sizes."""

from __future__ import annotations

import json
import re

from pileus.security.identities import role_of_arn, user
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.validation import malformed
from pileus.services.iam.errors import limit_exceeded
from pileus.store.interface import Reader

MANAGED_LIMIT = 6144
TRUST_LIMIT = 2048
_ENTITY = re.compile(r"^arn:aws:iam::(\d{12}):(user|role)/(.+)$")


def size(text: str) -> int:
    """Characters that count against a quota: IAM leaves out white space between elements."""
    return len(json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False))


def identity_policy(text: str) -> Policy:
    return parse(text, "identity")


def managed_document(text: str) -> Policy:
    policy = parse(text, "identity")
    if size(text) > MANAGED_LIMIT:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {MANAGED_LIMIT}")
    return policy


def trust_policy(reader: Reader, text: str) -> Policy:
    """A trust policy may only name users and roles that exist."""
    policy = parse(text, "trust")
    if size(text) > TRUST_LIMIT:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}")
    for statement in policy.statements:
        element = statement.principal or statement.not_principal
        for name in sorted(element.texts()) if element else ():
            entity = _ENTITY.match(name)
            if entity and not _exists(reader, name, *entity.groups()):
                raise malformed(f'Invalid principal in policy: "AWS":"{name}"')
    return policy


def _exists(reader: Reader, arn: str, account: str, kind: str, name: str) -> bool:
    if kind == "role":
        return role_of_arn(reader, arn) is not None
    found = user(reader, account, name.rpartition("/")[2])
    return found is not None and found.arn == arn
