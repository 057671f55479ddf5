"""Asking the policy engine without doing anything.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pileus.aws.errors import option_not_implemented
from pileus.security.authorization import identity_sources, load
from pileus.security.identities import GROUPS, Group, role_of_arn, user
from pileus.security.policy.document import parse
from pileus.security.policy.evaluate import EMPTY, Decision, PolicySet, Question, Source, evaluate
from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal, root
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import Entity, action, on_account
from pileus.services.iam.errors import invalid_input, no_such_entity
from pileus.services.iam.listings import listing
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader


def find_entity(reader: Reader, account: str, arn: str) -> Entity:
    """The user, group or role of an ARN."""
    parts = arn.split(":", 5)
    word, _, path = parts[5].partition("/") if len(parts) == 6 else ("", "", "")
    name = path.rpartition("/")[2]
    found: Entity | None = None
    if len(parts) == 6 and parts[4] == account:
        if word == "role":
            found = role_of_arn(reader, arn)
        elif word == "user":
            found = user(reader, account, name)
        elif word == "group":
            found = GROUPS.get(reader, account, name.lower())
    if found is None or found.arn != arn:
        raise no_such_entity(f"The policy source {arn} cannot be found.")
    return found


def principal_of(entity: Entity) -> Principal:
    """An entity as if it made a request."""
    return Principal(
        "role" if ":role/" in entity.arn else "user",
        entity.account,
        entity.arn,
        issuer=entity.arn,
        user_id=entity.id,
        name=entity.name,
    )


def _identity_sources(reader: Reader, entity: Entity) -> tuple[Source, ...]:
    if isinstance(entity, Group):
        return tuple(identity_sources(reader, entity.inline, entity.attached))
    found = load(reader, principal_of(entity), None).identity
    return found.sources if found is not None else ()


def _on_source(context: Context, request: Shape) -> Access:
    return Access(action(context), request["PolicySourceArn"])


@service.operation("SimulatePrincipalPolicy", access=_on_source)
async def simulate_principal_policy(context: Context, request: Shape) -> Shape:
    entity = find_entity(context.store, context.account, request["PolicySourceArn"])
    sources = [*_identity_sources(context.store, entity), *_documents("identity", request.get("PolicyInputList"))]
    boundary = None if isinstance(entity, Group) else load(context.store, principal_of(entity), None).boundary
    caller = principal_of(entity)
    tags = {} if isinstance(entity, Group) else {f"aws:principaltag/{k.lower()}": v for k, v in entity.tags.items()}
    if request.get("CallerArn"):
        caller = principal_of(find_entity(context.store, context.account, request["CallerArn"]))
    return _simulate(request, caller, PolicySet(sources), boundary, tags)


@service.operation("SimulateCustomPolicy", access=on_account("*"))
async def simulate_custom_policy(context: Context, request: Shape) -> Shape:
    caller = root(context.account)
    if request.get("CallerArn"):
        caller = principal_of(find_entity(context.store, context.account, request["CallerArn"]))
    sources = _documents("identity", request["PolicyInputList"])
    return _simulate(request, caller, PolicySet(sources), None, {})


def _documents(layer: str, texts: Iterable[str] | None) -> list[Source]:
    return [
        Source("boundary" if layer == "boundary" else "identity", f"PolicyInputList.{number}", parse(text, "identity"))
        for number, text in enumerate(texts or (), start=1)
    ]


def _simulate(
    request: Shape, caller: Principal, identity: PolicySet, boundary: PolicySet | None, tags: Mapping[str, Value]
) -> Shape:
    if request.get("ResourceHandlingOption"):
        raise option_not_implemented("ResourceHandlingOption: scenarios of EC2")
    values: dict[str, Value] = dict(tags)
    for entry in request.get("ContextEntries") or ():
        found = tuple(entry.get("ContextKeyValues") or ())
        many = entry.get("ContextKeyType", "").endswith("List")
        if found:
            values[entry["ContextKeyName"].lower()] = found if many or len(found) > 1 else found[0]
    limits = _documents("boundary", request.get("PermissionsBoundaryPolicyInputList"))
    if limits:
        boundary = PolicySet(limits)
    policies = EMPTY
    if request.get("ResourcePolicy"):
        policies = PolicySet([Source("resource", "ResourcePolicy", parse(request["ResourcePolicy"], "resource"))])
    results = []
    for name in request["ActionNames"]:
        if ":" not in name:
            raise invalid_input(f"{name} is not the name of an action.")
        for resource in request.get("ResourceArns") or ["*"]:
            owner = (request.get("ResourceOwner") or caller.account).removeprefix("arn:aws:iam::").split(":")[0]
            question = Question(
                caller, name, resource, values, owner,
                identity=identity, boundary=boundary, resource_policies=policies,
            )  # fmt: skip
            results.append(_result(question, evaluate(question)))
    rows = [(f"{number:06d}", result) for number, result in enumerate(results)]
    return listing("EvaluationResults", request, rows, key=lambda row: row[0], shape=lambda row: row[1])


def _result(question: Question, decision: Decision) -> Shape:
    sets = (question.identity, question.boundary, question.resource_policies)
    asked = sorted({key for one in sets if one for key in one.keys(question.action.lower())})
    result: Shape = {
        "EvalActionName": question.action,
        "EvalResourceName": question.resource,
        "EvalDecision": "allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny",
        "MatchedStatements": [],
        "MissingContextValues": [key for key in asked if question.values.get(key) is None],
    }
    if decision.match:
        result["MatchedStatements"] = [
            {
                "SourcePolicyId": decision.match.source.name.rpartition("/")[2],
                "SourcePolicyType": "IAM Policy" if decision.layer != "resource" else "Resource Policy",
            }
        ]
    specific: Shape = {
        "EvalResourceName": question.resource,
        "EvalResourceDecision": result["EvalDecision"],
        "MatchedStatements": result["MatchedStatements"],
        "MissingContextValues": result["MissingContextValues"],
    }
    result |= {"EvalDecisionDetails": {}, "OrganizationsDecisionDetail": {"AllowedByOrganizations": True}}
    result["ResourceSpecificResults"] = [specific]
    if question.boundary is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": decision.layer != "boundary"}
    return result


@service.operation("GetContextKeysForCustomPolicy", access=on_account("*"))
async def get_context_keys_for_custom_policy(context: Context, request: Shape) -> Shape:
    return {"ContextKeyNames": _keys(_documents("identity", request["PolicyInputList"]))}


@service.operation("GetContextKeysForPrincipalPolicy", access=_on_source)
async def get_context_keys_for_principal_policy(context: Context, request: Shape) -> Shape:
    entity = find_entity(context.store, context.account, request["PolicySourceArn"])
    sources = [*_identity_sources(context.store, entity), *_documents("identity", request.get("PolicyInputList"))]
    return {"ContextKeyNames": _keys(sources)}


def _keys(sources: Iterable[Source]) -> list[str]:
    return sorted({key for source in sources for statement in source.policy.statements for key in statement.keys})
