"""Intrinsic functions and pseudo parameters
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html).

`evaluate` computes a part of a template in a Scope; `references` lists what a part refers to without computing it;
`prune` decides its Fn::If, so that only what counts is left.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pileus.services.cloudformation.documents import Path, TemplateError

MAX_OUTPUT = 8 * 1024 * 1024
"""Characters that one evaluation may produce: references multiply long parameter values."""

_SUBSTITUTION = re.compile(r"\$\{(!?)([^${}]*)\}")
_PSEUDO = frozenset({
    "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId",
    "AWS::StackName", "AWS::URLSuffix",
})  # fmt: skip


class _NoValue:
    """What `AWS::NoValue` stands for: the property is as if it were not there."""


NO_VALUE = _NoValue()


def _nothing_provisioned(logical_id: str, attribute: str | None) -> Any:
    raise TemplateError(f"Template error: {logical_id} is not available here")


def _no_export(name: str) -> str:
    raise TemplateError(f"No export named {name} found.")


@dataclass
class Scope:
    """All that names in a template may stand for. `resource` answers a resource's Ref (attribute None) or one of its
    attributes, `export` the value of another stack's export."""

    region: str
    account: str
    stack_name: str = ""
    stack_id: str = ""
    parameters: Mapping[str, str | list[str]] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    resource: Callable[[str, str | None], Any] = _nothing_provisioned
    export: Callable[[str], str] = _no_export
    _decided: dict[str, bool | None] = field(default_factory=dict)
    _produced: int = 0

    def pseudo(self, name: str) -> Any:
        return {
            "AWS::AccountId": self.account,
            "AWS::NotificationARNs": [],
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }[name]

    def reference(self, name: str) -> Any:
        if name in _PSEUDO:
            return self.pseudo(name)
        value = self.parameters[name] if name in self.parameters else self.resource(name, None)
        self.produce(value)
        return value

    def produce(self, value: Any) -> None:
        self._produced += len(value) if isinstance(value, str) else 0
        if self._produced > MAX_OUTPUT:
            raise TemplateError("Template error: the template's values are too large")

    def condition(self, name: str, path: Path = ()) -> bool:
        """The condition's value, computed once."""
        if name not in self.conditions:
            raise TemplateError(f"Template error: unresolved condition dependency {name}", path)
        if name not in self._decided:
            self._decided[name] = None
            self._decided[name] = truth(self.conditions[name], self, ("Conditions", name))
        decided = self._decided[name]
        if decided is None:
            raise TemplateError(f"Template error: circular dependency of condition {name}", ("Conditions", name))
        return decided


def function_of(value: Any) -> tuple[str, Any] | None:
    """The function's name and argument where `value` is a call of one."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
        if name in ("Ref", "Condition") and isinstance(argument, str):
            return name, argument
        if isinstance(name, str) and name.startswith("Fn::"):
            return name, argument
    return None


def text(value: Any) -> str:
    """A scalar as CloudFormation writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def evaluate(value: Any, scope: Scope, path: Path = ()) -> Any:
    """`value` with every function in it computed. May answer NO_VALUE at the top only."""
    call = function_of(value)
    if call is not None and call[0] != "Condition":
        name, argument = call
        function = _FUNCTIONS.get(name)
        if function is None:
            raise TemplateError(f"Template error: Pileus does not implement the function {name}", (*path, name))
        return function(argument, scope, (*path, name))
    if isinstance(value, dict):
        pairs = ((key, evaluate(item, scope, (*path, key))) for key, item in value.items())
        return {key: item for key, item in pairs if item is not NO_VALUE}
    if isinstance(value, list):
        items = (evaluate(item, scope, (*path, index)) for index, item in enumerate(value))
        return [item for item in items if item is not NO_VALUE]
    if isinstance(value, str) and "{{resolve:" in value:
        raise TemplateError("Template error: Pileus does not implement dynamic references ({{resolve:...}})", path)
    return value


def truth(value: Any, scope: Scope, path: Path) -> bool:
    """A condition: And, Or, Not, Equals or the name of another."""
    call = function_of(value)
    if call is None:
        raise TemplateError(_NO_CONDITION, path)
    name, argument = call
    here = (*path, name)
    if name == "Condition":
        return scope.condition(argument, here)
    if name == "Fn::Equals":
        left, right = (evaluate(item, scope, here) for item in _items(argument, here, 2, 2))
        if isinstance(left, list | dict) or isinstance(right, list | dict):
            return bool(left == right)
        return text(left) == text(right)
    if name == "Fn::Not":
        return not truth(_items(argument, here, 1, 1)[0], scope, here)
    if name == "Fn::And":
        return all(truth(item, scope, here) for item in _items(argument, here, 2, 10))
    if name == "Fn::Or":
        return any(truth(item, scope, here) for item in _items(argument, here, 2, 10))
    raise TemplateError(_NO_CONDITION, path)


_NO_CONDITION = "Template error: a condition must be Fn::And, Fn::Or, Fn::Not, Fn::Equals or Condition"


def prune(value: Any, scope: Scope, path: Path = ()) -> Any:
    """`value` with every Fn::If replaced by the branch that counts. May answer NO_VALUE at the top only."""
    call = function_of(value)
    if call is not None and call[0] == "Fn::If":
        return prune(_branch(call[1], scope, (*path, "Fn::If")), scope, path)
    if call == ("Ref", "AWS::NoValue"):
        return NO_VALUE
    if isinstance(value, dict):
        pairs = ((key, prune(item, scope, (*path, key))) for key, item in value.items())
        return {key: item for key, item in pairs if item is not NO_VALUE}
    if isinstance(value, list):
        items = (prune(item, scope, (*path, index)) for index, item in enumerate(value))
        return [item for item in items if item is not NO_VALUE]
    return value


class Reference(NamedTuple):
    """`kind` is Ref, Fn::GetAtt, Fn::Sub, Condition or Fn::FindInMap; `attribute` is None for a resource's own Ref."""

    kind: str
    name: str
    attribute: str | None
    path: Path


def references(value: Any, path: Path = ()) -> Iterator[Reference]:
    """Every name that `value` refers to, pseudo parameters left out."""
    call = function_of(value)
    if call is not None:
        name, argument = call
        yield from _own_references(name, argument, (*path, name))
    if isinstance(value, dict):
        for key, item in value.items():
            yield from references(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, (*path, index))


def _own_references(name: str, argument: Any, path: Path) -> Iterator[Reference]:
    if name == "Ref":
        if argument not in _PSEUDO:
            yield Reference(name, argument, None, path)
    elif name == "Condition":
        yield Reference(name, argument, None, path)
    elif name == "Fn::If":
        yield Reference("Condition", _condition_name(argument, path), None, path)
    elif name == "Fn::GetAtt":
        logical_id, attribute = _attribute(argument, path)
        yield Reference(name, logical_id, attribute if isinstance(attribute, str) else "", path)
    elif name == "Fn::FindInMap":
        found = _items(argument, path, 3, 4)[0]
        if isinstance(found, str):
            yield Reference(name, found, None, path)
    elif name == "Fn::Sub":
        template, variables = _substitution(argument, path)
        for literal, inner in _SUBSTITUTION.findall(template):
            target = inner.strip()
            if literal or target in variables or target in _PSEUDO:
                continue
            logical_id, _, attribute = target.partition(".")
            yield Reference(name, logical_id, attribute or None, path)


def _items(argument: Any, path: Path, least: int, most: int) -> list[Any]:
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise TemplateError(f"Template error: {path[-1]} needs a list of {count} values", path)
    return argument


def _scalar(value: Any, path: Path) -> str:
    if isinstance(value, list | dict) or value is NO_VALUE or value is None:
        raise TemplateError(f"Template error: every value of {path[-1]} must be a string", path)
    return text(value)


def _attribute(argument: Any, path: Path) -> tuple[str, Any]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str):
        return parts[0], parts[1]
    raise TemplateError("Template error: every Fn::GetAtt needs a resource's name and an attribute's", path)


def _substitution(argument: Any, path: Path) -> tuple[str, dict[str, Any]]:
    if isinstance(argument, str):
        return argument, {}
    template, variables = _items(argument, path, 2, 2)
    if not isinstance(template, str) or not isinstance(variables, dict):
        raise TemplateError("Template error: Fn::Sub needs a string, or a string and a map of variables", path)
    return template, variables


def _condition_name(argument: Any, path: Path) -> str:
    name = _items(argument, path, 3, 3)[0]
    if not isinstance(name, str):
        raise TemplateError("Template error: the first value of Fn::If must be a condition's name", path)
    return name


def _branch(argument: Any, scope: Scope, path: Path) -> Any:
    return argument[1 if scope.condition(_condition_name(argument, path), path) else 2]


def _ref(argument: Any, scope: Scope, path: Path) -> Any:
    return scope.reference(argument)


def _get_att(argument: Any, scope: Scope, path: Path) -> Any:
    logical_id, attribute = _attribute(argument, path)
    value = scope.resource(logical_id, _scalar(evaluate(attribute, scope, path), path))
    scope.produce(value)
    return value


def _sub(argument: Any, scope: Scope, path: Path) -> str:
    template, variables = _substitution(argument, path)

    def replace(match: re.Match[str]) -> str:
        literal, target = match.group(1), match.group(2).strip()
        if literal:
            return "${" + match.group(2) + "}"
        if target in variables:
            value = evaluate(variables[target], scope, (*path, 1, target))
        elif "." in target:
            value = scope.resource(*target.split(".", 1))
        else:
            value = scope.reference(target)
        if isinstance(value, list | dict) or value is NO_VALUE:
            raise TemplateError(f"Template error: ${{{target}}} in Fn::Sub does not resolve to a string", path)
        scope.produce(value)
        return text(value)

    return _SUBSTITUTION.sub(replace, template)


def _join(argument: Any, scope: Scope, path: Path) -> str:
    delimiter, values = _items(argument, path, 2, 2)
    items = evaluate(values, scope, path)
    if not isinstance(items, list) or not isinstance(delimiter, str):
        raise TemplateError("Template error: Fn::Join needs a delimiter and a list of strings", path)
    return delimiter.join(_scalar(item, path) for item in items)


def _select(argument: Any, scope: Scope, path: Path) -> Any:
    index, values = (evaluate(item, scope, path) for item in _items(argument, path, 2, 2))
    if not isinstance(values, list):
        raise TemplateError("Template error: Fn::Select needs an index and a list", path)
    position = text(index)
    if not position.isdecimal() or int(position) >= len(values):
        raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {position}", path)
    return values[int(position)]


def _split(argument: Any, scope: Scope, path: Path) -> list[str]:
    delimiter, value = _items(argument, path, 2, 2)
    if not isinstance(delimiter, str) or not delimiter:
        raise TemplateError("Template error: Fn::Split needs a delimiter that is not empty", path)
    return _scalar(evaluate(value, scope, path), path).split(delimiter)


def _if(argument: Any, scope: Scope, path: Path) -> Any:
    return evaluate(_branch(argument, scope, path), scope, path)


def _condition_value(name: str) -> Callable[[Any, Scope, Path], bool]:
    def function(argument: Any, scope: Scope, path: Path) -> bool:
        return truth({name: argument}, scope, path[:-1])

    return function


def _find_in_map(argument: Any, scope: Scope, path: Path) -> Any:
    """The fourth value, {DefaultValue: ...}, belongs to the transform AWS::LanguageExtensions."""
    parts = _items(argument, path, 3, 4)
    name, first, second = (_scalar(evaluate(item, scope, path), path) for item in parts[:3])
    try:
        return evaluate(scope.mappings[name][first][second], scope, path)
    except (KeyError, TypeError):
        if len(parts) == 4 and isinstance(parts[3], dict) and "DefaultValue" in parts[3]:
            return evaluate(parts[3]["DefaultValue"], scope, path)
        raise TemplateError(f"Template error: Unable to get mapping for {name}::{first}::{second}", path) from None


def _import_value(argument: Any, scope: Scope, path: Path) -> str:
    return scope.export(_scalar(evaluate(argument, scope, path), path))


def _base64(argument: Any, scope: Scope, path: Path) -> str:
    return base64.b64encode(_scalar(evaluate(argument, scope, path), path).encode()).decode()


def _cidr(argument: Any, scope: Scope, path: Path) -> list[str]:
    """[ipBlock, count, cidrBits]: `count` (1 to 256) subnets with `cidrBits` host bits each."""
    block, *numbers = (_scalar(evaluate(item, scope, path), path) for item in _items(argument, path, 2, 3))
    try:
        network = ipaddress.ip_network(block, strict=False)
        count = int(numbers[0])
        bits = int(numbers[1]) if len(numbers) > 1 else 8
        prefix = network.max_prefixlen - bits
        if not 1 <= count <= 256 or bits < 1 or 2 ** (prefix - network.prefixlen) < count:
            raise ValueError(block)
        first = int(network.network_address)
        kind = type(network.network_address)
        return [f"{kind(first + index * 2**bits)}/{prefix}" for index in range(count)]
    except (ValueError, OverflowError, ipaddress.AddressValueError):
        raise TemplateError(f"Template error: Fn::Cidr cannot make these subnets of {block}", path) from None


def _length(argument: Any, scope: Scope, path: Path) -> int:
    value = evaluate(argument, scope, path)
    if not isinstance(value, list):
        raise TemplateError("Template error: Fn::Length needs a list", path)
    return len(value)


def _to_json_string(argument: Any, scope: Scope, path: Path) -> str:
    value = evaluate(argument, scope, path)
    if not isinstance(value, list | dict):
        raise TemplateError("Template error: Fn::ToJsonString needs an object or a list", path)
    return json.dumps(value, separators=(",", ":"))


_FUNCTIONS: dict[str, Callable[[Any, Scope, Path], Any]] = {
    "Ref": _ref,
    "Fn::And": _condition_value("Fn::And"),
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::Equals": _condition_value("Fn::Equals"),
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Not": _condition_value("Fn::Not"),
    "Fn::Or": _condition_value("Fn::Or"),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json_string,
}
LANGUAGE_EXTENSIONS = frozenset({"Fn::Length", "Fn::ToJsonString"})
"""Functions that need `Transform: AWS::LanguageExtensions`."""
FUNCTIONS = frozenset(_FUNCTIONS)
