"""Stack policies: what updates may not touch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.cloudformation.stack_policies import StackPolicy, check
from pileus.testing import Account
from stacks import events, group, made, refused, template, wait

EVERYTHING = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": list(statements)})


def deny(action: Any = "Update:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Principal": "*", "Resource": resource, **more}


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("", ""),
        ("{}", ""),
        (policy(EVERYTHING), ""),
        (policy(deny()), "Statement [#1] does not allow [Update:Modify] for resource [LogicalResourceId/A]"),
        (policy(EVERYTHING, deny(resource="LogicalResourceId/A")), "Statement [#2] does not allow"),
        (policy(EVERYTHING, deny(resource="LogicalResourceId/B")), ""),
        (policy(EVERYTHING, deny("Update:Delete")), ""),
        (policy(EVERYTHING, deny(["Update:Delete", "Update:Modify"])), "Statement [#2] does not allow"),
        (policy(EVERYTHING, deny(Condition={"StringEquals": {"ResourceType": ["AWS::S3::Bucket"]}})), ""),
        (policy(EVERYTHING, deny(Condition={"StringLike": {"ResourceType": "AWS::Logs::*"}})), "Statement [#2]"),
        (policy({"Effect": "Allow", "NotAction": "Update:Delete", "Principal": "*", "Resource": "*"}), ""),
        (policy({**EVERYTHING, "Resource": "LogicalResourceId/B*"}), "No statement allows [Update:Modify]"),
        (policy({"Effect": "Allow", "Action": "Update:*", "Principal": "*", "NotResource": "LogicalResourceId/A"}),
         "No statement allows"),
    ],
)  # fmt: skip
def test_a_policy_denies_what_it_does_not_allow(text: str, denied: str) -> None:
    if text:
        check(text)
    said = StackPolicy(text).denial("Update:Modify", "A", "AWS::Logs::LogGroup")
    assert said.startswith("Action denied by stack policy: " if denied else "")
    assert denied in said
    assert bool(said) == bool(denied)


@pytest.mark.parametrize(
    "text",
    [
        "", "no", "[]", '"{}"', "null", '{"Statement": 1}', '{"Statement": [1]}', '{"Else": []}', "[" * 100_000,
        policy({**EVERYTHING, "Principal": "somebody"}), policy({**EVERYTHING, "Action": "Delete:*"}),
        policy({**EVERYTHING, "Action": []}), policy({**EVERYTHING, "Effect": "Perhaps"}),
        policy({**EVERYTHING, "Effect": []}), policy({**EVERYTHING, "Action": [[]]}),
        policy({**EVERYTHING, "Resource": "arn:aws:s3:::b"}), policy({**EVERYTHING, "NotResource": "*"}),
        policy({**EVERYTHING, "Condition": {"StringEquals": {"aws:SourceIp": "1"}}}),
        policy({**EVERYTHING, "Condition": {"IpAddress": {"ResourceType": "1"}}}),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(AWSError, match="Error validating stack policy: Invalid stack policy"):
        check(text)


@given(st.sampled_from(["Update:Modify", "Update:Replace", "Update:Delete"]), st.text(max_size=5))
def test_a_denial_wins_whatever_is_allowed(action: Any, name: str) -> None:
    assert StackPolicy(policy(deny(), EVERYTHING)).denial(action, name, "AWS::S3::Bucket")


def test_updates_touch_only_what_they_may(account: Account) -> None:
    client = account.client("cloudformation")
    body = template({"A": group(RetentionInDays=1), "B": group(RetentionInDays=1)})
    protecting = policy(EVERYTHING, deny(["Update:Modify", "Update:Delete"], "LogicalResourceId/A"))
    made(client, "held", body, StackPolicyBody=protecting)
    assert json.loads(client.get_stack_policy(StackName="held")["StackPolicyBody"]) == json.loads(protecting)

    def update(resources: dict[str, Any], **options: Any) -> str:
        client.update_stack(StackName="held", TemplateBody=template(resources), **options)
        return str(wait(client, "held")["StackStatus"])

    assert update({"A": group(RetentionInDays=3), "B": group(RetentionInDays=3)}) == "UPDATE_ROLLBACK_COMPLETE"
    assert update({"B": group(RetentionInDays=3)}) == "UPDATE_ROLLBACK_COMPLETE"
    reasons = [event["ResourceStatusReason"] for event in events(client, "held")
               if event["ResourceStatus"] == "UPDATE_FAILED" and event["LogicalResourceId"] == "A"]  # fmt: skip
    said = "Action denied by stack policy: Statement [#2] does not allow [{}] for resource [LogicalResourceId/A];"
    assert reasons == [said.format("Update:Modify"), said.format("Update:Delete")]
    assert update({"A": group(RetentionInDays=1), "B": group(RetentionInDays=3)}) == "UPDATE_COMPLETE"
    # For one update the policy may be another; after it, the first holds again.
    unheld = {"StackPolicyDuringUpdateBody": policy(EVERYTHING)}
    assert update({"A": group(RetentionInDays=3), "B": group(RetentionInDays=3)}, **unheld) == "UPDATE_COMPLETE"
    assert update({"B": group(RetentionInDays=3)}) == "UPDATE_ROLLBACK_COMPLETE"
    client.set_stack_policy(StackName="held", StackPolicyBody="{}")
    assert client.get_stack_policy(StackName="held")["StackPolicyBody"] == "{}"
    assert update({"B": group(RetentionInDays=3)}) == "UPDATE_COMPLETE"


def test_a_policy_lies_in_s3_or_in_the_request(account: Account) -> None:
    client, s3 = account.client("cloudformation"), account.client("s3")
    made(client, "one", template({"A": group()}))
    assert "StackPolicyBody" not in client.get_stack_policy(StackName="one")
    bucket = f"policies-{account.id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="p", Body=policy(EVERYTHING).encode())
    url = f"https://{bucket}.s3.amazonaws.com/p"
    client.set_stack_policy(StackName="one", StackPolicyURL=url)
    assert client.get_stack_policy(StackName="one")["StackPolicyBody"] == policy(EVERYTHING)
    assert refused(client.set_stack_policy, StackName="one", StackPolicyURL=url, StackPolicyBody="{}") == (
        "ValidationError", "You cannot specify both StackPolicyURL and StackPolicyBody",
    )  # fmt: skip
