"""Published versions: a function's code and configuration, unchangeable under a number."""

from __future__ import annotations

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import configuration as configurations
from pileus.services.lambda_ import service
from pileus.services.lambda_.access import on_whole_function
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.names import FunctionName, function_name
from pileus.services.lambda_.packages import Packages
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import FUNCTIONS, VERSIONS, Version, get_function, get_version
from pileus.services.operation import Shape
from pileus.store.interface import Transaction


def put_published(
    tx: Transaction, keep: Packages, name: FunctionName, latest: Version, description: str | None = None
) -> Version:
    """The version that $LATEST is published as: the last one where nothing changed since."""
    existing = VERSIONS.get(tx, *name.key, latest.published) if latest.published else None
    if existing is not None:
        return existing
    function = get_function(tx, name)
    function.published += 1
    number = function.published
    configuration = configurations.copied(latest.configuration)
    configuration.version = str(number)
    configuration.function_arn = name.at(str(number)).qualified_arn
    configuration.revision_id = configurations.revision()
    if description is not None:
        configuration.description = description
    if latest.busy:
        configuration.state = "Pending"
        configuration.state_reason = configuration.state_reason or configuration.last_update_status_reason
        configuration.state_reason_code = "Creating"
        configuration.last_update_status = None
        configuration.last_update_status_reason = configuration.last_update_status_reason_code = None
    version = Version(
        configuration, keep.hold(tx, latest.package), [keep.hold(tx, layer) for layer in latest.layers]
    )  # fmt: skip
    latest.published = number
    FUNCTIONS.put(tx, *name.key, value=function)
    VERSIONS.put(tx, *name.key, number, value=version)
    VERSIONS.put(tx, *name.key, 0, value=latest)
    return version


@service.operation("PublishVersion", access=on_whole_function("PublishVersion"))
async def publish_version(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    configurations.refuse_options(request)
    keep = context.cloud.part(Packages)

    def change(tx: Transaction) -> Version:
        latest = get_version(tx, name)
        configuration = latest.configuration
        if latest.busy:
            raise AWSError(
                "ResourceConflictException",
                f"The operation cannot be performed at this time. An update is in progress for resource: {name.arn}",
                Type="User",
            )
        configurations.check_revision(configuration, request.get("RevisionId"))
        wanted = request.get("CodeSha256")
        if wanted and wanted != configuration.code_sha256:
            raise invalid(
                f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({configuration.code_sha256})."
                " Please try again with the CodeSHA256 in $LATEST."
            )
        existing = VERSIONS.get(tx, *name.key, latest.published) if latest.published else None
        if existing is None:
            latest.configuration.revision_id = configurations.revision()
        return put_published(tx, keep, name, latest, request.get("Description"))

    return (await context.store.transact(change)).configuration.shape


@service.operation("ListVersionsByFunction", access=on_whole_function("ListVersionsByFunction"))
async def list_versions_by_function(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    get_function(context.store, name)
    rows = VERSIONS.scan(context.store, *name.key, after=position(request.get("Marker")))
    shown, marker = page(rows, min(request.get("MaxItems") or 50, 50))
    return {
        "Versions": [
            configurations.listed(version.configuration, name.at(version.configuration.version).qualified_arn)
            for _, version in shown
        ],
        **marker,
    }
