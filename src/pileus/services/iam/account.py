"""The account as a whole: its alias, its summary, everything in it.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pileus.security.identities import (
    GROUPS,
    OPENID_PROVIDERS,
    POLICIES,
    ROLES,
    USERS,
    Group,
    ManagedPolicy,
    Role,
    User,
    aws_managed,
    managed_policy,
)
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.attachments import POLICIES_PER_ENTITY
from pileus.services.iam.documents import MANAGED_LIMIT, TRUST_LIMIT
from pileus.services.iam.entities import (
    GROUP,
    ROLE,
    USER,
    date,
    encoded,
    group_shape,
    on_account,
    role_shape,
    user_shape,
)
from pileus.services.iam.errors import entity_already_exists, no_such_entity
from pileus.services.iam.listings import listing
from pileus.services.iam.policies import VERSIONS_PER_POLICY, Usage, usage
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

ALIASES = Records(str, "iam", "account-alias")
"""The account's alias, by account."""
_ACCOUNTS = Records(str, "iam", "account-of-alias")


@service.operation("CreateAccountAlias", access=on_account("*"))
async def create_account_alias(context: Context, request: Shape) -> Shape:
    """Aliases are unique in the whole cloud, and an account has one: a new one takes the old one's place."""
    alias = request["AccountAlias"]

    def create(tx: Transaction) -> None:
        if _ACCOUNTS.get(tx, alias):
            raise entity_already_exists(f"The account alias {alias} already exists.")
        old = ALIASES.get(tx, context.account)
        if old:
            _ACCOUNTS.delete(tx, old)
        ALIASES.put(tx, context.account, value=alias)
        _ACCOUNTS.put(tx, alias, value=context.account)

    await context.store.transact(create)
    return {}


@service.operation("DeleteAccountAlias", access=on_account("*"))
async def delete_account_alias(context: Context, request: Shape) -> Shape:
    alias = request["AccountAlias"]

    def delete(tx: Transaction) -> None:
        if ALIASES.get(tx, context.account) != alias:
            raise no_such_entity(f"The account alias {alias} cannot be found.")
        ALIASES.delete(tx, context.account)
        _ACCOUNTS.delete(tx, alias)

    await context.store.transact(delete)
    return {}


@service.operation("ListAccountAliases", access=on_account("*"))
async def list_account_aliases(context: Context, request: Shape) -> Shape:
    alias = ALIASES.get(context.store, context.account)
    return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}


@service.operation("GetAccountSummary", access=on_account("*"))
async def get_account_summary(context: Context, request: Shape) -> Shape:
    store, account = context.store, context.account
    policies = [policy for _, policy in POLICIES.scan(store, account)]
    counts = {
        "Users": sum(1 for _ in USERS.scan(store, account)),
        "Groups": sum(1 for _ in GROUPS.scan(store, account)),
        "Roles": sum(1 for _ in ROLES.scan(store, account)),
        "Policies": len(policies),
        "PolicyVersionsInUse": sum(len(policy.versions) for policy in policies),
        "Providers": sum(1 for _ in OPENID_PROVIDERS.scan(store, account)),
        "AccessKeysPerUserQuota": 2,
        "AccountAccessKeysPresent": 1,
        "AccountMFAEnabled": 0,
        "AssumeRolePolicySizeQuota": TRUST_LIMIT,
        "AttachedPoliciesPerGroupQuota": POLICIES_PER_ENTITY,
        "AttachedPoliciesPerRoleQuota": POLICIES_PER_ENTITY,
        "AttachedPoliciesPerUserQuota": POLICIES_PER_ENTITY,
        "GroupPolicySizeQuota": GROUP.inline_limit,
        "RolePolicySizeQuota": ROLE.inline_limit,
        "UserPolicySizeQuota": USER.inline_limit,
        "PolicySizeQuota": MANAGED_LIMIT,
        "VersionsPerPolicyQuota": VERSIONS_PER_POLICY,
    }
    return {"SummaryMap": counts}


@service.operation("GetAccountAuthorizationDetails", access=on_account("*"))
async def get_account_authorization_details(context: Context, request: Shape) -> Shape:
    wanted = set(request.get("Filter") or ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"))
    page = listing(
        "All",
        request,
        _everything(context.store, context.account, wanted),
        key=lambda entry: f"{entry[0]} {entry[1].arn}",
        shape=lambda entry: entry,
    )
    used = usage(context.store, context.account)
    answer: Shape = {"IsTruncated": page["IsTruncated"]}
    if "Marker" in page:
        answer["Marker"] = page["Marker"]
    for member in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"):
        answer[member] = [_detail(context.store, used, entity) for where, entity in page["All"] if where == member]
    return answer


def _everything(reader: Reader, account: str, wanted: set[str]) -> Iterator[tuple[str, Any]]:
    kinds = (("User", USERS, "UserDetailList"), ("Group", GROUPS, "GroupDetailList"), ("Role", ROLES, "RoleDetailList"))
    for name, records, member in kinds:
        if name in wanted:
            for _, entity in records.scan(reader, account):
                yield member, entity
    if "LocalManagedPolicy" in wanted:
        for _, policy in POLICIES.scan(reader, account):
            yield "Policies", policy
    if "AWSManagedPolicy" in wanted:
        attached = usage(reader, account).attached
        for policy in aws_managed().values():
            if policy.arn in attached:
                yield "Policies", policy


def _detail(reader: Reader, used: Usage, entity: User | Group | Role | ManagedPolicy) -> Shape:
    if isinstance(entity, ManagedPolicy):
        return _policy_detail(used, entity)
    attached = [found for arn in entity.attached if (found := managed_policy(reader, arn))]
    managed = [{"PolicyName": policy.name, "PolicyArn": policy.arn} for policy in attached]
    inline = [{"PolicyName": name, "PolicyDocument": encoded(text)} for name, text in entity.inline.items()]
    if isinstance(entity, Role):
        shape = role_shape(reader, entity, detail=True)
        shape.pop("MaxSessionDuration")
        shape.pop("Description", None)
        return {
            **shape,
            "RolePolicyList": inline,
            "AttachedManagedPolicies": managed,
            "InstanceProfileList": [],
            "RoleLastUsed": {},
        }
    if isinstance(entity, Group):
        return {**group_shape(entity), "GroupPolicyList": inline, "AttachedManagedPolicies": managed}
    return {
        **user_shape(entity, detail=True),
        "UserPolicyList": inline,
        "GroupList": entity.groups,
        "AttachedManagedPolicies": managed,
    }


def _policy_detail(used: Usage, policy: ManagedPolicy) -> Shape:
    return {
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
        "PolicyVersionList": [
            {
                "Document": encoded(version.document),
                "VersionId": version.id,
                "IsDefaultVersion": version.number == policy.default,
                "CreateDate": date(version.created),
            }
            for version in policy.versions
        ],
    }
