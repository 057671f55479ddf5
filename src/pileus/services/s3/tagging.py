"""Object tags: PutObjectTagging, GetObjectTagging, DeleteObjectTagging."""

from __future__ import annotations

from typing import Any

from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import access, objects, service, tags, versions
from pileus.services.s3.acls import change_version
from pileus.services.s3.state import Bucket, Version


def _actions(verb: str) -> tuple[str, str]:
    return f"s3:{verb}ObjectTagging", f"s3:{verb}ObjectVersionTagging"


def _putting(context: Context, request: Shape) -> Access:
    """Policies may ask for the new tags as well as for those that there are."""
    bucket = access.find(context, request)
    named = request.get("VersionId")
    version = versions.look_up(context.store, bucket.name, request["Key"], named)
    asked = access.object_access(
        context,
        {name: value for name, value in request.items() if name != "Tagging"},
        bucket,
        request["Key"],
        _actions("Put")[bool(named)],
        version,
    )
    given = [(tag["Key"], tag["Value"]) for tag in request["Tagging"]["TagSet"]]
    keys = {**asked.keys, **access.tag_keys("s3:requestobjecttag", given)}
    return Access(asked.action, asked.resource, keys, asked.resource_policies, asked.owner)


def _shown(bucket: Bucket, version: Version) -> dict[str, Any]:
    return {"VersionId": version.id} if bucket.versioning else {}


@service.operation("PutObjectTagging", access=_putting, actions=_actions("Put"))
async def put_object_tagging(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    objects.readable(context, bucket, request, "PUT")
    given = tags.of_object(request["Tagging"]["TagSet"])
    return await _set(context, bucket, request, given, "ObjectTagging:Put")


@service.operation("DeleteObjectTagging", access=access.on_version(*_actions("Delete")), actions=_actions("Delete"))
async def delete_object_tagging(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    objects.readable(context, bucket, request, "DELETE")
    return await _set(context, bucket, request, {}, "ObjectTagging:Delete")


async def _set(context: Context, bucket: Bucket, request: Shape, given: dict[str, str], event: str) -> Shape:
    def alter(now: Version) -> None:
        now.properties.tags = given

    version = await change_version(context, bucket, request, alter, event)
    return _shown(bucket, version)


@service.operation("GetObjectTagging", access=access.on_version(*_actions("Get")), actions=_actions("Get"))
async def get_object_tagging(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    version = objects.readable(context, bucket, request, "GET")
    return {"TagSet": tags.shape(version.properties.tags), **_shown(bucket, version)}
