"""Who makes a request (https://docs.aws.amazon.com/IAM/latest/UserGuide/intro-structure.html#intro-structure-principal)."""

from __future__ import annotations

from typing import Literal

import msgspec

from pileus.aws.arn import arn

Kind = Literal["root", "user", "role", "federated", "service", "anonymous"]


class WebIdentity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims that a session keeps of the token which it was made with."""

    provider: str
    """`cognito-identity.amazonaws.com` or the OIDC provider's host and path."""
    subject: str
    audience: str
    amr: tuple[str, ...] = ()
    claims: dict[str, str] = {}


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a temporary credential carries, sealed in its session token (security.tokens)."""

    name: str = ""
    issued: float = 0.0
    expires: float = 0.0
    policies: tuple[str, ...] = ()
    """Session policies, as JSON texts."""
    tags: dict[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    web_identity: WebIdentity | None = None
    chained: bool = False
    mfa: bool = False


class Principal(msgspec.Struct, frozen=True):
    """`arn` is the one that AWS shows (`arn:aws:sts::…:assumed-role/NAME/SESSION` for a role session), `issuer` the
    ARN of the IAM entity behind it (`arn:aws:iam::…:role/PATH/NAME`), whose policies count; for a service the
    service's name, `lambda.amazonaws.com`."""

    kind: Kind
    account: str
    arn: str
    issuer: str = ""
    user_id: str = ""
    name: str = ""
    """User or role name."""
    access_key_id: str = ""
    session: Session | None = None
    source_arn: str = ""
    """Of a service, the resource for which it acts (aws:SourceArn)."""


ANONYMOUS = Principal("anonymous", account="anonymous", arn="*", user_id="anonymous")


def root(account: str, access_key_id: str = "") -> Principal:
    own = arn("iam", "", account, "root")
    return Principal("root", account, own, issuer=own, user_id=account, access_key_id=access_key_id)


def service(name: str, account: str, source_arn: str = "") -> Principal:
    """A service acting by itself for `account` (S3 calling a function, Lambda writing logs), on behalf of a resource
    (the bucket whose notification it is): policies ask for it as aws:SourceArn and aws:SourceAccount."""
    return Principal("service", account, name, issuer=name, user_id=name, name=name, source_arn=source_arn)
