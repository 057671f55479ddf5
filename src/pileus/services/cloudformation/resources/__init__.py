"""The resource types that stacks may hold: one module each, found by being here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property

from pileus.services.cloudformation.resources.resource import ResourceType

_CUSTOM = "AWS::CloudFormation::CustomResource"


class _Types(Mapping[str, ResourceType]):
    """Imported when the first template asks for them: a cloud that starts has no stack to look at yet."""

    @cached_property
    def _found(self) -> dict[str, ResourceType]:
        modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
        kinds = (value for module in modules for value in vars(module).values() if isinstance(value, ResourceType))
        return {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)}

    def __getitem__(self, name: str) -> ResourceType:
        return self._found[_CUSTOM if name.startswith("Custom::") else name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


TYPES: Mapping[str, ResourceType] = _Types()
