"""Functions: made, changed, shown, deleted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from pileus.aws.arn import parse
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Cloud, Context
from pileus.services.lambda_ import configuration as configurations
from pileus.services.lambda_ import limits, packages, service
from pileus.services.lambda_.access import (
    layer_keys,
    on_everything,
    on_function,
    on_whole_function,
    passed_role,
    request_tags,
    to_function,
    used_layers,
)
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.layers import attached
from pileus.services.lambda_.names import LATEST, FunctionName, function_name
from pileus.services.lambda_.names import parse as parse_name
from pileus.services.lambda_.packages import Packages
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import (
    ALIASES,
    EVENT_INVOKE_CONFIGS,
    FUNCTIONS,
    LAYER_VERSIONS,
    POLICIES,
    RESERVED,
    URL_CONFIGS,
    URL_OWNERS,
    VERSIONS,
    Function,
    Package,
    Version,
    get_function,
    get_version,
    not_found,
    version_number,
)
from pileus.services.lambda_.roles import Roles
from pileus.services.lambda_.runtimes import check_runtime
from pileus.services.lambda_.tags import check_tags
from pileus.services.lambda_.versions import put_published
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader, Transaction

_log = logging.getLogger(__name__)
_background: set[asyncio.Task[None]] = set()


def _on_create(context: Context, request: Shape) -> Iterable[Access]:
    name = parse_name(context, request["FunctionName"])
    yield to_function(context, "CreateFunction", name, {**layer_keys(context, request), **request_tags(request)})
    yield from passed_role(context, request)
    yield from used_layers(context, request)


def _on_configure(context: Context, request: Shape) -> Iterable[Access]:
    name = function_name(context, request)
    yield to_function(context, "UpdateFunctionConfiguration", name, layer_keys(context, request))
    yield from passed_role(context, request)
    yield from used_layers(context, request)


_ROLE_AND_LAYERS = ("iam:PassRole", "lambda:GetLayerVersion")


@service.operation("CreateFunction", access=_on_create, actions=("lambda:CreateFunction", *_ROLE_AND_LAYERS))
async def create_function(context: Context, request: Shape) -> Shape:
    name = parse_name(context, request["FunctionName"])
    _check_name(context, name)
    configurations.refuse_options(request)
    tags = request.get("Tags") or {}
    check_tags(tags)
    check_runtime(context, request)
    if FUNCTIONS.get(context.store, *name.key) is not None:
        raise _exists(name)
    await _check_role(context, name, request["Role"])
    layers = attached(context, request.get("Layers") or [])
    package = await packages.from_request(context, request["Code"], "CreateFunction")
    _check_size(package, layers)
    shown = [{"Arn": arn, "CodeSize": layer.size} for arn, layer in layers]
    configuration = configurations.create(name, request, package, shown, context.cloud.clock.now())
    keep = context.cloud.part(Packages)

    def change(tx: Transaction) -> Version:
        if FUNCTIONS.get(tx, *name.key) is not None:
            raise _exists(name)
        _check_storage(tx, name, package.size)
        FUNCTIONS.put(tx, *name.key, value=Function(context.cloud.clock.time(), tags=tags | dict(context.system_tags)))
        latest = Version(
            configuration, keep.hold(tx, package), [keep.hold(tx, layer) for _, layer in layers]
        )  # fmt: skip
        VERSIONS.put(tx, *name.key, 0, value=latest)
        return put_published(tx, keep, name, latest) if request.get("Publish") else latest

    version = await context.store.transact(change)
    context.cloud.part(Execution).runtime.prepare(configuration.runtime)
    _settle_soon(context.cloud, name)
    return {**version.configuration.shape, "FunctionArn": name.arn}


@service.operation(
    "UpdateFunctionCode", access=on_whole_function("UpdateFunctionCode"), actions=("lambda:UpdateFunctionCode",)
)
async def update_function_code(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    configurations.refuse_options(request)
    if request.get("ImageUri"):
        raise invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
    get_version(context.store, name)
    package = await packages.from_request(context, request, "UpdateFunctionCode")
    keep = context.cloud.part(Packages)
    now = context.cloud.clock.now()

    def change(tx: Transaction) -> tuple[Version, list[str]]:
        latest = _changeable(tx, name, request.get("RevisionId"))
        _check_size(package, [("", layer) for layer in latest.layers])
        if request.get("DryRun"):
            latest.configuration.code_sha256 = packages.code_sha256(package)
            latest.configuration.code_size = package.size
            return latest, [package.blob]
        _check_storage(tx, name, package.size)
        held = keep.hold(tx, package)
        gone = keep.drop(tx, latest.package)
        latest.package = held
        latest.published = 0
        latest.configuration.code_size = package.size
        latest.configuration.code_sha256 = packages.code_sha256(package)
        if request.get("Architectures"):
            latest.configuration.architectures = request["Architectures"]
        configurations.change(latest.configuration, {}, None, now)
        configurations.update_in_progress(latest.configuration)
        VERSIONS.put(tx, *name.key, 0, value=latest)
        if request.get("Publish"):
            return put_published(tx, keep, name, latest), gone
        return latest, gone

    version, gone = await context.store.transact(change)
    keep.discard(gone)
    if not request.get("DryRun"):
        _settle_soon(context.cloud, name)
    return version.configuration.shape


@service.operation(
    "UpdateFunctionConfiguration",
    access=_on_configure,
    actions=("lambda:UpdateFunctionConfiguration", *_ROLE_AND_LAYERS),
)
async def update_function_configuration(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    configurations.refuse_options(request)
    check_runtime(context, request)
    get_version(context.store, name)
    if request.get("Role"):
        await _check_role(context, name, request["Role"])
    layers = attached(context, request["Layers"]) if "Layers" in request else None
    shown = None if layers is None else [{"Arn": arn, "CodeSize": layer.size} for arn, layer in layers]
    keep = context.cloud.part(Packages)
    now = context.cloud.clock.now()

    def change(tx: Transaction) -> tuple[Version, list[str]]:
        latest = _changeable(tx, name, request.get("RevisionId"))
        gone: list[str] = []
        if layers is not None:
            _check_size(latest.package, layers)
            held = [keep.hold(tx, layer) for _, layer in layers]
            for layer in latest.layers:
                gone += keep.drop(tx, layer)
            latest.layers = held
        latest.published = 0
        configurations.change(latest.configuration, request, shown, now)
        configurations.update_in_progress(latest.configuration)
        VERSIONS.put(tx, *name.key, 0, value=latest)
        return latest, gone

    latest, gone = await context.store.transact(change)
    keep.discard(gone)
    _settle_soon(context.cloud, name)
    return latest.configuration.shape


@service.operation("GetFunction", access=on_function("GetFunction"))
async def get_function_operation(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    with context.store.snapshot() as reader:
        version = get_version(reader, name)
        function = get_function(reader, name)
    answer: Shape = {
        "Configuration": {**version.configuration.shape, "FunctionArn": name.qualified_arn},
        "Code": {"RepositoryType": "S3", "Location": packages.location(context, version.package)},
    }
    if function.tags:
        answer["Tags"] = function.tags
    if function.reserved is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
    return answer


@service.operation("GetFunctionConfiguration", access=on_function("GetFunctionConfiguration"))
async def get_function_configuration(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    return {**get_version(context.store, name).configuration.shape, "FunctionArn": name.qualified_arn}


@service.operation("ListFunctions", access=on_everything("ListFunctions"))
async def list_functions(context: Context, request: Shape) -> Shape:
    if request.get("MasterRegion", "ALL") != "ALL":
        raise option_not_implemented("MasterRegion", "functions are not replicated.")
    after = position(request.get("Marker"))
    every = request.get("FunctionVersion") == "ALL"
    rows = VERSIONS.scan(context.store, context.account, context.region, after=after)
    found = (row for row in rows if every or row[0][3] == 0)
    shown, marker = page(found, min(request.get("MaxItems") or 50, 50))
    functions = []
    for key, version in shown:
        name = FunctionName(context.account, context.region, str(key[2]))
        arn = name.at(version.configuration.version).qualified_arn if every else name.arn
        functions.append(configurations.listed(version.configuration, arn))
    return {"Functions": functions, **marker}


@service.operation("DeleteFunction", access=on_function("DeleteFunction"))
async def delete_function(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    if name.qualifier == LATEST:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    keep = context.cloud.part(Packages)

    def change(tx: Transaction) -> list[str]:
        if FUNCTIONS.get(tx, *name.key) is None:
            raise not_found(name.at(""))
        return _delete_version(tx, keep, name) if name.qualifier else _delete_all(tx, keep, name)

    keep.discard(await context.store.transact(change))
    if not name.qualifier:
        context.cloud.part(Execution).runtime.retire(*name.key)
    return {"StatusCode": 204}


def _delete_version(tx: Transaction, keep: Packages, name: FunctionName) -> list[str]:
    number = version_number(name.qualifier)
    if number is None:
        raise invalid("Deletion of aliases is not currently supported.")
    version = VERSIONS.get(tx, *name.key, number) if number < 1 << 32 else None
    if version is None:
        return []
    for key, alias in ALIASES.scan(tx, *name.key):
        if name.qualifier in (alias.version, *alias.weights):
            raise AWSError(
                "ResourceConflictException",
                f"Unable to delete version because the following aliases reference it: [{key[3]!s}]",
                Type="User",
            )
    VERSIONS.delete(tx, *name.key, number)
    for records in (POLICIES, EVENT_INVOKE_CONFIGS):
        records.delete(tx, *name.key, name.qualifier)
    return _drop(tx, keep, version)


def _delete_all(tx: Transaction, keep: Packages, name: FunctionName) -> list[str]:
    gone: list[str] = []
    for _, version in list(VERSIONS.scan(tx, *name.key)):
        gone += _drop(tx, keep, version)
    for _, url in list(URL_CONFIGS.scan(tx, *name.key)):
        URL_OWNERS.delete(tx, url.id)
    reserved = get_function(tx, name).reserved
    if reserved:
        total = RESERVED.get(tx, name.account, name.region) or 0
        RESERVED.put(tx, name.account, name.region, value=max(0, total - reserved))
    for records in (FUNCTIONS, VERSIONS, ALIASES, POLICIES, EVENT_INVOKE_CONFIGS, URL_CONFIGS):
        records.delete_all(tx, *name.key)
    return gone


def _drop(tx: Transaction, keep: Packages, version: Version) -> list[str]:
    gone: list[str] = []
    for package in (version.package, *version.layers):
        gone += keep.drop(tx, package)
    return gone


def _changeable(tx: Transaction, name: FunctionName, revision: str | None) -> Version:
    latest = get_version(tx, name)
    if latest.busy:
        raise AWSError(
            "ResourceConflictException",
            f"The operation cannot be performed at this time. An update is in progress for resource: {name.arn}",
            Type="User",
        )
    configurations.check_revision(latest.configuration, revision)
    return latest


def _settle_soon(cloud: Cloud, name: FunctionName) -> None:
    task = asyncio.create_task(_settle_quietly(cloud, name), name=f"settle {name.name}")
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _settle_quietly(cloud: Cloud, name: FunctionName) -> None:
    try:
        await settle(cloud, name)
    except Exception:
        _log.exception("%s could not be made active", name.arn)


async def settle(cloud: Cloud, name: FunctionName) -> None:
    """Ends the Pending and InProgress states of a function's versions, whose code is unpacked by now."""

    def change(tx: Transaction) -> Version | None:
        for key, version in list(VERSIONS.scan(tx, *name.key)):
            if version.busy:
                configurations.settle(version.configuration)
                VERSIONS.put(tx, *key, value=version)
        return VERSIONS.get(tx, *name.key, 0)

    latest = await cloud.store.transact(change)
    if latest is not None:
        execution = cloud.part(Execution)
        execution.runtime.retire(*name.key, keep=execution.runnable(name, latest))


async def _settle_all(cloud: Cloud) -> None:
    """What a killed process left in a passing state."""
    for name in {FunctionName(*map(str, key[:3])) for key, version in VERSIONS.scan(cloud.store) if version.busy}:
        await settle(cloud, name)


service.on_start.append(_settle_all)


def _check_name(context: Context, name: FunctionName) -> None:
    if name.account != context.account:
        raise AWSError("AccessDeniedException", "Functions can only be created in the caller's account.", status=403)
    if name.qualifier:
        raise invalid("The function name of a new function has no qualifier.")
    if len(name.name) > 64:
        raise invalid(
            f"1 validation error detected: Value '{name.name}' at 'functionName' failed to satisfy constraint: Member"
            " must have length less than or equal to 64"
        )


def _exists(name: FunctionName) -> AWSError:
    return AWSError("ResourceConflictException", f"Function already exist: {name.name}", Type="User")


async def _check_role(context: Context, name: FunctionName, role: str) -> None:
    if parse(role).account != name.account:
        raise AWSError("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)
    try:
        await context.cloud.part(Roles).assume(role, name.name, name.region)
    except AWSError as error:
        raise invalid("The role defined for the function cannot be assumed by Lambda.") from error


def _check_size(package: Package, layers: list[tuple[str, Package]]) -> None:
    if package.unpacked + sum(layer.unpacked for _, layer in layers) > limits.UNZIPPED_BYTES:
        raise invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {limits.UNZIPPED_BYTES} bytes."
            f" The actual size is {package.unpacked + sum(layer.unpacked for _, layer in layers)} bytes."
        )


def stored_bytes(reader: Reader, account: str, region: str) -> int:
    """What counts against the account's code storage."""
    functions = sum(version.package.size for _, version in VERSIONS.scan(reader, account, region))
    return functions + sum(layer.package.size for _, layer in LAYER_VERSIONS.scan(reader, account, region))


def _check_storage(reader: Reader, name: FunctionName, more: int) -> None:
    if stored_bytes(reader, name.account, name.region) + more > limits.CODE_STORAGE_BYTES:
        raise AWSError("CodeStorageExceededException", "Code storage limit exceeded.", Type="User")
