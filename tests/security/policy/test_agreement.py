"""The engine against the simple evaluator beside it, on generated policies and requests."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, given, settings

from pileus.security.policy.document import parse
from pileus.security.policy.evaluate import PolicySet, Question, Source, evaluate
from pileus.security.principals import Principal
from security.policy import simple_evaluator as simple
from security.policy import strategies

CASES = int(os.environ.get("PILEUS_POLICY_CASES", "400"))


def _set(layer: Any, documents: Any) -> Any:
    if documents is None:
        return None
    kind = "resource" if layer == "resource" else "identity"
    return PolicySet(Source(layer, "x", parse(json.dumps(document), kind)) for document in documents)


@settings(max_examples=CASES, deadline=None, derandomize=CASES == 400, suppress_health_check=list(HealthCheck))
@given(strategies.cases)
def test_engine_and_simple_evaluator_agree(case: Any) -> None:
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
        resource_policies=_set("resource", case["resource_policies"]),
        trust=case["trust"],
    )  # fmt: skip
    decision = evaluate(question)
    said = "allowed" if decision.allowed else "explicit" if decision.explicit else "implicit"
    expected = simple.decide(
        who, case["action"], case["resource"], case["values"], strategies.ACCOUNT, case["identity"], case["boundary"],
        case["session"], case["resource_policies"], case["trust"],
    )  # fmt: skip
    assert said == expected
