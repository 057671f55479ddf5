"""How long a decision takes: 10 managed policies of 20 statements each, first seen and seen before.

    python bench/policy.py [--rounds N]

Times are of `Authorizer.authorize` as the gateway calls it, over the embedded store; `engine` is the evaluation alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pileus.aws.arn import arn
from pileus.security import identities
from pileus.security.authorization import Authorizer
from pileus.security.policy.document import parse
from pileus.security.policy.evaluate import Question, evaluate
from pileus.security.principals import Principal
from pileus.security.request_values import RequestValues
from pileus.services.context import Context
from pileus.services.operation import Access
from pileus.store.sqlite import SQLiteStore

ACCOUNT = "123456789012"
POLICIES, STATEMENTS = 10, 20
SERVICES = ("s3", "dynamodb", "lambda", "logs", "sqs")
ACTIONS = {
    "s3": "GetObject",
    "dynamodb": "GetItem",
    "lambda": "InvokeFunction",
    "logs": "PutLogEvents",
    "sqs": "SendMessage",
}


def document(policy: int) -> str:
    """Statements as people write them: several actions, wildcards, variables, conditions."""
    statements = []
    for number in range(STATEMENTS):
        service = SERVICES[(policy + number) % len(SERVICES)]
        statement: dict[str, Any] = {
            "Effect": "Deny" if number % 10 == 9 else "Allow",
            "Action": [f"{service}:{ACTIONS[service]}", f"{service}:List*", f"{service}:Describe{number}"],
            "Resource": [f"arn:aws:{service}:::thing-{policy}-{number}/*"],
        }
        if statement["Effect"] == "Allow":
            statement["Resource"].append(f"arn:aws:{service}:::own/${{aws:userid}}/*")
        if number % 4 == 3:
            statement["Condition"] = {"StringLike": {"aws:PrincipalTag/team": f"team-{number}*"}}
        statements.append(statement)
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


async def fill(store: SQLiteStore) -> Principal:
    def write(tx: Any) -> identities.User:
        attached = []
        for number in range(POLICIES):
            policy = identities.ManagedPolicy(
                account=ACCOUNT, name=f"p{number}", id=f"ANPA{number}", created=0, updated=0,
                versions=[identities.PolicyVersion(1, document(number), 0)],
            )  # fmt: skip
            identities.POLICIES.put(tx, ACCOUNT, policy.name, value=policy)
            attached.append(policy.arn)
        user = identities.User(account=ACCOUNT, name="u", id="AIDAU", created=0, attached=attached, tags={"team": "x"})
        identities.USERS.put(tx, ACCOUNT, "u", value=user)
        identities.changed(tx, ACCOUNT)
        return user

    user = await store.transact(write)
    return Principal("user", ACCOUNT, user.arn, issuer=user.arn, user_id=user.id, name=user.name)


def measure(rounds: int, call: Callable[[int], object]) -> tuple[float, float]:
    """Median and 99th percentile, in microseconds."""
    times = []
    for number in range(rounds):
        start = time.perf_counter_ns()
        call(number)
        times.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(times), sorted(times)[int(len(times) * 0.99)]


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "store", "relaxed")
        principal = await fill(store)
        no_cloud: Any = None  # allowed requests need none
        context = Context(
            cloud=no_cloud, principal=principal, region="us-east-1", request_id="r", service="s3",
            operation="GetObject", received=0.0,
        )  # fmt: skip
        authorizer = Authorizer(store)
        identity = authorizer.identity(principal)

        def access(number: int) -> Access:
            return Access("s3:GetObject", arn("s3", "", "", f"own/AIDAU/{number}"))

        def evaluated(number: int) -> object:
            one = access(number)
            values = RequestValues(context, principal, one.keys, identity.tags, ACCOUNT)
            return evaluate(Question(principal, one.action, one.resource, values, ACCOUNT, identity.identity))

        def indexed(number: int) -> object:
            assert identity.identity is not None
            identity.identity._index._found.clear()  # the first decision about an action
            return evaluated(number)

        def loaded(number: int) -> object:
            authorizer._identities.clear()  # as after a change in IAM
            return authorizer.identity(principal)

        def compiled(number: int) -> object:
            parse.cache_clear()
            return parse(document(number % POLICIES), "identity")

        same = [access(0)]
        figures = {
            "compiling one policy": measure(rounds // 50, compiled),
            "loading the principal's policies": measure(rounds // 50, loaded),
            "engine, action never seen": measure(rounds, indexed),
            "engine, resource never seen": measure(rounds, evaluated),
            "authorize, resource never seen": measure(rounds, lambda n: authorizer.authorize(context, (access(n),))),
            "authorize, seen before": measure(rounds, lambda n: authorizer.authorize(context, same)),
            "of that, reading the version": measure(rounds, lambda n: store.recall(identities.version_key(ACCOUNT))),
        }
        print(f"{POLICIES} policies of {STATEMENTS} statements; {rounds} rounds; microseconds")
        for name, (median, slow) in figures.items():
            print(f"  {name:32} median {median:7.2f}   p99 {slow:7.2f}")
        store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    asyncio.run(main(parser.parse_args().rounds))
