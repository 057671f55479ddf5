"""Layers: archives that functions share, in versions that never change."""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import limits, packages, service
from pileus.services.lambda_.access import on_everything, on_layer, on_layer_version, to_layer_version
from pileus.services.lambda_.configuration import invalid, now_text
from pileus.services.lambda_.names import LayerName, layer_name
from pileus.services.lambda_.packages import Packages
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import LAYER_COUNTERS, LAYER_POLICIES, LAYER_VERSIONS, LayerVersion, Package
from pileus.services.lambda_.runtimes import check_compatible
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction
from pileus.store.keys import pack


def attached(context: Context, arns: list[str]) -> list[tuple[str, Package]]:
    """The layers that a function asks for: ARN and package, in its order."""
    if len(arns) > limits.LAYERS:
        raise invalid("Cannot reference more than 5 layers.")
    found: list[tuple[str, Package]] = []
    seen: dict[str, str] = {}
    for text in arns:
        name = layer_name(context, text)
        if name.region != context.region:
            raise invalid(
                "Layers are not in the same region as the function. Layers are expected to be in region"
                f" {context.region}."
            )
        if name.arn in seen:
            raise invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function."
                f" {seen[name.arn]} and {text} are versions of the same layer."
            )
        seen[name.arn] = text
        version = LAYER_VERSIONS.get(context.store, name.account, name.region, name.name, name.version)
        if version is None:
            raise invalid(f"Layer version {text} does not exist.")
        found.append((text, version.package))
    return found


@service.operation("PublishLayerVersion", access=on_layer("PublishLayerVersion"))
async def publish_layer_version(context: Context, request: Shape) -> Shape:
    name = layer_name(context, request["LayerName"])
    if name.account != context.account:
        raise AWSError("AccessDeniedException", "Layers can only be published in the caller's account.", status=403)
    check_compatible(request)
    package = await packages.from_request(context, request["Content"], "PublishLayerVersion")
    keep = context.cloud.part(Packages)
    created = now_text(context.cloud.clock.now())

    def change(tx: Transaction) -> tuple[int, LayerVersion]:
        number = (LAYER_COUNTERS.get(tx, name.account, name.region, name.name) or 0) + 1
        version = LayerVersion(
            keep.hold(tx, package),
            packages.code_sha256(package),
            request.get("Description") or "",
            created,
            request.get("CompatibleRuntimes"),
            request.get("CompatibleArchitectures"),
            request.get("LicenseInfo"),
        )
        LAYER_COUNTERS.put(tx, name.account, name.region, name.name, value=number)
        LAYER_VERSIONS.put(tx, name.account, name.region, name.name, number, value=version)
        return number, version

    number, version = await context.store.transact(change)
    return _with_content(context, name._replace(version=number), version)


@service.operation("GetLayerVersion", access=on_layer_version("GetLayerVersion"))
async def get_layer_version(context: Context, request: Shape) -> Shape:
    name = layer_name(context, request["LayerName"], request["VersionNumber"])
    if request["VersionNumber"] < 1:
        raise invalid("Layer Version Cannot be less than 1")
    return _with_content(context, name, _requested(context, name))


def _requested(context: Context, name: LayerName) -> LayerVersion:
    version = LAYER_VERSIONS.get(context.store, name.account, name.region, name.name, name.version)
    if version is None:
        raise AWSError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return version


def _by_arn(context: Context, request: Shape) -> Access:
    return to_layer_version(context, "GetLayerVersion", request["Arn"])


@service.operation("GetLayerVersionByArn", access=_by_arn, actions=("lambda:GetLayerVersion",))
async def get_layer_version_by_arn(context: Context, request: Shape) -> Shape:
    name = layer_name(context, request["Arn"])
    return _with_content(context, name, _requested(context, name))


@service.operation("ListLayerVersions", access=on_everything("ListLayerVersions"))
async def list_layer_versions(context: Context, request: Shape) -> Shape:
    name = layer_name(context, request["LayerName"])
    if name.account != context.account:
        raise AWSError("AccessDeniedException", "Layers of other accounts cannot be listed.", status=403)
    check_compatible(request)
    rows = LAYER_VERSIONS.scan(
        context.store, name.account, name.region, name.name, after=position(request.get("Marker")), reverse=True
    )
    matching = (row for row in rows if _matches(row[1], request))
    shown, marker = page(matching, min(request.get("MaxItems") or 50, 50))
    versions = [_shape(name._replace(version=int(key[3])), version) for key, version in shown]  # type: ignore[arg-type]
    return {"LayerVersions": versions, **marker}


@service.operation("ListLayers", access=on_everything("ListLayers"))
async def list_layers(context: Context, request: Shape) -> Shape:
    check_compatible(request)
    after = position(request.get("Marker"))
    newest: dict[tuple[Any, ...], tuple[int, LayerVersion]] = {}
    for key, version in LAYER_VERSIONS.scan(context.store, context.account, context.region):
        if _matches(version, request) and (after is None or pack(*key[:3]) > pack(*after[:3])):
            newest[key[:3]] = int(key[3]), version  # type: ignore[arg-type]
    shown, marker = page(((key, found) for key, found in newest.items()), min(request.get("MaxItems") or 50, 50))
    layers = []
    for key, (number, version) in shown:
        name = LayerName(context.account, context.region, str(key[2]), number)
        layers.append(
            {"LayerName": name.name, "LayerArn": name.arn, "LatestMatchingVersion": _shape(name, version)}
        )  # fmt: skip
    return {"Layers": layers, **marker}


@service.operation("DeleteLayerVersion", access=on_layer_version("DeleteLayerVersion"))
async def delete_layer_version(context: Context, request: Shape) -> None:
    name = layer_name(context, request["LayerName"], request["VersionNumber"])
    if request["VersionNumber"] < 1:
        raise invalid("Layer Version Cannot be less than 1")
    keep = context.cloud.part(Packages)
    key = (name.account, name.region, name.name, name.version)

    def change(tx: Transaction) -> list[str]:
        version = LAYER_VERSIONS.get(tx, *key)
        LAYER_VERSIONS.delete(tx, *key)
        LAYER_POLICIES.delete(tx, *key)
        return keep.drop(tx, version.package) if version else []

    keep.discard(await context.store.transact(change))


def _matches(version: LayerVersion, request: Shape) -> bool:
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    return (not runtime or runtime in (version.runtimes or ())) and (
        not architecture or architecture in (version.architectures or ())
    )


def _shape(name: LayerName, version: LayerVersion) -> Shape:
    shape: Shape = {
        "LayerVersionArn": name.version_arn,
        "Version": name.version,
        "Description": version.description,
        "CreatedDate": version.created,
    }
    optional = {
        "CompatibleRuntimes": version.runtimes,
        "CompatibleArchitectures": version.architectures,
        "LicenseInfo": version.license,
    }
    return {**shape, **{member: value for member, value in optional.items() if value is not None}}


def _with_content(context: Context, name: LayerName, version: LayerVersion) -> Shape:
    content = {
        "Location": packages.location(context, version.package),
        "CodeSha256": version.code_sha256,
        "CodeSize": version.package.size,
    }
    return {**_shape(name, version), "LayerArn": name.arn, "Content": content}
