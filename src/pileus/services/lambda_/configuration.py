"""A version's configuration: made from a request, checked, changed, shown."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

import msgspec
import orjson

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.lambda_ import limits
from pileus.services.lambda_.names import LATEST, FunctionName
from pileus.services.lambda_.packages import code_sha256
from pileus.services.lambda_.records import Configuration, Package

_CREATING = "The function is being created."

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    }
)  # fmt: skip

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtime-support-policy
_ENDED_RUNTIMES = frozenset(
    {
        "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x",
        "python2.7", "python3.6", "python3.7", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
        "ruby2.5", "ruby2.7", "java8", "go1.x", "provided",
    }
)  # fmt: skip

# Options that are refused where they ask for something, and what it would be.
_REFUSED = {
    "CapacityProviderConfig": "",
    "DurableConfig": "",
    "TenancyConfig": "",
    "AcceleratorConfig": "",
    "RuntimeConfig": "",
    "PublishTo": "",
    "ImageConfig": "functions run from zip packages, not from container images.",
    "FileSystemConfigs": "",
    "KMSKeyArn": "there is no KMS; the data directory is the place to encrypt.",
    "SourceKMSKeyArn": "there is no KMS; the data directory is the place to encrypt.",
    "CodeSigningConfigArn": "code signing is not available.",
}


def refuse_options(request: dict[str, Any]) -> None:
    """Raises NotImplemented for what would otherwise be accepted and ignored."""
    for option, why in _REFUSED.items():
        if request.get(option):
            raise option_not_implemented(option, why)
    if request.get("PackageType", "Zip") != "Zip":
        raise option_not_implemented("PackageType Image", "functions run from zip packages, not from container images.")
    vpc = request.get("VpcConfig") or {}
    if vpc.get("SubnetIds") or vpc.get("SecurityGroupIds"):
        raise option_not_implemented("VpcConfig", "functions reach the machine's own network; there are no VPCs.")
    if (request.get("DeadLetterConfig") or {}).get("TargetArn"):
        raise option_not_implemented(
            "DeadLetterConfig",
            "AWS knows SQS and SNS targets, which are not here; use a Lambda destination on failure.",
        )
    if (request.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise option_not_implemented("SnapStart", "there are no snapshots of initialised functions.")


def now_text(now: datetime) -> str:
    """A Timestamp as Lambda writes them."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}+0000"


def revision() -> str:
    return str(uuid.uuid4())


def invalid(message: str) -> AWSError:
    return AWSError("InvalidParameterValueException", message, Type="User")


def create(
    name: FunctionName, request: dict[str, Any], package: Package, layers: list[dict[str, Any]], now: datetime
) -> Configuration:
    if not request.get("Runtime") or not request.get("Handler"):
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    configuration = Configuration(
        function_name=name.name,
        function_arn=name.arn,
        runtime=request["Runtime"],
        role=request["Role"],
        handler=request["Handler"],
        code_size=package.size,
        description="",
        timeout=3,
        memory_size=128,
        last_modified="",
        code_sha256=code_sha256(package),
        version=LATEST,
        tracing_config={"Mode": "PassThrough"},
        revision_id="",
        package_type="Zip",
        architectures=["x86_64"],
        ephemeral_storage={"Size": 512},
        snap_start={"ApplyOn": "None", "OptimizationStatus": "Off"},
        logging_config={"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name.name}"},
        runtime_version_config={},
        state="Pending",
        state_reason=_CREATING,
        state_reason_code="Creating",
    )
    change(configuration, request, layers, now)
    if request.get("Architectures"):
        configuration.architectures = request["Architectures"]
    return configuration


def change(
    configuration: Configuration, request: dict[str, Any], layers: list[dict[str, Any]] | None, now: datetime
) -> None:
    """Takes over what the request says, checked. `layers` is None where it says nothing of them."""
    checked = {member: value for member, check in _CHECKS.items() if (value := check(request)) is not None}
    for member, value in checked.items():
        setattr(configuration, member, value)
    if "LoggingConfig" in request:
        configuration.logging_config = _logging(configuration, request["LoggingConfig"])
    if layers is not None:
        configuration.layers = layers or None
    configuration.runtime_version_config = {"RuntimeVersionArn": runtime_version_arn(configuration)}
    configuration.last_modified = now_text(now)
    configuration.revision_id = revision()


def update_in_progress(configuration: Configuration) -> None:
    configuration.last_update_status = "InProgress"
    configuration.last_update_status_reason = _CREATING
    configuration.last_update_status_reason_code = "Creating"


def settle(configuration: Configuration) -> None:
    """The creation or update is through."""
    configuration.state = "Active"
    configuration.last_update_status = "Successful"
    configuration.state_reason = configuration.state_reason_code = None
    configuration.last_update_status_reason = configuration.last_update_status_reason_code = None
    configuration.revision_id = revision()


def check_revision(configuration: Configuration, wanted: str | None) -> None:
    check_revision_id(configuration.revision_id, wanted)


def check_revision_id(current: str, wanted: str | None) -> None:
    if wanted and wanted != current:
        raise AWSError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to"
            " retrieve the latest Revision Id",
            Type="User",
        )


def listed(configuration: Configuration, arn: str) -> dict[str, Any]:
    """As lists show it: without states and runtime version."""
    shape = configuration.shape
    for member in list(shape):
        if member.startswith(("State", "LastUpdate")) or member == "RuntimeVersionConfig":
            del shape[member]
    return {**shape, "FunctionArn": arn}


def runtime_version_arn(configuration: Configuration) -> str:
    region = configuration.function_arn.split(":")[3]
    digest = hashlib.sha256(configuration.runtime.encode()).hexdigest()
    return f"arn:aws:lambda:{region}::runtime:{digest}"


def copied(configuration: Configuration) -> Configuration:
    return msgspec.structs.replace(configuration)


def supported_runtime(request: dict[str, Any]) -> str | None:
    runtime: str | None = request.get("Runtime")
    if runtime in _ENDED_RUNTIMES:
        raise invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions."
            " We recommend you use a supported runtime while creating or updating functions."
        )
    return runtime


def _timeout(request: dict[str, Any]) -> int | None:
    return _at_most(request.get("Timeout"), "timeout", limits.TIMEOUT_SECONDS)


def _memory_size(request: dict[str, Any]) -> int | None:
    size: int | None = request.get("MemorySize")
    if size is not None and size > limits.MEMORY_MEGABYTES:
        raise invalid(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to"
            f" {limits.MEMORY_MEGABYTES}"
        )
    return size


def _ephemeral_storage(request: dict[str, Any]) -> dict[str, int] | None:
    asked = request.get("EphemeralStorage")
    size = _at_most(asked and asked["Size"], "ephemeralStorage.size", limits.EPHEMERAL_STORAGE_MEGABYTES)
    return None if size is None else {"Size": size}


def _at_most(value: int | None, member: str, limit: int) -> int | None:
    if value is not None and value > limit:
        raise AWSError(
            "ValidationException",
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have"
            f" value less than or equal to {limit}",
            status=400,
        )
    return value


def _environment(request: dict[str, Any]) -> dict[str, dict[str, str]] | None:
    if "Environment" not in request:
        return None
    variables: dict[str, str] = request["Environment"].get("Variables") or {}
    refused = "Lambda was unable to configure your environment variables because the environment variables you have"
    measured = orjson.dumps(variables)
    if len(measured) > limits.ENVIRONMENT_BYTES:
        raise invalid(f"{refused} provided exceeded the 4KB limit. String measured: {measured.decode()}")
    if any("\0" in value for value in variables.values()):
        raise invalid(f"{refused} provided contains a null character, which no process can be given.")
    reserved = [key for key in variables if key in _RESERVED_VARIABLES]
    if reserved:
        raise invalid(
            f"{refused} provided contains reserved keys that are currently not supported for modification. Reserved"
            f" keys used in this request: {', '.join(reserved)}"
        )
    return {"Variables": variables}


def _tracing(request: dict[str, Any]) -> dict[str, str] | None:
    asked = request.get("TracingConfig")
    return {"Mode": asked.get("Mode", "PassThrough")} if asked else None


def _logging(configuration: Configuration, asked: dict[str, str]) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html"""
    current = configuration.logging_config
    form = asked.get("LogFormat", current["LogFormat"])
    group = asked.get("LogGroup") or current["LogGroup"]
    if form == "Text":
        if asked.get("ApplicationLogLevel") or asked.get("SystemLogLevel"):
            raise invalid("Log levels are only supported for the JSON log format.")
        return {"LogFormat": form, "LogGroup": group}
    levels = {
        member: asked.get(member) or current.get(member) or "INFO"
        for member in ("ApplicationLogLevel", "SystemLogLevel")
    }
    return {"LogFormat": form, **levels, "LogGroup": group}


_CHECKS: dict[str, Any] = {
    "runtime": supported_runtime,
    "role": lambda request: request.get("Role"),
    "handler": lambda request: request.get("Handler"),
    "description": lambda request: request.get("Description"),
    "timeout": _timeout,
    "memory_size": _memory_size,
    "environment": _environment,
    "ephemeral_storage": _ephemeral_storage,
    "tracing_config": _tracing,
}
