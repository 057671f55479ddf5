from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pileus.aws.errors import AWSError
from pileus.security import identities
from pileus.security.access import Access
from pileus.security.activity import activity_of
from pileus.security.authorization import Authorizer
from pileus.security.decisions import entries_of, last_denied
from pileus.security.keyring import Keyring, put_sealing_key
from pileus.security.messages import decode_message
from pileus.security.policy.document import parse
from pileus.security.principals import Principal, Session, service
from pileus.services.context import Context
from pileus.store.sqlite import SQLiteStore

HERE, THERE = "111111111111", "222222222222"


def policy(*statements: Any) -> Any:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> Any:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


class World:
    """A store with identities in it, and two processes' authorizers."""

    def __init__(self, folder: Any) -> None:
        self.store = SQLiteStore(folder / "store", "relaxed")
        self.run(self.store.transact(lambda tx: put_sealing_key(tx, 1.0)))
        self.cloud: Any = SimpleNamespace(keyring=Keyring(self.store))
        self.here, self.elsewhere = Authorizer(self.store), Authorizer(self.store)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    loop = asyncio.new_event_loop()

    def put(self, records: Any, entity: Any) -> Any:
        def write(tx: Any) -> None:
            records.put(tx, entity.account, entity.name.lower(), value=entity)
            identities.changed(tx, entity.account)

        self.run(self.store.transact(write))
        return entity

    def user(self, name: Any = "u", **fields: Any) -> Any:
        return self.put(
            identities.USERS, identities.User(account=HERE, name=name, id=f"AIDA{name}", created=0, **fields)
        )

    def role(self, name: Any = "r", id: Any = "AROAR", **fields: Any) -> Any:
        return self.put(
            identities.ROLES, identities.Role(account=HERE, name=name, id=id, created=0, trust=policy(), **fields)
        )

    def managed(self, name: Any, *statements: Any) -> Any:
        version = identities.PolicyVersion(1, policy(*statements), 0)
        made = identities.ManagedPolicy(account=HERE, name=name, id="ANPA", created=0, updated=0, versions=[version])
        return self.put(identities.POLICIES, made)

    def context(self, principal: Any) -> Any:
        return Context(
            cloud=self.cloud, principal=principal, region="us-east-1", request_id="req-1", service="s3",
            operation="GetObject", received=1_700_000_000.0, source_ip="10.0.0.9",
        )  # fmt: skip

    def denial(self, principal: Any, *accesses: Any, by: Any = None) -> Any:
        """The AWSError of a denied request, None of an allowed one."""
        try:
            (by or self.here).authorize(self.context(principal), accesses)
        except AWSError as error:
            return error
        return None


@pytest.fixture
def world(tmp_path: Any) -> Iterator[Any]:
    made = World(tmp_path)
    yield made
    made.store.close()


def as_user(user: Any, **session: Any) -> Any:
    return Principal("user", HERE, user.arn, issuer=user.arn, user_id=user.id, name=user.name)


def as_role(role: Any, **session: Any) -> Any:
    return Principal(
        "role", HERE, f"arn:aws:sts::{HERE}:assumed-role/{role.name}/s", issuer=role.arn, user_id=f"{role.id}:s",
        name=role.name, session=Session(name="s", issued=1_699_999_000.0, expires=2e9, **session),
    )  # fmt: skip


GET = Access("s3:GetObject", "arn:aws:s3:::b/k")


def test_the_words_of_a_denial(world: Any) -> None:
    user = as_user(
        world.user(inline={"p": policy(allow("s3:PutObject"), {**allow("s3:DeleteObject"), "Effect": "Deny"})})
    )
    assert world.denial(user, GET).message == (
        f'User: {user.arn} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no '
        "identity-based policy allows the s3:GetObject action"
    )
    assert world.denial(user, Access("iam:GetUser", user.arn)).message == (
        f"User: {user.arn} is not authorized to perform: iam:GetUser on resource: {user.arn} because no identity-based "
        "policy allows the iam:GetUser action"
    )
    denied = world.denial(user, Access("s3:DeleteObject", "arn:aws:s3:::b/k"))
    assert denied.message.endswith('on resource: "arn:aws:s3:::b/k" with an explicit deny in an identity-based policy')
    assert denied.code == "AccessDenied" and denied.status == 403
    trust = parse(policy({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}), "trust")
    refused = world.denial(user, Access("sts:AssumeRole", "arn:aws:iam::1:role/r", {}, (trust,), HERE))
    assert refused.message == (
        f"User: {user.arn} is not authorized to perform: sts:AssumeRole with an explicit deny in the role trust policy"
    )


def test_policies_of_user_groups_and_attachments_count(world: Any) -> None:
    managed = world.managed("m", allow("s3:GetObject", "arn:aws:s3:::managed/*"))
    world.put(
        identities.GROUPS,
        identities.Group(
            account=HERE, name="G", id="AGPA", created=0,
            inline={"g": policy(allow("s3:GetObject", "arn:aws:s3:::group/*"))},
            attached=["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
        ),
    )  # fmt: skip
    user = as_user(world.user(attached=[managed.arn, "arn:aws:iam::aws:policy/Nothing"], groups=["G", "gone"]))
    assert world.denial(user, Access("s3:GetObject", "arn:aws:s3:::managed/k")) is None
    assert world.denial(user, Access("s3:GetObject", "arn:aws:s3:::group/k")) is None
    assert world.denial(user, Access("logs:PutLogEvents", "arn:aws:logs:us-east-1:1:x")) is None
    assert world.denial(user, GET)


def test_all_accesses_of_a_request_must_be_allowed(world: Any) -> None:
    user = as_user(world.user(inline={"p": policy(allow("s3:GetObject"))}))
    assert world.denial(user, GET, Access("s3:PutObject", "arn:aws:s3:::b/k"))
    assert world.denial(user, GET, GET) is None


def test_a_change_is_in_force_in_every_process_at_once(world: Any) -> None:
    user = as_user(world.user())
    for authorizer in (world.here, world.elsewhere):
        assert world.denial(user, GET, by=authorizer)
    world.user(inline={"p": policy(allow("s3:*"))})
    for authorizer in (world.here, world.elsewhere):
        assert world.denial(user, GET, by=authorizer) is None
    world.user(inline={"p": policy({**allow("s3:*"), "Effect": "Deny"})})
    for authorizer in (world.here, world.elsewhere):
        assert world.denial(user, GET, by=authorizer)


def test_a_boundary_limits_even_when_its_policy_is_gone(world: Any) -> None:
    boundary = world.managed("limits", allow("s3:Get*"))
    user = as_user(world.user(inline={"p": policy(allow("s3:*"))}, boundary=boundary.arn))
    assert world.denial(user, GET) is None
    assert "no permissions boundary allows" in world.denial(user, Access("s3:PutObject", "arn:aws:s3:::b/k")).message
    gone = as_user(world.user(inline={"p": policy(allow("s3:*"))}, boundary=f"arn:aws:iam::{HERE}:policy/gone"))
    assert "no permissions boundary allows" in world.denial(gone, GET).message


def test_session_policies_limit_a_role(world: Any) -> None:
    role = world.role(inline={"p": policy(allow("s3:*"))})
    assert world.denial(as_role(role), GET) is None
    narrow = policy(allow("s3:GetObject", "arn:aws:s3:::b/k"))
    assert world.denial(as_role(role, policies=(narrow,)), GET) is None
    other = Access("s3:GetObject", "arn:aws:s3:::b/other")
    assert "no session policy allows" in world.denial(as_role(role, policies=(narrow,)), other).message
    # A managed session policy that is gone grants nothing.
    assert world.denial(as_role(role, policies=(f"arn:aws:iam::{HERE}:policy/gone",)), GET)


def test_a_role_made_anew_is_another_role(world: Any) -> None:
    old = as_role(world.role(inline={"p": policy(allow("s3:*"))}))
    assert world.denial(old, GET) is None
    world.role(id="AROANEW", inline={"p": policy(allow("s3:*"))})
    assert world.denial(old, GET)


def test_sessions_of_what_is_gone_may_nothing(world: Any) -> None:
    ghost = Principal(
        "role", HERE, "arn:x", issuer=f"arn:aws:iam::{HERE}:role/ghost", user_id="AROAG:s", session=Session()
    )
    assert world.denial(ghost, GET)


def test_decisions_are_kept_apart_by_all_that_they_depend_on(world: Any) -> None:
    own = allow("s3:GetObject", "arn:aws:s3:::b/${aws:userid}/*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    role = world.role(
        inline={"p": policy(own, allow("s3:PutObject", Condition={"StringEquals": {"s3:x-amz-acl": "private"}}))}
    )
    one, two = as_role(role), as_role(role)
    two = Principal("role", HERE, two.arn, issuer=role.arn, user_id=f"{role.id}:t", name="r", session=two.session)
    mine = Access("s3:GetObject", f"arn:aws:s3:::b/{role.id}:s/k")
    for _ in range(2):
        assert world.denial(one, mine) is None
        assert world.denial(two, mine)
    put = "arn:aws:s3:::b/k"
    for _ in range(2):
        assert world.denial(one, Access("s3:PutObject", put, {"s3:x-amz-acl": "private"})) is None
        assert world.denial(one, Access("s3:PutObject", put, {"s3:x-amz-acl": "public-read"}))
        assert world.denial(one, Access("s3:PutObject", put))


def test_resource_policies_tell_sessions_apart(world: Any) -> None:
    role = world.role()
    one = as_role(role)
    bucket = (parse(policy({**allow("s3:GetObject"), "Principal": {"AWS": one.arn}}), "resource"),)
    other = Principal("role", HERE, f"{one.arn}2", issuer=role.arn, user_id=f"{role.id}:s2", session=one.session)
    granted = Access("s3:GetObject", "arn:aws:s3:::b/k", {}, bucket, HERE)
    for _ in range(2):
        assert world.denial(one, granted) is None
        assert world.denial(other, granted)


def test_time_is_never_remembered(world: Any) -> None:
    user = as_user(
        world.user(
            inline={"p": policy(allow("s3:*", Condition={"DateLessThan": {"aws:CurrentTime": "2023-11-14T22:13:21Z"}}))}
        )
    )
    assert world.denial(user, GET) is None
    late = world.context(user)
    late.received += 1
    with pytest.raises(AWSError):
        world.here.authorize(late, [GET])


def test_session_tags_come_before_the_roles(world: Any) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/Team": "blue"}}
    role = world.role(tags={"team": "red"}, inline={"p": policy(allow("s3:*", Condition=condition))})
    assert world.denial(as_role(role), GET)
    assert world.denial(as_role(role, tags={"TEAM": "blue"}), GET) is None


@pytest.mark.parametrize("kind", ["user", "federated"])
def test_session_and_federation_tokens_do_not_reach_iam(world: Any, kind: Any) -> None:
    user = world.user(inline={"p": policy(allow("*"))})
    session = Session(expires=2e9, policies=(policy(allow("*")),) if kind == "federated" else ())
    principal = Principal(kind, HERE, user.arn, issuer=user.arn, user_id=user.id, name="u", session=session)
    assert world.denial(principal, GET) is None
    for action in ("iam:ListUsers", "sts:GetFederationToken"):
        assert world.denial(principal, Access(action, "*")).code == "InvalidClientTokenId"


def test_a_federated_user_may_what_user_and_session_policy_both_allow(world: Any) -> None:
    user = world.user(inline={"p": policy(allow("s3:GetObject"))})
    arn = f"arn:aws:sts::{HERE}:federated-user/f"

    def federated(*policies: Any, issuer: Any = user.arn) -> Any:
        return Principal("federated", HERE, arn, issuer=issuer, user_id=f"{HERE}:f", session=Session(policies=policies))

    assert world.denial(federated(policy(allow("s3:*"))), GET) is None
    assert world.denial(federated(policy(allow("s3:*"))), Access("s3:PutObject", "arn:aws:s3:::b/k"))
    assert world.denial(federated(), GET)
    by_root = federated(policy(allow("s3:GetObject")), issuer=f"arn:aws:iam::{HERE}:root")
    assert world.denial(by_root, GET) is None
    assert world.denial(by_root, Access("s3:PutObject", "arn:aws:s3:::b/k"))


def test_services_say_for_whom_they_act(world: Any) -> None:
    condition = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::mine"}, "StringEquals": {"aws:SourceAccount": HERE}}
    statement = {**allow("lambda:InvokeFunction"), "Principal": {"Service": "s3.amazonaws.com"}, "Condition": condition}
    access = Access("lambda:InvokeFunction", "arn:aws:lambda:x", {}, (parse(policy(statement), "resource"),), HERE)
    assert world.denial(service("s3.amazonaws.com", HERE, "arn:aws:s3:::mine"), access) is None
    assert world.denial(service("s3.amazonaws.com", HERE, "arn:aws:s3:::other"), access)
    assert world.denial(service("s3.amazonaws.com", THERE, "arn:aws:s3:::mine"), access)


def test_the_encoded_message_opens_for_the_accounts_concerned_only(world: Any) -> None:
    user = as_user(world.user())
    denied = world.denial(user, Access("s3:GetObject", "arn:aws:s3:::b/k", {"s3:prefix": "x"}, owner=THERE))
    message = denied.headers["x-pileus-encoded-authorization-message"]
    sealer = world.cloud.keyring.sealer
    for account in (HERE, THERE):
        told = json.loads(decode_message(sealer, message, account))
        assert told["context"]["action"] == "s3:GetObject" and not told["explicitDeny"]
    with pytest.raises(ValueError):
        decode_message(sealer, message, "333333333333")
    for broken in (message[:-4], "AAAA" + message[4:], message[:40] + "A" + message[41:], "", "é"):
        if broken != message:
            with pytest.raises(ValueError):
                decode_message(sealer, broken, HERE)


def test_the_log_tells_why_and_keeps_no_secret(world: Any) -> None:
    user = as_user(world.user(inline={"p": policy(allow("sts:AssumeRole", "arn:aws:iam::1:role/other"))}))
    keys = {"sts:externalid": "hush", "sts:rolesessionname": "s"}
    trust = parse(policy({"Effect": "Allow", "Principal": {"AWS": HERE}, "Action": "sts:AssumeRole"}), "trust")
    world.denial(user, Access("sts:AssumeRole", "arn:aws:iam::1:role/r", keys, (trust,), HERE))
    assert world.denial(user, Access("sts:AssumeRole", "arn:aws:iam::1:role/other", keys, (trust,), HERE)) is None
    world.run(world.here.decisions.flush(world.store))
    allowed, denied = entries_of(world.store, "req-1")
    assert (denied.allowed, denied.layer, denied.action) == (False, "identity", "sts:AssumeRole")
    assert denied.keys["sts:rolesessionname"] == "s" and denied.keys["aws:sourceip"] == "10.0.0.9"
    assert [(one.layer, one.name, one.statements[0].misses) for one in denied.considered] == [
        ("identity", "p", ["the resource"]),
        ("trust", "trust policy", []),
    ]
    assert allowed.allowed and json.loads(allowed.statement)["Resource"] == "arn:aws:iam::1:role/other"
    assert b"hush" not in b"".join(value for _, value in world.store.range(b"", b"\xff"))
    assert [entry.request_id for entry in last_denied(world.store, HERE)] == ["req-1"]
    assert not list(last_denied(world.store, THERE))
    assert [seen[:2] for seen in activity_of(world.store, HERE, user.issuer)] == [
        ("sts:AssumeRole", "arn:aws:iam::1:role/other")
    ]


def test_the_log_is_bounded(world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("pileus.security.decisions.DENIED_KEPT", 5)
    user = as_user(world.user())
    for number in range(8):
        world.denial(user, Access("s3:GetObject", f"arn:aws:s3:::b/{number}"))
        world.run(world.here.decisions.flush(world.store))
    assert [entry.resource[-1] for entry in last_denied(world.store, HERE)] == ["7", "6", "5", "4", "3"]


@pytest.mark.parametrize("flushed", [1, 100])
def test_activity_is_bounded(world: Any, monkeypatch: Any, flushed: int) -> None:
    """In memory and in the store: after some resources the others are counted together, and none is lost."""
    monkeypatch.setattr("pileus.security.activity.RESOURCES_KEPT", 3)
    user = as_user(world.user(inline={"p": policy(allow("s3:*"))}))
    for authorizer in (world.here, world.elsewhere):
        for number in range(8):
            assert world.denial(user, Access("s3:GetObject", f"arn:aws:s3:::b/{number}"), by=authorizer) is None
            if number % flushed == 0:
                world.run(authorizer.decisions.flush(world.store))
        world.run(authorizer.decisions.flush(world.store))
    seen = {resource[-1]: activity.count for _, resource, activity in activity_of(world.store, HERE, user.issuer)}
    assert seen == {"0": 2, "1": 2, "2": 2, "*": 10}


def test_what_is_remembered_is_bounded(world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("pileus.security.authorization._ALL_DECISIONS", 10)
    role = world.role(inline={"p": policy(allow("s3:*"))})
    for number in range(25):
        narrow = policy(allow("s3:GetObject", f"arn:aws:s3:::b/{number}"))
        assert (
            world.denial(as_role(role, policies=(narrow,)), Access("s3:GetObject", f"arn:aws:s3:::b/{number}")) is None
        )
        kept = sum(len(identity.decisions) for identity in world.here._identities.values())
        assert kept <= 10
