"""Template parameters: what a template declares, and the values that a stack gives them
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pileus.services.cloudformation.documents import Path, TemplateError
from pileus.services.cloudformation.intrinsics import text

NO_ECHO = "****"
MAX_LENGTH = 4096
_STORED = "AWS::SSM::Parameter::Value<"
_LISTS = frozenset(
    {"List<Number>", "List<String>", "CommaDelimitedList", f"{_STORED}List<String>>", f"{_STORED}CommaDelimitedList>"}
)
_TYPES = frozenset({"String", "Number", f"{_STORED}String>", "AWS::SSM::Parameter::Name"}) | _LISTS
_ATTRIBUTES = frozenset({
    "Type", "Default", "NoEcho", "AllowedValues", "AllowedPattern", "MaxLength", "MinLength", "MaxValue",
    "MinValue", "Description", "ConstraintDescription",
})  # fmt: skip
_PATTERN_SECONDS = 2.0

Declarations = Mapping[str, Mapping[str, Any]]


def check_declarations(declared: Any) -> None:
    """Raises TemplateError where the section Parameters does not declare parameters."""
    for name, parameter in declared.items():
        path = ("Parameters", name)
        if not isinstance(parameter, dict) or "Type" not in parameter:
            raise TemplateError(
                f"Template format error: Every Parameters object must contain a Type member. ({name})", path
            )
        for key in parameter:
            if key not in _ATTRIBUTES:
                raise TemplateError(f"Invalid template parameter property '{key}' ({name})", (*path, key))
        _check_attributes(parameter, path)
        if parameter["Type"] not in _TYPES:
            raise TemplateError(
                f"Template format error: Unrecognized parameter type: {parameter['Type']}", (*path, "Type")
            )


def _check_attributes(parameter: Mapping[str, Any], path: Path) -> None:
    for key, value in parameter.items():
        if key in ("AllowedValues", "Default") and isinstance(value, list):
            fits = all(isinstance(item, str | int | float) for item in value)
        elif key in ("MinLength", "MaxLength", "MinValue", "MaxValue"):
            number = _number(value)
            fits = number is not None and number.is_finite()
        else:
            fits = key != "AllowedValues" and isinstance(value, str | int | float)
        if not fits:
            raise TemplateError(f"Template format error: {key} of a parameter cannot be that value", (*path, key))


def hidden(parameter: Mapping[str, Any]) -> bool:
    return text(parameter.get("NoEcho", False)).lower() == "true"


async def settle(declared: Declarations, given: Mapping[str, str]) -> dict[str, str]:
    """The value of every declared parameter, as a string. Raises TemplateError for missing, unknown and unfit ones."""
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template", ("Parameters",))
    values = {name: given.get(name, _default(parameter)) for name, parameter in declared.items()}
    missing = [name for name, value in values.items() if value is None]
    for name in missing:
        if declared[name]["Type"].startswith(_STORED):
            said = f"Parameter {name} should either have input value or default value"
            raise TemplateError(said, ("Parameters", name))
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values", ("Parameters", missing[0]))
    settled = {name: value for name, value in values.items() if value is not None}
    for name, value in settled.items():
        _check(name, declared[name], value)
    await _check_patterns(declared, settled)
    return settled


def stored(declared: Declarations, values: Mapping[str, str]) -> dict[str, str]:
    """Of the parameters whose values lie in the parameter store, under which names they lie there."""
    return {name: value for name, value in values.items() if declared[name]["Type"].startswith(_STORED)}


def typed(declared: Declarations, values: Mapping[str, str]) -> dict[str, str | list[str]]:
    """What Ref answers for each: lists are split at their commas."""
    return {name: _parts(value) if _is_list(declared[name]) else value for name, value in values.items()}


def _is_list(parameter: Mapping[str, Any]) -> bool:
    return parameter["Type"] in _LISTS


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")] if value else []


def _default(parameter: Mapping[str, Any]) -> str | None:
    if "Default" not in parameter:
        return None
    default = parameter["Default"]
    return ",".join(text(part) for part in default) if isinstance(default, list) else text(default)


def _check(name: str, parameter: Mapping[str, Any], value: str) -> None:
    path = ("Parameters", name)
    described = parameter.get("ConstraintDescription")

    def refuse(rule: str) -> TemplateError:
        message = f"failed to satisfy constraint: {described}" if described else rule
        return TemplateError(f"Parameter '{name}' {message}", path)

    if len(value) > MAX_LENGTH:
        raise refuse(f"must contain at most {MAX_LENGTH} characters")
    parts = _parts(value) if _is_list(parameter) else [value]
    allowed = parameter.get("AllowedValues")
    if isinstance(allowed, list) and not set(parts) <= {text(item) for item in allowed}:
        raise refuse("must be one of AllowedValues")
    if parameter["Type"] in ("Number", "List<Number>"):
        for part in parts:
            number = _number(part)
            if number is None or not number.is_finite():
                raise refuse("must be a number.")
            least, most = _number(parameter.get("MinValue")), _number(parameter.get("MaxValue"))
            if least is not None and number < least:
                raise refuse(f"must be a number not less than {least}")
            if most is not None and number > most:
                raise refuse(f"must be a number not greater than {most}")
    least, most = _number(parameter.get("MinLength")), _number(parameter.get("MaxLength"))
    if least is not None and len(value) < least:
        raise refuse(f"must contain at least {least} characters")
    if most is not None and len(value) > most:
        raise refuse(f"must contain at most {most} characters")


def _number(value: Any) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value).strip())
    except InvalidOperation:
        return None


async def _check_patterns(declared: Declarations, values: Mapping[str, str]) -> None:
    """A hostile pattern may take forever to match, so patterns run in a process that can be ended."""
    names = [name for name in values if "AllowedPattern" in declared[name]]
    if not names:
        return
    pairs = [
        [str(declared[name]["AllowedPattern"]), part]
        for name in names
        for part in (_parts(values[name]) if _is_list(declared[name]) else [values[name]])
    ]
    owners = [name for name in names for _ in (_parts(values[name]) if _is_list(declared[name]) else [0])]
    for name, fits in zip(owners, await _match(pairs), strict=False):
        if not fits:
            parameter = declared[name]
            rule = parameter.get("ConstraintDescription")
            message = (
                f"failed to satisfy constraint: {rule}" if rule else f"must match pattern {parameter['AllowedPattern']}"
            )
            raise TemplateError(f"Parameter '{name}' {message}", ("Parameters", name))


async def _match(pairs: list[list[str]]) -> list[bool]:
    program = "import json,re,sys\nprint(json.dumps([bool(re.fullmatch(p, v)) for p, v in json.load(sys.stdin)]))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", program,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(json.dumps(pairs).encode()), _PATTERN_SECONDS)
        matched: list[bool] = json.loads(output)
    except (TimeoutError, ValueError):
        raise TemplateError("Template error: an AllowedPattern is no regular expression or takes too long") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return matched
