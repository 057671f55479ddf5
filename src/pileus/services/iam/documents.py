"""Policy documents as IAM takes them: valid, and within its sizes."""

from __future__ import annotations

import json
import re

from pileus.security.identities import entity_of_arn
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.validation import OLD, malformed
from pileus.services.iam.errors import limit_exceeded
from pileus.store.interface import Reader

MANAGED_LIMIT = 6144
TRUST_LIMIT = 2048
_ENTITY = re.compile(r"^arn:aws:iam::\d{12}:(user|role)/.+$")


def size(text: str) -> int:
    """Characters that count against a quota: IAM leaves out white space between elements."""
    return len(json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False))


def identity_policy(text: str) -> Policy:
    return parse(text, "identity")


def managed_document(text: str) -> Policy:
    """Inline policies may leave out their version (SAM's for schedules do), managed ones may not."""
    policy = parse(text, "identity")
    if "Version" not in json.loads(text):
        raise malformed(OLD)
    if size(text) > MANAGED_LIMIT:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {MANAGED_LIMIT}")
    return policy


def trust_policy(reader: Reader, text: str) -> dict[str, str]:
    """The unique ids, by ARN, of the users and roles that a trust policy names; it may only name those that exist."""
    policy = parse(text, "trust")
    if size(text) > TRUST_LIMIT:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}")
    found: dict[str, str] = {}
    for statement in policy.statements:
        element = statement.principal or statement.not_principal
        for name in sorted(element.texts()) if element else ():
            if not _ENTITY.match(name):
                continue
            entity = entity_of_arn(reader, name)
            if entity is None:
                raise malformed(f'Invalid principal in policy: "AWS":"{name}"')
            found[name] = entity.id
    return found
