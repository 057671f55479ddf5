"""AWS's evaluation logic, rule by rule: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pileus.security.policy.document import parse
from pileus.security.policy.evaluate import EMPTY, PolicySet, Question, Source, evaluate
from pileus.security.principals import ANONYMOUS, Principal, Session, WebIdentity, root, service

HERE, THERE = "111111111111", "222222222222"
USER = Principal("user", HERE, f"arn:aws:iam::{HERE}:user/u", issuer=f"arn:aws:iam::{HERE}:user/u", user_id="AIDAU")
ROLE = Principal(
    "role", HERE, f"arn:aws:sts::{HERE}:assumed-role/r/s", issuer=f"arn:aws:iam::{HERE}:role/path/r", user_id="AROAR:s"
)
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny"}
OTHER = {**ALLOW, "Action": "s3:PutObject"}


def policies(layer: Any, *statements: Any) -> Any:
    kind = {"resource": "resource", "trust": "trust"}.get(layer, "identity")
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return PolicySet([Source(layer, "p", parse(text, kind))])


def ask(
    principal: Any = USER,
    *,
    owner: Any = HERE,
    identity: Any = EMPTY,
    resource: Any = EMPTY,
    action: Any = "s3:GetObject",
    trust: Any = False,
    **more: Any,
) -> Any:
    return evaluate(
        Question(
            principal, action, "arn:aws:s3:::b/k", {}, owner,
            identity=identity, resource_policies=resource, trust=trust, **more,
        )
    )  # fmt: skip


def granted(principal: Any, effect: Any = "Allow", **more: Any) -> Any:
    return policies("resource", {**ALLOW, "Effect": effect, "Principal": principal, **more})


def told(decision: Any) -> Any:
    return ("allow" if decision.allowed else "deny" if decision.explicit else "none", decision.layer)


def test_what_nothing_allows_is_denied() -> None:
    assert told(ask()) == ("none", "identity")
    assert told(ask(identity=policies("identity", OTHER))) == ("none", "identity")


def test_an_allow_is_enough_and_a_deny_outweighs_it() -> None:
    assert told(ask(identity=policies("identity", ALLOW))) == ("allow", "identity")
    assert told(ask(identity=policies("identity", ALLOW, DENY))) == ("deny", "identity")


@pytest.mark.parametrize("layer", ["boundary", "session"])
def test_boundaries_and_session_policies_limit(layer: Any) -> None:
    allowing = policies("identity", ALLOW)
    assert told(ask(identity=allowing, **{layer: policies(layer, ALLOW)})) == ("allow", "identity")
    assert told(ask(identity=allowing, **{layer: policies(layer, OTHER)})) == ("none", layer)
    assert told(ask(identity=allowing, **{layer: policies(layer, ALLOW, DENY)})) == ("deny", layer)
    assert told(ask(identity=allowing, **{layer: EMPTY})) == ("none", layer)
    assert told(ask(**{layer: policies(layer, ALLOW)})) == ("none", "identity")


@pytest.mark.parametrize("named", ["*", {"AWS": "*"}, {"AWS": USER.arn}, {"AWS": "AIDAU"}])
def test_a_resource_policy_that_names_the_caller_is_enough_in_the_same_account(named: Any) -> None:
    assert told(ask(resource=granted(named))) == ("allow", "resource")
    # An implicit deny of boundary or session does not matter to a grant to the user itself.
    assert told(ask(resource=granted(named), boundary=EMPTY, session=EMPTY)) == ("allow", "resource")


def test_a_grant_to_the_role_stays_within_boundary_and_session() -> None:
    to_role = granted({"AWS": ROLE.issuer})
    assert told(ask(ROLE, resource=to_role)) == ("allow", "resource")
    assert told(ask(ROLE, resource=to_role, boundary=EMPTY)) == ("none", "boundary")
    assert told(ask(ROLE, resource=to_role, session=EMPTY)) == ("none", "session")
    assert told(ask(ROLE, resource=granted({"AWS": ROLE.arn}), boundary=EMPTY)) == ("allow", "resource")
    assert told(ask(ROLE, resource=granted({"AWS": "AROAR"}))) == ("allow", "resource")


@pytest.mark.parametrize("named", [{"AWS": HERE}, {"AWS": f"arn:aws:iam::{HERE}:root"}])
def test_a_grant_to_the_account_only_delegates(named: Any) -> None:
    assert told(ask(resource=granted(named))) == ("none", "identity")
    assert told(ask(identity=policies("identity", ALLOW), resource=granted(named))) == ("allow", "identity")


@pytest.mark.parametrize(
    "named",
    [
        {"AWS": THERE},
        {"AWS": f"{USER.arn}2"},
        {"AWS": f"arn:aws:iam::{HERE}:role/u"},
        {"Service": "lambda.amazonaws.com"},
        {"Federated": USER.arn},
    ],
)
def test_a_grant_to_another_is_none(named: Any) -> None:
    assert told(ask(resource=granted(named))) == ("none", "identity")


def test_a_resource_policy_denies() -> None:
    allowing = policies("identity", ALLOW)
    for named in ("*", {"AWS": HERE}, {"AWS": USER.arn}):
        assert told(ask(identity=allowing, resource=granted(named, "Deny"))) == ("deny", "resource")
    assert told(ask(ROLE, identity=allowing, resource=granted({"AWS": ROLE.issuer}, "Deny"))) == ("deny", "resource")
    assert told(ask(identity=allowing, resource=granted({"AWS": THERE}, "Deny"))) == ("allow", "identity")


def test_across_accounts_both_sides_must_allow() -> None:
    allowing, open_ = policies("identity", ALLOW), granted({"AWS": HERE})
    assert told(ask(owner=THERE, identity=allowing)) == ("none", "resource")
    assert told(ask(owner=THERE, resource=open_)) == ("none", "identity")
    assert told(ask(owner=THERE, identity=allowing, resource=open_)) == ("allow", "identity")
    assert told(ask(owner=THERE, identity=allowing, resource=open_, boundary=EMPTY)) == ("none", "boundary")
    assert told(ask(owner=THERE, resource=granted("*"))) == ("none", "identity")


def test_root_may_do_everything_in_its_account_that_no_resource_policy_denies() -> None:
    own = root(HERE)
    assert told(ask(own, identity=None)) == ("allow", "root")
    assert told(ask(own, identity=None, resource=granted("*", "Deny"))) == ("deny", "resource")
    assert told(ask(own, identity=None, owner=THERE)) == ("none", "resource")
    assert told(ask(own, identity=None, owner=THERE, resource=granted({"AWS": HERE}))) == ("allow", "root")


def test_services_and_strangers_need_a_resource_policy() -> None:
    s3 = service("s3.amazonaws.com", HERE)
    assert told(ask(s3)) == ("none", "resource")
    assert told(ask(s3, resource=granted({"Service": "s3.amazonaws.com"}))) == ("allow", "resource")
    assert told(ask(s3, resource=granted({"Service": "sns.amazonaws.com"}))) == ("none", "resource")
    assert told(ask(s3, resource=granted({"AWS": HERE}))) == ("none", "resource")
    assert told(ask(ANONYMOUS)) == ("none", "resource")
    assert told(ask(ANONYMOUS, resource=granted("*"))) == ("allow", "resource")
    assert told(ask(ANONYMOUS, resource=granted({"AWS": HERE}))) == ("none", "resource")
    # An account id that says "anonymous" is nobody's account.
    assert told(ask(ANONYMOUS, owner="anonymous", identity=policies("identity", ALLOW))) == ("none", "resource")


def trusting(principal: Any, action: Any = "sts:AssumeRole", effect: Any = "Allow", **more: Any) -> Any:
    return policies("trust", {"Effect": effect, "Principal": principal, "Action": action, **more})


def assume(principal: Any, trust: Any, identity: Any = EMPTY, action: Any = "sts:AssumeRole", **more: Any) -> Any:
    return ask(principal, identity=identity, resource=trust, action=action, trust=True, **more)


def test_a_role_is_assumed_only_by_whom_it_trusts() -> None:
    may = policies("identity", {**ALLOW, "Action": "sts:AssumeRole"})
    assert told(assume(USER, EMPTY, may)) == ("none", "trust")
    assert told(assume(USER, trusting({"AWS": THERE}), may)) == ("none", "trust")
    assert told(assume(USER, trusting({"AWS": USER.arn}))) == ("allow", "trust")
    assert told(assume(USER, trusting({"AWS": HERE}))) == ("none", "identity")
    assert told(assume(USER, trusting({"AWS": HERE}), may)) == ("allow", "identity")
    assert told(assume(USER, trusting({"AWS": USER.arn}, effect="Deny"), may)) == ("deny", "trust")
    assert told(assume(root(HERE), EMPTY, None)) == ("none", "trust")


def test_web_identities_are_trusted_by_provider_only() -> None:
    provider = "cognito-identity.amazonaws.com"
    session = Session(web_identity=WebIdentity(provider, "sub", "pool"))
    principal = Principal("federated", HERE, provider, issuer=provider, session=session)
    action = "sts:AssumeRoleWithWebIdentity"
    assert told(assume(principal, trusting({"Federated": provider}, action), action=action)) == ("allow", "trust")
    for named in ("*", {"AWS": HERE}, {"Federated": "accounts.google.com"}, {"Service": provider}):
        assert told(assume(principal, trusting(named, action), action=action)) == ("none", "trust")


def test_not_principal_denies_all_but_those_it_lists_whole() -> None:
    def but(*names: Any) -> Any:
        return policies("resource", {**DENY, "NotPrincipal": {"AWS": list(names)}})

    allowing = policies("identity", ALLOW)
    assert told(ask(identity=allowing, resource=but(USER.arn, HERE))) == ("allow", "identity")
    assert told(ask(identity=allowing, resource=but(USER.arn))) == ("deny", "resource")
    assert told(ask(identity=allowing, resource=but(HERE))) == ("deny", "resource")
    listed = (ROLE.arn, ROLE.issuer, HERE)
    assert told(ask(ROLE, identity=allowing, resource=but(*listed))) == ("allow", "identity")
    assert told(ask(ROLE, identity=allowing, resource=but(ROLE.issuer, HERE))) == ("deny", "resource")
    assert told(ask(ANONYMOUS, resource=but(USER.arn, HERE))) == ("deny", "resource")


def test_not_action_and_not_resource() -> None:
    def only(**elements: Any) -> Any:
        return policies("identity", {"Effect": "Allow", **elements})

    assert ask(identity=only(NotAction="iam:*", Resource="*")).allowed
    assert not ask(identity=only(NotAction=["iam:*", "s3:Get*"], Resource="*")).allowed
    assert ask(identity=only(Action="s3:*", NotResource="arn:aws:s3:::other/*")).allowed
    assert not ask(identity=only(Action="s3:*", NotResource="arn:aws:s3:::b/*")).allowed
    # An exception with a variable that has no value would otherwise except nothing.
    assert not ask(identity=only(Action="s3:*", NotResource="arn:aws:s3:::${missing}/*")).allowed


def test_actions_ignore_case_and_resources_do_not() -> None:
    assert ask(identity=policies("identity", {**ALLOW, "Action": "S3:getobject"})).allowed
    assert not ask(identity=policies("identity", {**ALLOW, "Resource": "arn:aws:s3:::B/K"})).allowed


def test_supposing_conditions_hold_asks_what_is_possible_at_most() -> None:
    limited = policies("identity", {**ALLOW, "Condition": {"StringEquals": {"key": "x"}}})
    assert not ask(identity=limited).allowed
    assert ask(identity=limited, supposing=True).allowed
    assert not ask(identity=policies("identity", ALLOW, DENY), supposing=True).allowed
