"""Who has which credentials, and which services somebody used.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.security.accounts import ACCESS_KEYS, ACCOUNTS, AccessKey
from pileus.security.activity import LAST_USED, activity_of
from pileus.security.identities import USERS, Group, Role, User, managed_policy
from pileus.security.policy.document import parse
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.access_keys import keys_of
from pileus.services.iam.entities import Entity, action, date, on_account
from pileus.services.iam.errors import invalid_input, no_such_entity
from pileus.services.iam.listings import listing
from pileus.services.iam.simulation import find_entity
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader
from pileus.store.records import Records

_COLUMNS = (
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
    "password_next_rotation", "mfa_active", "access_key_1_active", "access_key_1_last_rotated",
    "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
    "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
    "access_key_2_last_used_region", "access_key_2_last_used_service", "cert_1_active", "cert_1_last_rotated",
    "cert_2_active", "cert_2_last_rotated",
)  # fmt: skip
_FRESH_SECONDS = 4 * 3600


class Report(msgspec.Struct):
    made: float
    content: str


class Job(msgspec.Struct):
    """A question about an entity's use of services."""

    arn: str
    created: float


_REPORTS = Records(Report, "iam", "credential-report")
_JOBS = Records(Job, "iam", "access-job")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _row(reader: Reader, name: str, arn: str, created: float, keys: list[AccessKey]) -> list[str]:
    row = [name, arn, _iso(created), "false", "N/A", "N/A", "N/A", "false"]
    for key in (*keys, None, None)[:2]:
        used = LAST_USED.get(reader, key.id) if key else None
        row += [
            "true" if key and key.status == "Active" else "false",
            _iso(key.created) if key else "N/A",
            _iso(used.time) if used else "N/A",
            used.region if used else "N/A",
            used.service if used else "N/A",
        ]
    return [*row, "false", "N/A", "false", "N/A"]


def _report(reader: Reader, account: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    own = ACCOUNTS.get(reader, account)
    root_key = ACCESS_KEYS.get(reader, own.root_access_key_id) if own else None
    root = f"arn:aws:iam::{account}:root"
    writer.writerow(_row(reader, "<root_account>", root, own.created if own else 0, [root_key] if root_key else []))
    for _, user in USERS.scan(reader, account):
        writer.writerow(_row(reader, user.name, user.arn, user.created, keys_of(reader, account, user.name)))
    return out.getvalue()


@service.operation("GenerateCredentialReport", access=on_account("*"))
async def generate_credential_report(context: Context, request: Shape) -> Shape:
    """One is made at most every four hours, says AWS."""
    known = _REPORTS.get(context.store, context.account)
    if known is None or context.received - known.made >= _FRESH_SECONDS:
        report = Report(context.received, _report(context.store, context.account))
        await context.store.transact(lambda tx: _REPORTS.put(tx, context.account, value=report))
    return {"State": "COMPLETE"}


@service.operation("GetCredentialReport", access=on_account("*"))
async def get_credential_report(context: Context, request: Shape) -> Shape:
    report = _REPORTS.get(context.store, context.account)
    if report is None:
        raise AWSError(
            "ReportNotPresent", "No report exists. You may request a report be generated.", status=410
        )  # fmt: skip
    return {"Content": report.content.encode(), "ReportFormat": "text/csv", "GeneratedTime": date(report.made)}


def _on_arn(context: Context, request: Shape) -> Access:
    return Access(action(context), request["Arn"])


@service.operation("GenerateServiceLastAccessedDetails", access=_on_arn)
async def generate_service_last_accessed_details(context: Context, request: Shape) -> Shape:
    if request.get("Granularity") == "ACTION_LEVEL":
        raise option_not_implemented("Granularity: ACTION_LEVEL")
    entity = find_entity(context.store, context.account, request["Arn"])
    if isinstance(entity, Group):
        raise invalid_input("Groups make no requests: ask about their users.")
    job_id = str(uuid.uuid4())
    job = Job(entity.arn, context.received)
    await context.store.transact(lambda tx: _JOBS.put(tx, context.account, job_id, value=job))
    return {"JobId": job_id}


@service.operation("GetServiceLastAccessedDetails", access=on_account("*"))
async def get_service_last_accessed_details(context: Context, request: Shape) -> Shape:
    job = _JOBS.get(context.store, context.account, request["JobId"])
    if job is None:
        raise no_such_entity(f"The job {request['JobId']} cannot be found.")
    await context.cloud.authorizer.decisions.flush(context.store)
    last: dict[str, float] = {}
    for name, _, activity in activity_of(context.store, context.account, job.arn):
        namespace = name.partition(":")[0]
        last[namespace] = max(last.get(namespace, 0.0), activity.last)
    page = listing(
        "ServicesLastAccessed",
        request,
        last.items(),
        key=lambda entry: entry[0],
        shape=lambda entry: {
            "ServiceName": entry[0],
            "ServiceNamespace": entry[0],
            "LastAuthenticated": date(entry[1]),
            "LastAuthenticatedEntity": job.arn,
            "TotalAuthenticatedEntities": 1,
        },
    )
    return {
        "JobStatus": "COMPLETED",
        "JobType": "SERVICE_LEVEL",
        "JobCreationDate": date(job.created),
        "JobCompletionDate": date(context.received),
        **page,
    }


@service.operation("ListPoliciesGrantingServiceAccess", access=_on_arn)
async def list_policies_granting_service_access(context: Context, request: Shape) -> Shape:
    """The policies of a user, group or role with an Allow for anything of a service."""
    entity = find_entity(context.store, context.account, request["Arn"])
    granting = [
        {
            "ServiceNamespace": namespace,
            "Policies": [policy for policy, text in _policies(context.store, entity) if _grants(text, namespace)],
        }
        for namespace in request["ServiceNamespaces"]
    ]
    return {"PoliciesGrantingServiceAccess": granting, "IsTruncated": False}


def _policies(reader: Reader, entity: Entity) -> Iterator[tuple[dict[str, Any], str]]:
    kind = {User: "USER", Group: "GROUP", Role: "ROLE"}[type(entity)]
    for name, text in entity.inline.items():
        yield {"PolicyName": name, "PolicyType": "INLINE", "EntityType": kind, "EntityName": entity.name}, text
    for arn in entity.attached:
        policy = managed_policy(reader, arn)
        if policy:
            yield {"PolicyName": policy.name, "PolicyType": "MANAGED", "PolicyArn": arn}, policy.document


def _grants(text: str, namespace: str) -> bool:
    wanted = ("*", namespace.lower())
    return any(
        statement.allows
        and (statement.excludes_actions or any(one.partition(":")[0] in wanted for one in statement.actions))
        for statement in parse(text, "identity").statements
    )
