"""Document paths: reading, projecting and changing parts of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.values import Item, Value

Parts = tuple[str | int, ...]
_REMOVED: Value = {}


def show(path: Parts) -> str:
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"


def read(item: Item, path: Parts) -> Value | None:
    """The value at `path`, None where there is none."""
    value = item.get(path[0])  # type: ignore[arg-type]
    for part in path[1:]:
        if value is None:
            return None
        if isinstance(part, str):
            members = value.get("M")
            value = members.get(part) if members is not None else None
        else:
            elements = value.get("L")
            value = elements[part] if elements is not None and part < len(elements) else None
    return value


Branches = dict[str | int, Any]


def branches_of(paths: Sequence[Parts]) -> Branches:
    """Paths as the branches of a tree. They may not overlap; DynamoDB tells of that before it tells of conflicts."""
    conflict = ""
    for place, path in enumerate(paths):
        for other in paths[:place]:
            both = f"must remove or rewrite one of these paths; path one: {show(other)}, path two: {show(path)}"
            for mine, theirs in zip(path, other, strict=False):
                if isinstance(mine, int) != isinstance(theirs, int):
                    conflict = conflict or f"Two document paths conflict with each other; {both}"
                    break
                if mine != theirs:
                    break
            else:
                raise ExpressionError(f"Two document paths overlap with each other; {both}")
    if conflict:
        raise ExpressionError(conflict)
    branches: Branches = {}
    for path in paths:
        branch = branches
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = None
    return branches


def project(item: Item, branches: dict[str | int, Any]) -> Item:
    """The parts of `item` under these branches, lists closed up."""
    found: Item = {}
    for name, below in branches.items():
        value = item.get(name)  # type: ignore[arg-type]
        if value is not None and below is not None:
            value = _part(value, below)
        if value is not None:
            found[name] = value  # type: ignore[index]
    return found


def _part(value: Value, branches: dict[str | int, Any]) -> Value | None:
    members, elements = value.get("M"), value.get("L")
    if members is not None:
        part = project(members, branches)
        return {"M": part} if part else None
    if elements is not None:
        found = []
        for index in sorted(key for key in branches if isinstance(key, int)):
            if index < len(elements):
                below = branches[index]
                element = elements[index] if below is None else _part(elements[index], below)
                if element is not None:
                    found.append(element)
        return {"L": found} if found else None
    return None


def named(paths: Sequence[Parts]) -> dict[str, Parts]:
    """Paths by the names that PartiQL gives what it finds there: `a.b` is `b`, `a.b[1]` is `b[1]`."""
    names: dict[str, Parts] = {}
    for path in paths:
        name = ""
        for part in path:
            name = f"{name}[{part}]" if isinstance(part, int) else part
        names[name] = path
    return names


def pick(item: Item, paths: dict[str, Parts]) -> Item:
    """What is found at these paths, side by side."""
    found = {name: read(item, path) for name, path in paths.items()}
    return {name: value for name, value in found.items() if value is not None}


class Changes:
    """Changes to one item. Indexes mean lists as they were before: they are closed up and added to at the end."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._appended: dict[int, tuple[list[Value], dict[int, Value]]] = {}
        self._holed: dict[int, list[Value]] = {}

    def _parent(self, path: Parts) -> Any:
        """The dict or list that holds the last part."""
        if len(path) == 1:
            return self._item
        value = read(self._item, path[:-1])
        holder = None if value is None else value.get("M" if isinstance(path[-1], str) else "L")
        if holder is None:
            raise validation("The document path provided in the update expression is invalid for update")
        return holder

    def set(self, path: Parts, value: Value) -> None:
        parent, last = self._parent(path), path[-1]
        if isinstance(last, str) or last < len(parent):
            parent[last] = value
        else:
            self._appended.setdefault(id(parent), (parent, {}))[1][last] = value

    def remove(self, path: Parts) -> None:
        parent, last = self._parent(path), path[-1]
        if isinstance(last, str):
            parent.pop(last, None)
        elif last < len(parent):
            parent[last] = _REMOVED
            self._holed[id(parent)] = parent

    def finish(self) -> None:
        for elements, added in self._appended.values():
            elements.extend(added[index] for index in sorted(added))
        for elements in self._holed.values():
            elements[:] = [element for element in elements if element is not _REMOVED]
