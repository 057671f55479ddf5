"""What the parameter store keeps, and the names of parameters
(https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Reader
from pileus.store.records import Records

KEPT_VERSIONS = 100
LONGEST_NAME = 1011
LEVELS = 15
_NAME = re.compile(r"[a-zA-Z0-9_.\-/]+")


class Version(msgspec.Struct):
    """`value` of a SecureString is sealed."""

    value: bytes
    type: str
    created: float
    author: str
    description: str = ""


class Parameter(msgspec.Struct):
    """`number` is the newest version's."""

    number: int
    versions: dict[int, Version]
    tags: dict[str, str] = {}

    @property
    def newest(self) -> Version:
        return self.versions[self.number]


PARAMETERS = Records(Parameter, "ssm", "parameter")
"""Under account, region and name."""


class Key(NamedTuple):
    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return arn("ssm", self.region, self.account, f"parameter/{self.name.lstrip('/')}")


class Selected(NamedTuple):
    """A parameter as requests name it: `name`, `name:version` or an ARN of either."""

    key: Key
    selector: str


def invalid(message: str) -> AWSError:
    return AWSError("ValidationException", message)


def missing() -> AWSError:
    """AWS says no more: recorded."""
    return AWSError("ParameterNotFound", "")


def select(context: Context, text: str) -> Selected:
    if text.startswith("arn:"):
        parts = text.split(":", 5)
        if len(parts) < 6 or not parts[5].startswith("parameter/"):
            raise invalid(f"{text} is not the ARN of a parameter.")
        resource, _, selector = parts[5].removeprefix("parameter/").partition(":")
        # The ARN of a name in a hierarchy leaves out its first slash.
        name = f"/{resource}" if "/" in resource else resource
        return Selected(Key(parts[4], parts[3], name), f":{selector}" if selector else "")
    name, _, selector = text.partition(":")
    return Selected(Key(context.account, context.region, name), f":{selector}" if selector else "")


def find(reader: Reader, key: Key) -> Parameter:
    found = PARAMETERS.get(reader, *key)
    if found is None:
        raise missing()
    return found


def version_of(parameter: Parameter, selected: Selected) -> int:
    if not selected.selector:
        return parameter.number
    wanted = selected.selector[1:]
    if not wanted.isdigit() or int(wanted) not in parameter.versions:
        raise AWSError(
            "ParameterVersionNotFound",
            f"Systems Manager could not find version {wanted} of {selected.key.name}. Verify the version and try "
            "again.",
        )
    return int(wanted)


def check_name(name: str) -> None:
    parts = [part for part in name.split("/") if part]
    if parts and parts[0].lower().startswith(("aws", "ssm")):
        raise invalid(
            'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
            "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the "
            "following 3 symbols .-_"
        )
    if not _NAME.fullmatch(name) or not parts or "//" in name or name.endswith("/"):
        raise invalid(
            "Parameter name must be made of letters, numbers and the symbols . - _, with slashes between levels."
        )
    if "/" in name and not name.startswith("/"):
        raise invalid("Parameter name must be a fully qualified name.")
    if len(parts) > LEVELS:
        raise AWSError(
            "HierarchyLevelLimitExceededException", f"A parameter name can have at most {LEVELS} levels of hierarchy."
        )
    if len(name) > LONGEST_NAME:
        raise invalid(f"Parameter name cannot be longer than {LONGEST_NAME} characters.")


def access(context: Context, action: str, key: Key, **keys: Any) -> Access:
    parameter = PARAMETERS.get(context.store, *key)
    tags = {} if parameter is None else parameter.tags
    held = {f"{prefix}/{name.lower()}": value for name, value in tags.items()
            for prefix in ("aws:resourcetag", "ssm:resourcetag")}  # fmt: skip
    return Access(f"ssm:{action}", key.arn, {**held, **keys}, owner=key.account)


def on_parameter(action: str) -> AccessRule:
    return lambda context, request: access(context, action, select(context, request["Name"]).key)


def on_parameters(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Iterable[Access]:
        return [access(context, action, select(context, name).key) for name in request["Names"]]

    return rule


def own(context: Context, key: Key) -> Key:
    """Raises AWSError for another account's or another region's: there is no sharing of parameters."""
    if key[:2] != (context.account, context.region):
        raise missing()
    return key
