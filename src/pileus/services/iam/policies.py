"""Managed policies and their versions: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pileus.aws.arn import arn
from pileus.aws.identifiers import unique_id
from pileus.security.identities import (
    POLICIES,
    ROLES,
    USERS,
    ManagedPolicy,
    PolicyVersion,
    aws_managed,
    changed,
    managed_policy,
)
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.documents import managed_document
from pileus.services.iam.entities import (
    GROUP,
    KINDS,
    ROLE,
    USER,
    Entity,
    action,
    date,
    encoded,
    on_account,
    resource_tags,
    tag_keys,
    tag_list,
)
from pileus.services.iam.errors import (
    delete_conflict,
    entity_already_exists,
    invalid_input,
    limit_exceeded,
    no_such_entity,
)
from pileus.services.iam.listings import listing
from pileus.services.iam.tags import merged, tags_listing, without
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader, Transaction

VERSIONS_PER_POLICY = 5


def on_policy(context: Context, request: Shape) -> Access:
    found = managed_policy(context.store, request["PolicyArn"])
    keys = tag_keys(request)
    return Access(action(context), request["PolicyArn"], {**keys, **resource_tags(found.tags)} if found else keys)


def _on_new_policy(context: Context, request: Shape) -> Access:
    resource = arn("iam", "", context.account, f"policy{request.get('Path', '/')}{request['PolicyName']}")
    return Access(action(context), resource, tag_keys(request))


def find(reader: Reader, account: str, policy_arn: str) -> ManagedPolicy:
    """A policy of the account, or one of AWS's."""
    found = managed_policy(reader, policy_arn)
    if found is None or found.account not in (account, "aws"):
        raise no_such_entity(f"Policy {policy_arn} was not found.")
    return found


def find_own(reader: Reader, account: str, policy_arn: str) -> ManagedPolicy:
    """One that the account may change."""
    found = find(reader, account, policy_arn)
    if found.account == "aws":
        # AWS answers so to changes of its own policies, which lie outside every account.
        raise no_such_entity(f"Policy {policy_arn} does not exist or is not attachable.")
    return found


def attached_to(reader: Reader, account: str, policy_arn: str) -> Iterator[Entity]:
    for kind in KINDS:
        for _, entity in kind.records.scan(reader, account):
            if policy_arn in entity.attached:
                yield entity


def bounded_by(reader: Reader, account: str, policy_arn: str) -> Iterator[Entity]:
    for records in (USERS, ROLES):
        for _, entity in records.scan(reader, account):
            if entity.boundary == policy_arn:
                yield entity


def put(tx: Transaction, policy: ManagedPolicy) -> None:
    POLICIES.put(tx, policy.account, policy.name.lower(), value=policy)
    changed(tx, policy.account)


class Usage(NamedTuple):
    """How often each policy is attached, and how often it is a boundary, by ARN."""

    attached: Counter[str]
    bounded: Counter[str]


def usage(reader: Reader, account: str) -> Usage:
    found = Usage(Counter(), Counter())
    for kind in KINDS:
        for _, entity in kind.records.scan(reader, account):
            found.attached.update(entity.attached)
            if kind is not GROUP and entity.boundary:
                found.bounded[entity.boundary] += 1
    return found


def _shape(used: Usage, policy: ManagedPolicy, *, detail: bool = False) -> Shape:
    shape: Shape = {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default}",
        "AttachmentCount": used.attached[policy.arn],
        "PermissionsBoundaryUsageCount": used.bounded[policy.arn],
        "IsAttachable": True,
        "CreateDate": date(policy.created),
        "UpdateDate": date(policy.updated),
    }
    if detail:
        shape["Tags"] = tag_list(policy.tags)
        if policy.description:
            shape["Description"] = policy.description
    return shape


@service.operation("CreatePolicy", access=_on_new_policy)
async def create_policy(context: Context, request: Shape) -> Shape:
    account, name = context.account, request["PolicyName"]

    def create(tx: Transaction) -> Shape:
        if POLICIES.get(tx, account, name.lower()):
            raise entity_already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
        managed_document(request["PolicyDocument"])
        made = ManagedPolicy(
            account=account,
            name=name,
            path=request.get("Path", "/"),
            id=unique_id("ANPA"),
            created=context.received,
            updated=context.received,
            description=request.get("Description", ""),
            tags=merged({}, request.get("Tags", [])),
            versions=[PolicyVersion(1, request["PolicyDocument"], context.received)],
        )
        put(tx, made)
        shape = _shape(Usage(Counter(), Counter()), made, detail=True)
        return shape if made.tags else {name: value for name, value in shape.items() if name != "Tags"}

    return {"Policy": await context.store.transact(create)}


@service.operation("GetPolicy", access=on_policy)
async def get_policy(context: Context, request: Shape) -> Shape:
    found = find(context.store, context.account, request["PolicyArn"])
    return {"Policy": _shape(usage(context.store, context.account), found, detail=True)}


@service.operation("ListPolicies", access=on_account("policy/"))
async def list_policies(context: Context, request: Shape) -> Shape:
    scope, prefix = request.get("Scope", "All"), request.get("PathPrefix", "/")
    policies: list[ManagedPolicy] = []
    if scope != "AWS":
        policies += [policy for _, policy in POLICIES.scan(context.store, context.account)]
    if scope != "Local":
        policies += aws_managed().values()
    used = usage(context.store, context.account)
    shown = [
        policy
        for policy in policies
        if policy.path.startswith(prefix)
        and (not request.get("OnlyAttached") or policy.arn in used.attached or policy.arn in used.bounded)
    ]
    return listing(
        "Policies",
        request,
        shown,
        key=lambda policy: policy.arn,
        shape=lambda policy: _shape(used, policy),
    )


@service.operation("DeletePolicy", access=on_policy)
async def delete_policy(context: Context, request: Shape) -> Shape:
    def delete(tx: Transaction) -> None:
        found = find_own(tx, context.account, request["PolicyArn"])
        if next(attached_to(tx, context.account, found.arn), None) or next(
            bounded_by(tx, context.account, found.arn), None
        ):
            raise delete_conflict("Cannot delete a policy attached to entities.")
        if len(found.versions) > 1:
            raise delete_conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        POLICIES.delete(tx, context.account, found.name.lower())
        changed(tx, context.account)

    await context.store.transact(delete)
    return {}


def _version(policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    for version in policy.versions:
        if version.id == version_id:
            return version
    raise no_such_entity(f"Policy {policy.arn} version {version_id} does not exist or is not attachable.")


def _version_shape(policy: ManagedPolicy, version: PolicyVersion, *, document: bool = False) -> Shape:
    shape: Shape = {
        "VersionId": version.id,
        "IsDefaultVersion": version.number == policy.default,
        "CreateDate": date(version.created),
    }
    return {**shape, "Document": encoded(version.document)} if document else shape


@service.operation("CreatePolicyVersion", access=on_policy)
async def create_policy_version(context: Context, request: Shape) -> Shape:
    def create(tx: Transaction) -> Shape:
        found = find_own(tx, context.account, request["PolicyArn"])
        managed_document(request["PolicyDocument"])
        if len(found.versions) >= VERSIONS_PER_POLICY:
            raise limit_exceeded(
                f"A managed policy can have up to {VERSIONS_PER_POLICY} versions. Before you create a new version, you "
                "must delete an existing version."
            )
        found.latest += 1
        version = PolicyVersion(found.latest, request["PolicyDocument"], context.received)
        found.versions = [*found.versions, version]
        if request.get("SetAsDefault"):
            found.default = version.number
        found.updated = context.received
        put(tx, found)
        return _version_shape(found, version)

    return {"PolicyVersion": await context.store.transact(create)}


@service.operation("GetPolicyVersion", access=on_policy)
async def get_policy_version(context: Context, request: Shape) -> Shape:
    found = find(context.store, context.account, request["PolicyArn"])
    return {"PolicyVersion": _version_shape(found, _version(found, request["VersionId"]), document=True)}


@service.operation("ListPolicyVersions", access=on_policy)
async def list_policy_versions(context: Context, request: Shape) -> Shape:
    found = find(context.store, context.account, request["PolicyArn"])
    return listing(
        "Versions",
        request,
        found.versions,
        key=lambda version: f"{1_000_000_000 - version.number:010d}",
        shape=lambda version: _version_shape(found, version),
    )


@service.operation("SetDefaultPolicyVersion", access=on_policy)
async def set_default_policy_version(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        found = find_own(tx, context.account, request["PolicyArn"])
        found.default = _version(found, request["VersionId"]).number
        found.updated = context.received
        put(tx, found)

    await context.store.transact(change)
    return {}


@service.operation("DeletePolicyVersion", access=on_policy)
async def delete_policy_version(context: Context, request: Shape) -> Shape:
    def delete(tx: Transaction) -> None:
        found = find_own(tx, context.account, request["PolicyArn"])
        version = _version(found, request["VersionId"])
        if version.number == found.default:
            raise delete_conflict("Cannot delete the default version of a policy.")
        found.versions = [other for other in found.versions if other.number != version.number]
        put(tx, found)

    await context.store.transact(delete)
    return {}


@service.operation("ListEntitiesForPolicy", access=on_policy)
async def list_entities_for_policy(context: Context, request: Shape) -> Shape:
    found = find(context.store, context.account, request["PolicyArn"])
    usage, wanted = request.get("PolicyUsageFilter"), request.get("EntityFilter")
    entities: dict[str, Entity] = {}
    if usage != "PermissionsBoundary":
        entities |= {entity.arn: entity for entity in attached_to(context.store, context.account, found.arn)}
    if usage != "PermissionsPolicy":
        entities |= {entity.arn: entity for entity in bounded_by(context.store, context.account, found.arn)}
    prefix = request.get("PathPrefix", "/")
    kinds = {"User": USER, "Role": ROLE, "Group": GROUP}
    if wanted in ("LocalManagedPolicy", "AWSManagedPolicy"):
        raise invalid_input(f"{wanted} is not an entity to which a policy is attached.")
    shown = [
        entity
        for entity in entities.values()
        if entity.path.startswith(prefix) and (not wanted or f":{kinds[wanted].word}/" in entity.arn)
    ]
    page = listing("Entities", request, shown, key=lambda entity: entity.arn, shape=lambda entity: entity)
    answer: Shape = {"IsTruncated": page["IsTruncated"]}
    if "Marker" in page:
        answer["Marker"] = page["Marker"]
    for title, kind in kinds.items():
        answer[f"Policy{title}s"] = [
            {f"{title}Name": entity.name, f"{title}Id": entity.id}
            for entity in page["Entities"]
            if f":{kind.word}/" in entity.arn
        ]
    return answer


@service.operation("TagPolicy", access=on_policy)
async def tag_policy(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        found = find_own(tx, context.account, request["PolicyArn"])
        found.tags = merged(found.tags, request["Tags"])
        put(tx, found)

    await context.store.transact(change)
    return {}


@service.operation("UntagPolicy", access=on_policy)
async def untag_policy(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        found = find_own(tx, context.account, request["PolicyArn"])
        found.tags = without(found.tags, request["TagKeys"])
        put(tx, found)

    await context.store.transact(change)
    return {}


@service.operation("ListPolicyTags", access=on_policy)
async def list_policy_tags(context: Context, request: Shape) -> Shape:
    return tags_listing(request, find(context.store, context.account, request["PolicyArn"]).tags)
