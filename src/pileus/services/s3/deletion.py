"""DeleteObject and DeleteObjects (https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import access, contents, lock, notifications, preconditions, service, uploads, versions, writing
from pileus.services.s3.state import HEADS, Bucket, Properties, Version
from pileus.store.interface import Transaction

_MOST_KEYS = 1000
_GROUP = 100
"""Keys deleted in one transaction, which runs on the event loop."""
_ACTIONS = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention")


def _deleting(context: Context, request: Mapping[str, Any]) -> Iterable[Access]:
    bucket = access.find(context, request)
    named = request.get("VersionId")
    action = "s3:DeleteObjectVersion" if named else "s3:DeleteObject"
    # Without the version: the bucket's owner may delete what others own in it.
    yield access.object_access(context, request, bucket, request["Key"], action)
    if request.get("BypassGovernanceRetention"):
        yield access.object_access(context, request, bucket, request["Key"], "s3:BypassGovernanceRetention")


class Deleted(NamedTuple):
    """What a deletion answers, the blobs to remove, and whom to tell."""

    answer: dict[str, Any]
    blobs: list[list[str]]
    pending: notifications.Pending


def delete(
    context: Context,
    tx: Transaction,
    bucket: Bucket,
    key: str,
    request: Mapping[str, Any],
    *,
    bypass: bool = False,
    cause: str = "ObjectRemoved",
) -> Deleted:
    """Deletes as the bucket's versioning has it, in a transaction. Raises AccessDenied for a locked version. `cause`
    is the kind of event that it is."""
    named = request.get("VersionId")
    head = HEADS.get(tx, bucket.name, key)
    if named:
        versions.check_id(named)
        version = versions.look_up(tx, bucket.name, key, named)
        preconditions.check_delete(version, request)
        return _delete_version(context, tx, bucket, key, version, named, bypass=bypass, cause=cause)
    preconditions.check_delete(head, request)
    if not bucket.versioning:
        gone = _delete_version(context, tx, bucket, key, head, "", bypass=bypass, cause=cause)
        if head is not None:
            uploads.overtake(tx, bucket.name, key)
        return gone._replace(answer={})
    marker = Version(
        "",
        versions.next_order(head, context.received),
        float(int(context.received)),
        Properties(owner=bucket.account),
        delete_marker=True,
    )
    replaced = versions.add(tx, bucket, key, marker, head)
    blobs = [writing.drop(context, tx, bucket.name, key, old) for old in replaced]
    answer = {"DeleteMarker": True, "VersionId": marker.id}
    told = notifications.note(context, tx, bucket, f"{cause}:DeleteMarkerCreated", key, marker)
    return Deleted(answer, blobs, told)


def _delete_version(
    context: Context,
    tx: Transaction,
    bucket: Bucket,
    key: str,
    version: Version | None,
    named: str,
    *,
    bypass: bool,
    cause: str,
) -> Deleted:
    answer: dict[str, Any] = {"VersionId": named} if named else {}
    if version is None:
        return Deleted(answer, [], [])
    if lock.protects(version, context.received, bypass=bypass):
        raise lock.protected()
    versions.remove(tx, bucket.name, key, version)
    if version.delete_marker:
        answer["DeleteMarker"] = True
    blobs = [writing.drop(context, tx, bucket.name, key, version)]
    return Deleted(answer, blobs, notifications.note(context, tx, bucket, f"{cause}:Delete", key, version))


def finish(context: Context, deleted: Deleted) -> None:
    """After the transaction."""
    for blobs in deleted.blobs:
        contents.remove(context.cloud, blobs)
    notifications.deliver(context.cloud, deleted.pending)


@service.operation("DeleteObject", access=_deleting, actions=_ACTIONS)
async def delete_object(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    _refuse_mfa(request)
    bypass = bool(request.get("BypassGovernanceRetention"))

    def change(tx: Transaction) -> Deleted:
        now = writing.same_bucket(tx, bucket)
        return delete(context, tx, now, request["Key"], request, bypass=bypass)

    deleted = await context.store.transact(change)
    finish(context, deleted)
    return deleted.answer


def _refuse_mfa(request: Mapping[str, Any]) -> None:
    if request.get("MFA"):
        raise AWSError("NotImplemented", "Pileus does not implement MFA delete.", status=501)


def _each_is_asked(context: Context, request: Shape) -> Iterable[Access]:
    """Each key is authorised for itself while it is deleted: one that is denied does not hinder the others."""
    access.find(context, request)
    return ()


@service.operation("DeleteObjects", access=_each_is_asked, actions=_ACTIONS)
async def delete_objects(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    _refuse_mfa(request)
    wanted = request["Delete"].get("Objects") or []
    if not 0 < len(wanted) <= _MOST_KEYS:
        raise AWSError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            status=400,
        )
    bypass = bool(request.get("BypassGovernanceRetention"))
    answer: dict[str, list[dict[str, Any]]] = {"Deleted": [], "Errors": []}
    for start in range(0, len(wanted), _GROUP):
        await _delete_group(context, bucket, wanted[start : start + _GROUP], bypass, answer)
    if request["Delete"].get("Quiet"):
        answer["Deleted"] = []
    return answer


async def _delete_group(
    context: Context,
    bucket: Bucket,
    wanted: list[dict[str, Any]],
    bypass: bool,
    answer: dict[str, list[dict[str, Any]]],
) -> None:
    allowed = []
    for item in wanted:
        asked = _renamed(item) | ({"BypassGovernanceRetention": True} if bypass else {})
        try:
            context.cloud.authorizer.authorize(context, _deleting(context, {"Bucket": bucket.name, **asked}))
            allowed.append(asked)
        except AWSError as error:
            answer["Errors"].append(_error(asked, error))

    def change(tx: Transaction) -> list[Deleted | AWSError]:
        now = writing.same_bucket(tx, bucket)
        results: list[Deleted | AWSError] = []
        for asked in allowed:
            try:
                # Every check of one deletion is made before it writes, so a refused one leaves nothing.
                results.append(delete(context, tx, now, asked["Key"], asked, bypass=bypass))
            except AWSError as error:
                results.append(error)
        return results

    for asked, result in zip(allowed, await context.store.transact(change) if allowed else [], strict=True):
        if isinstance(result, AWSError):
            answer["Errors"].append(_error(asked, result))
            continue
        finish(context, result)
        answer["Deleted"].append(_shown(asked, result))


def _renamed(item: Mapping[str, Any]) -> dict[str, Any]:
    """An ObjectIdentifier with the names that DeleteObject's parameters have."""
    names = {"ETag": "IfMatch", "LastModifiedTime": "IfMatchLastModifiedTime", "Size": "IfMatchSize"}
    return {names.get(name, name): value for name, value in item.items() if value not in (None, "")}


def _shown(asked: Mapping[str, Any], deleted: Deleted) -> dict[str, Any]:
    shown = {"Key": asked["Key"]}
    if asked.get("VersionId"):
        shown["VersionId"] = asked["VersionId"]
    if deleted.answer.get("DeleteMarker"):
        shown |= {"DeleteMarker": True, "DeleteMarkerVersionId": deleted.answer["VersionId"]}
    return shown


def _error(asked: Mapping[str, Any], error: AWSError) -> dict[str, Any]:
    if error.code == "InvalidArgument" and error.members.get("ArgumentName") == "versionId":
        error = writing.no_such_version(asked["Key"], asked["VersionId"])
    shown = {"Key": asked["Key"], "Code": error.code, "Message": error.message}
    return shown | ({"VersionId": asked["VersionId"]} if asked.get("VersionId") else {})
