"""AWS::Lambda::Function."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, settled, tag_map
from pileus.services.cloudformation.schemas import members

_DEFAULTS: dict[str, Any] = {
    "Description": "", "Timeout": 3, "MemorySize": 128, "Environment": {"Variables": {}}, "Layers": [],
    "EphemeralStorage": {"Size": 512}, "TracingConfig": {"Mode": "PassThrough"}, "DeadLetterConfig": {"TargetArn": ""},
    "LoggingConfig": {"LogFormat": "Text"}, "KMSKeyArn": "", "SnapStart": {"ApplyOn": "None"},
}  # fmt: skip
"""What UpdateFunctionConfiguration is sent for a property that was taken out of the template."""
_CONFIGURATION = ("Handler", "Runtime", "Role", *_DEFAULTS, "VpcConfig", "FileSystemConfigs")
_DIRECT = (*_CONFIGURATION, "PackageType", "Architectures")
_PROPERTIES = tuple(name for name in _DIRECT if name != "KMSKeyArn")
_SOURCE_FILES = {"python": "index.py", "nodejs": "index.js"}
_RESPONSE_MODULES = {"index.py": ("cfnresponse.py", ""), "index.js": ("cfn-response.js", "node_modules/")}
_INLINE = Path(__file__).parent.parent / "inline"


async def create(work: Work) -> None:
    name = work.name("FunctionName", 64)
    await work.create(
        "lambda", "CreateFunction", exists="ResourceConflictException", FunctionName=name, Code=_code(work),
        Tags=tag_map(work.properties.get("Tags")) or None, **work.given(*_PROPERTIES), **_key(work),
    )  # fmt: skip
    await work.identify(name)
    await _concurrency(work)
    await _describe(work)


def _code(work: Work) -> dict[str, Any]:
    """The bundle in S3, or the source text in the template, which becomes the one file `index`."""
    code: dict[str, Any] = dict(work.properties["Code"])
    source = code.get("ZipFile")
    if source is not None:
        runtime = work.properties.get("Runtime", "")
        file = next((file for prefix, file in _SOURCE_FILES.items() if runtime.startswith(prefix)), None)
        if file is None:
            raise TemplateError(
                f"ZipFile can only be used when Runtime is a version of nodejs or python ({work.logical_id})"
            )
        code["ZipFile"] = _bundle(file, source)
    return code


def _bundle(file: str, source: str) -> bytes:
    """Always the same bytes for the same source, so that its hash says whether it changed. Code that answers for a
    custom resource gets the module for it, as on AWS."""
    texts = {file: source}
    module, place = _RESPONSE_MODULES[file]
    if module.partition(".")[0] in source:
        texts[place + module] = (_INLINE / module).read_text()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in texts.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()


def _key(work: Work) -> dict[str, Any]:
    key = work.properties.get("KmsKeyArn")
    return {"KMSKeyArn": key} if key else {}


async def _concurrency(work: Work) -> None:
    if not work.changed("ReservedConcurrentExecutions"):
        return
    name, wanted = work.physical_id, work.properties.get("ReservedConcurrentExecutions")
    if wanted is None:
        await work.call("lambda", "DeleteFunctionConcurrency", FunctionName=name)
    else:
        await work.call("lambda", "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=wanted)


async def _describe(work: Work) -> None:
    request = {"FunctionName": work.physical_id}
    found = await settled(work, "lambda", "GetFunctionConfiguration", request, _busy)
    if found.get("State") == "Failed" or found.get("LastUpdateStatus") == "Failed":
        raise TemplateError(
            found.get("StateReason") or found.get("LastUpdateStatusReason") or "The function failed to start"
        )
    work.attributes = {"Arn": found["FunctionArn"]}


def _busy(found: dict[str, Any]) -> bool:
    return found.get("State") == "Pending" or found.get("LastUpdateStatus") == "InProgress"


async def update(work: Work) -> None:
    name = work.physical_id
    if work.changed("Code", "Architectures"):
        await work.call("lambda", "UpdateFunctionCode", FunctionName=name, **_code(work), **work.given("Architectures"))
        await _describe(work)
    changed = [item for item in _CONFIGURATION if item != "KMSKeyArn" and work.changed(item)]
    if changed or work.changed("KmsKeyArn"):
        request = {item: work.properties.get(item, _DEFAULTS.get(item)) for item in changed} | _key(work)
        await work.call("lambda", "UpdateFunctionConfiguration", FunctionName=name, **request)
    await _concurrency(work)
    await _describe(work)
    if work.changed("Tags"):
        await _tag(work)


async def _tag(work: Work) -> None:
    old, new = (tag_map(properties.get("Tags")) for properties in (work.previous, work.properties))
    gone = sorted(old.keys() - new.keys())
    if gone:
        await work.call("lambda", "UntagResource", Resource=work.attributes["Arn"], TagKeys=gone)
    if new:
        await work.call("lambda", "TagResource", Resource=work.attributes["Arn"], Tags=new)


async def delete(work: Work) -> None:
    await absent(work.call("lambda", "DeleteFunction", FunctionName=work.physical_id), "ResourceNotFoundException")


FUNCTION = ResourceType(
    "AWS::Lambda::Function",
    properties={
        "FunctionName": str,
        "Code": {
            "ZipFile": str, "S3Bucket": str, "S3Key": str, "S3ObjectVersion": str, "ImageUri": str,
            "SourceKMSKeyArn": str,
        },
        "KmsKeyArn": str, "ReservedConcurrentExecutions": int, "Tags": [{"Key": str, "Value": str}],
        **members("lambda", "CreateFunction", _PROPERTIES),
    },
    create=create, update=update, delete=delete,
    required=frozenset({"Code", "Role"}),
    create_only=frozenset({"FunctionName", "PackageType"}),
    attributes=frozenset({"Arn"}),
    name_property="FunctionName", tags="Tags",
)  # fmt: skip
