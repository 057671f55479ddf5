"""Template texts, JSON or YAML, as plain values that remember on which line each part stands.

YAML is read as CloudFormation documents it: version 1.1 with its own short tags, without aliases, merges, binary,
omap, pairs, set and timestamp (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import yaml


Path = tuple[str | int, ...]
MAX_DEPTH = 100

_PLAIN_TAGS = {"Ref": "Ref", "Condition": "Condition"}
_FUNCTIONS = frozenset({
    "And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue", "Join", "Length",
    "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform",
})  # fmt: skip
_TOO_DEEP = "Template format error: the template is nested too deeply"
_UNSUPPORTED_TAG = "Template format error: the YAML tag {} is not supported"
_YAML = "tag:yaml.org,2002:"


class TemplateError(Exception):
    """What is wrong with a template, and where: `path` leads to the part, `line` counts from 1 where it is known."""

    def __init__(self, message: str, path: Path = (), line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line


class Document(NamedTuple):
    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int | None:
        """The line of the part at `path`, or of the nearest part around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def parse(text: str) -> Document:
    """Raises TemplateError for what is no template text."""
    if not text.lstrip().startswith("{"):
        return _parse_yaml(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise TemplateError("Template format error: the template holds half of a Unicode surrogate pair") from None
    except (ValueError, RecursionError):
        # Short YAML in braces, or broken JSON: YAML's reader says where.
        return _parse_yaml(text)
    if _depth(value) > MAX_DEPTH:
        raise TemplateError(_TOO_DEEP)
    try:
        # JSON is YAML but for tabs between, and escapes of pairs of surrogates.
        return Document(value, _parse_yaml(text.replace("\t", " ")).lines)
    except TemplateError:
        return Document(value, {})


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            item
            for part in level
            for item in (part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())
        ]
    return depth


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise TemplateError(f"Template format error: Duplicate key {next(n for n in names if names.count(n) > 1)}")
    return made


def _parse_yaml(text: str) -> Document:
    import yaml  # Not at every start: most clouds start without a template to read.

    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        detail = ", ".join(part for part in (error.context, error.problem) if part)
        raise TemplateError(f"Template format error: {detail}{where}", line=mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, RecursionError) as error:
        said = " ".join(str(error).split()) or "nested too deeply"
        raise TemplateError(f"Template format error: {said}") from None
    if node is None:
        raise TemplateError("Template format error: the template is empty", line=1)
    builder = _Builder(yaml.SafeLoader(""))
    value = builder.build(node, ())
    return Document(value, builder.lines)


class _Builder:
    """Values from PyYAML's nodes. `scalars` makes those that are no strings."""

    def __init__(self, scalars: yaml.SafeLoader) -> None:
        self.lines: dict[Path, int] = {}
        self._seen: set[int] = set()
        self._scalars = scalars

    def build(self, node: Any, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(path) > MAX_DEPTH:
            raise TemplateError(_TOO_DEEP, path, line)
        if id(node) in self._seen:
            raise TemplateError(
                "Template format error: YAML aliases are not allowed in CloudFormation templates", path, line
            )
        self._seen.add(id(node))
        tag = node.tag
        if tag.startswith("!"):
            return self._function(tag[1:], node, path)
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            if tag != _YAML + "seq":
                raise TemplateError(_UNSUPPORTED_TAG.format(tag), path, line)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        if node.tag != _YAML + "map":
            raise TemplateError(_UNSUPPORTED_TAG.format(node.tag), path, node.start_mark.line + 1)
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.id != "scalar":
                raise TemplateError("Template format error: keys must be strings", path, line)
            key = key_node.value
            if key == "<<" and key_node.tag == _YAML + "merge":
                raise TemplateError("Template format error: YAML merges (<<) are not supported", path, line)
            if key in made:
                raise TemplateError(f"Template format error: Duplicate key {key}", (*path, key), line)
            self.lines[(*path, key)] = line
            made[key] = self.build(value_node, (*path, key))
        return made

    def _function(self, name: str, node: Any, path: Path) -> dict[str, Any]:
        if name not in _PLAIN_TAGS and name not in _FUNCTIONS:
            raise TemplateError(f"Template format error: unknown tag !{name}", path, node.start_mark.line + 1)
        key = _PLAIN_TAGS.get(name, f"Fn::{name}")
        inner: Any
        if node.id == "scalar":
            inner = node.value
            self.lines[(*path, key)] = node.start_mark.line + 1
            if name == "GetAtt":
                inner = inner.split(".", 1)
        else:
            kind = "map" if node.id == "mapping" else "seq"
            node.tag = _YAML + kind
            self._seen.discard(id(node))
            inner = self.build(node, (*path, key))
        return {key: inner}

    def _scalar(self, node: Any, path: Path) -> Any:
        tag = node.tag.removeprefix(_YAML)
        if tag in ("str", "timestamp"):
            # A date such as a policy's Version is the string that it looks like.
            return node.value
        if tag in ("bool", "int", "float", "null"):
            try:
                return self._scalars.construct_object(node)
            except ValueError as error:
                raise TemplateError(f"Template format error: {error}", path, node.start_mark.line + 1) from None
        raise TemplateError(_UNSUPPORTED_TAG.format(node.tag), path, node.start_mark.line + 1)
