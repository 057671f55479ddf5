"""The resource types that stacks may hold: one module each, found by being here."""

from __future__ import annotations

import importlib
import pkgutil

from pileus.services.cloudformation.resources.resource import ResourceType


def _found() -> dict[str, ResourceType]:
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    kinds = (value for module in modules for value in vars(module).values() if isinstance(value, ResourceType))
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)}


TYPES: dict[str, ResourceType] = _found()
