"""Rules: what a template asserts of the values of its parameters
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pileus.services.cloudformation.documents import Path, TemplateError
from pileus.services.cloudformation.intrinsics import Scope, evaluate, function_of, text, truth
from pileus.services.cloudformation.sections import Template


def check(template: Template, scope: Scope) -> None:
    """Raises TemplateError with the description of the first assertion that does not hold."""
    for name, rule in template.section("Rules").items():
        path: Path = ("Rules", name)
        if "RuleCondition" in rule and not _holds(rule["RuleCondition"], scope, (*path, "RuleCondition")):
            continue
        for number, assertion in enumerate(rule["Assertions"]):
            here = (*path, "Assertions", number)
            if not _holds(assertion["Assert"], scope, (*here, "Assert")):
                said = assertion.get("AssertDescription") or "an assertion about the parameters does not hold."
                raise TemplateError(f"Template validation error: rule {name}: {said}", here)


def _holds(value: Any, scope: Scope, path: Path) -> bool:
    call = function_of(value)
    if call is None:
        raise TemplateError("Template error: an assertion must be a function of rules", path)
    name, argument = call
    here = (*path, name)
    if name in _COMBINING:
        return _COMBINING[name](_holds(item, scope, here) for item in _listed(argument, here))
    if name == "Fn::Not":
        return not any(_holds(item, scope, here) for item in _listed(argument, here))
    if name in _COMPARING:
        parts = [_texts(evaluate(item, scope, here), here) for item in _listed(argument, here)]
        if len(parts) != 2:
            raise TemplateError(f"Template error: {name} needs two values", here)
        return _COMPARING[name](*parts)
    return truth(value, scope, path)


_COMBINING: dict[str, Callable[[Any], bool]] = {"Fn::And": all, "Fn::Or": any}
_COMPARING: dict[str, Callable[[list[str], list[str]], bool]] = {
    "Fn::Contains": lambda items, value: value[0] in items if len(value) == 1 else False,
    "Fn::EachMemberEquals": lambda items, value: all([item] == value for item in items),
    "Fn::EachMemberIn": lambda items, values: set(items) <= set(values),
}


def _listed(argument: Any, path: Path) -> list[Any]:
    if not isinstance(argument, list) or not argument:
        raise TemplateError(f"Template error: {path[-1]} needs a list of values", path)
    return argument


def _texts(value: Any, path: Path) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, list | dict) for item in items):
        raise TemplateError(f"Template error: the values of {path[-1]} must be strings", path)
    return [text(item) for item in items]
