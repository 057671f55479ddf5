"""The engine against the simple evaluator beside it, on generated policies and requests."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.security.policy.document import parse
from pileus.security.policy.evaluate import EMPTY, PolicySet, Question, Source, evaluate
from pileus.security.principals import Principal
from security.policy import simple_evaluator as simple
from security.policy import strategies

DEFAULT = 150
CASES = int(os.environ.get("PILEUS_POLICY_CASES", DEFAULT))


def _set(layer: Any, documents: Any) -> Any:
    if documents is None:
        return None
    kind = "resource" if layer == "resource" else "identity"
    return PolicySet(Source(layer, "x", parse(json.dumps(document), kind)) for document in documents)


def decided(case: Any) -> str:
    """What the engine says: allowed, explicit or implicit."""
    who = case["principal"]
    principal = Principal(
        who["kind"], who["account"], who["arn"], issuer=who["issuer"],
        name=who["arn"] if who["kind"] == "service" else "",
    )  # fmt: skip
    question = Question(
        principal, case["action"], case["resource"], case["values"], strategies.ACCOUNT,
        identity=_set("identity", case["identity"]),
        boundary=_set("boundary", case["boundary"]),
        session=_set("session", case["session"]),
        resource_policies=_set("resource", case["resource_policies"]) or EMPTY,
        trust=case["trust"],
    )  # fmt: skip
    decision = evaluate(question)
    return "allowed" if decision.allowed else "explicit" if decision.explicit else "implicit"


def expected(case: Any) -> str:
    """What the simple evaluator says."""
    return str(
        simple.decide(
            case["principal"], case["action"], case["resource"], case["values"], strategies.ACCOUNT, case["identity"],
            case["boundary"], case["session"], case["resource_policies"], case["trust"],
        )
    )  # fmt: skip


def cases_of(number: int) -> settings:
    return settings(
        max_examples=number, deadline=None, derandomize=CASES == DEFAULT, suppress_health_check=list(HealthCheck)
    )  # fmt: skip


@cases_of(CASES)
@given(strategies.cases)
def test_engine_and_simple_evaluator_agree(case: Any) -> None:
    assert decided(case) == expected(case)


@cases_of(CASES // 4)
@given(strategies.cases, st.sampled_from(["identity", "boundary", "session"]))
def test_a_deny_of_everything_denies_and_an_allow_takes_nothing_away(case: Any, layer: str) -> None:
    before = decided(case)
    everything = {"Action": "*", "Resource": "*"}
    added = list(case[layer] or [])
    more = {**case, layer: [*added, {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **everything}}]}
    if case[layer] is not None and before == "allowed":
        assert decided(more) == "allowed"
    less = {**case, layer: [*added, {"Version": "2012-10-17", "Statement": {"Effect": "Deny", **everything}}]}
    assert decided(less) == "explicit"


@cases_of(CASES // 2)
@given(strategies.cases, st.data())
def test_a_damaged_policy_is_malformed_or_means_what_it_says(case: Any, data: Any) -> None:
    """Where the engine still takes a changed text, it reads it as the simple evaluator does."""
    assume(case["identity"])
    text = json.dumps(case["identity"][0])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(
            st.sampled_from(["", "*", "?", "$", "{", "}", ":", "/", ",", '"', " ", "a", "Not", "IfExists"])
        )
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 2)) :]
    try:
        parse(text, "identity")
    except AWSError as error:
        assert error.code == "MalformedPolicyDocument"
        return
    changed = {**case, "identity": [json.loads(text), *case["identity"][1:]]}
    assert decided(changed) == expected(changed)
