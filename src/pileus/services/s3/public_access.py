"""Blocking public access (https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html):
what counts as public, and what the block of a bucket or an account takes away."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pileus.security.policy.document import Policy, parse
from pileus.services.account_public_access import ACCOUNT_PUBLIC_ACCESS_BLOCK
from pileus.services.s3.state import Bucket
from pileus.store.interface import Store

SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
ALL = dict.fromkeys(SETTINGS, True)
"""What every new bucket has since April 2023."""

# Conditions on these, with fixed values, make a statement not public.
_FIXING_KEYS = frozenset(
    {
        "aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
        "aws:userid", "aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn",
        "aws:sourceorgid", "aws:sourceorgpaths", "aws:viaawsservice", "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)  # fmt: skip
_FIXING_OPERATORS = (
    "stringequals",
    "stringlike",
    "arnequals",
    "arnlike",
    "ipaddress",
    "bool",
    "stringequalsignorecase",
)


def block(store: Store, bucket: Bucket) -> dict[str, bool]:
    """The settings in force: those of the bucket or its account."""
    raw = of_account(store, bucket.account)
    account: dict[str, bool] = msgspec.msgpack.decode(raw) if raw is not None else {}
    own = bucket.configurations.get("public_access_block", {})
    return {setting: bool(own.get(setting) or account.get(setting)) for setting in SETTINGS}


def of_account(store: Store, account: str) -> bytes | None:
    """The record of an account's settings."""
    return store.recall(_place(account))


@lru_cache(maxsize=4096)
def _place(account: str) -> bytes:
    return ACCOUNT_PUBLIC_ACCESS_BLOCK.key(account)


def is_public(policy: Policy) -> bool:
    return any(_is_public(statement.source) for statement in policy.statements if statement.allows)


def _is_public(statement: Mapping[str, Any]) -> bool:
    if "Principal" not in statement:
        return True
    principal = statement["Principal"]
    if isinstance(principal, str):
        everyone = principal == "*"
    else:
        everyone = any("*" in _listed(value) for value in principal.values())
    return everyone and not any(
        _fixes(operator, key, _listed(value))
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    )


def _fixes(operator: str, key: str, values: list[str]) -> bool:
    name = operator.lower().rpartition(":")[2]
    if name.endswith("ifexists") or name not in _FIXING_OPERATORS or key.lower() not in _FIXING_KEYS:
        return False
    if operator.lower().startswith("forallvalues:"):
        return False
    if key.lower() == "aws:sourceip":
        return all(_is_narrow(value) for value in values)
    return all(value and not any(mark in value for mark in ("*", "?", "${")) for value in values)


def _is_narrow(value: str) -> bool:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    # Wider ranges count as public.
    return network.prefixlen >= (8 if network.version == 4 else 32)


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


@lru_cache(maxsize=1024)
def denials(policy: Policy) -> Policy | None:
    """What is left of a policy whose grants do not count."""
    statements = [statement.source for statement in policy.statements if not statement.allows]
    if not statements:
        return None
    return parse(json.dumps({**policy.document, "Statement": statements}))
