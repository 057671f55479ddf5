"""Why a policy did or did not apply: what each statement that is about the action lacked."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pileus.security.policy.document import ActionIndex
from pileus.security.policy.evaluate import Question, Source
from pileus.security.policy.principal_element import Grant


class Examined(msgspec.Struct, omit_defaults=True):
    """One statement that covers the action. `misses` says what kept it from applying, nothing where it applied."""

    number: int
    effect: str
    sid: str = ""
    misses: list[str] = []


class Considered(msgspec.Struct, omit_defaults=True):
    """One policy that was looked at."""

    layer: str
    name: str
    statements: list[Examined] = []


def examine(sources: Iterable[Source], question: Question) -> list[Considered]:
    action = question.action.lower()
    found = []
    for source in sources:
        covering = ActionIndex((None, statement) for statement in source.policy.statements).find(action)
        examined = []
        for _, statement in sorted(covering, key=lambda pair: pair[1].number):
            misses = []
            if not statement.covers_resource(question.resource, question.values):
                misses.append("the resource")
            if statement.principal and statement.principal.grants(question.principal) is Grant.NONE:
                misses.append("the principal")
            misses += [
                f"{condition.operator} on {condition.key}"
                for condition in statement.conditions
                if not condition.holds(question.values)
            ]
            effect = "Allow" if statement.allows else "Deny"
            examined.append(Examined(statement.number, effect, statement.sid, misses))
        found.append(Considered(source.layer, source.name, examined))
    return found
