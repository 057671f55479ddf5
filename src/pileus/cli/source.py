"""A template in a file: read with its lines, checked, and its local folders put where the cloud can fetch them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pileus.cli.bundles import bundle
from pileus.cli.errors import CommandError
from pileus.services.cloudformation import documents, sections
from pileus.services.cloudformation import template as templates
from pileus.services.cloudformation.documents import Document, TemplateError
from pileus.services.cloudformation.sections import SERVERLESS

_REMOTE = re.compile(r"^(s3|https?)://")
_SERVERLESS_RESOURCE = re.compile(r"Resource with id \[(\w+)\]")
_LOCATED = re.compile(r"\s*\((/[^()]*?)(?:, line \d+)?\)$")


class Local(NamedTuple):
    """A property that names a folder. `bucket` and `key` are what the place of its bundle is called there."""

    owner: str
    property: str
    bucket: str
    key: str
    layer: bool = False


_LOCALS = {
    "AWS::Serverless::Function": Local("Function", "CodeUri", "Bucket", "Key"),
    "AWS::Lambda::Function": Local("Function", "Code", "S3Bucket", "S3Key"),
    "AWS::Serverless::LayerVersion": Local("LayerVersion", "ContentUri", "Bucket", "Key", layer=True),
    "AWS::Lambda::LayerVersion": Local("LayerVersion", "Content", "S3Bucket", "S3Key", layer=True),
}


class Site(NamedTuple):
    """What `Metadata: {Pileus: {Site: …, Build: …, Sources: […], Config: …}}` of a bucket says of its website."""

    logical_id: str
    folder: Path
    build: str
    config: str
    sources: tuple[Path, ...] = ()
    """Folders outside the build's own that it reads."""


class Source:
    """Raises CommandError with file and line for whatever is wrong with the template."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text()
        except FileNotFoundError:
            raise CommandError(f"{path} does not exist; name the template: `pileus deploy TEMPLATE`.") from None
        except UnicodeDecodeError:
            raise CommandError(f"{path} is no text.") from None
        self.document: Document = Document(None, {})
        try:
            self.document = documents.parse(text)
            self.template = sections.read(self.document.value)
            sections.check_functions(self.template)
        except TemplateError as error:
            raise self.error(error.message, error.path, error.line) from None

    def error(self, message: str, path: documents.Path = (), line: int | None = None) -> CommandError:
        found = line or (self.document.line(path) if path else None)
        return CommandError(f"{self.path}:{found}: {message}" if found else f"{self.path}: {message}")

    def located(self, message: str) -> CommandError:
        """What the cloud said of the template, with the line here instead of the part that it names."""
        match = _LOCATED.search(message)
        if match is None:
            named = _SERVERLESS_RESOURCE.search(message)
            return self.error(message, ("Resources", named.group(1)) if named else ())
        return self.error(message[: match.start()], tuple(match.group(1).strip("/").split("/")))

    def line_of(self, logical_id: str) -> str:
        """`FILE:LINE` of a resource, or of the one that a transform made it from."""
        names = [name for name in self.template.section("Resources") if logical_id.startswith(name)]
        if not names:
            return str(self.path)
        line = self.document.line(("Resources", max(names, key=len)))
        return f"{self.path}:{line}" if line else str(self.path)

    def check(self) -> None:
        """Types and properties that Pileus has not are found here, before anything is built."""
        from pileus.services.cloudformation.resources import TYPES

        try:
            for name, resource in self.template.section("Resources").items():
                if resource["Type"].startswith("AWS::Serverless::"):
                    if SERVERLESS in self.template.transforms:
                        continue
                    message = f"{resource['Type']} needs `Transform: {SERVERLESS}` at the top of the template."
                    raise self.error(message, ("Resources", name, "Type"))
                if resource["Type"] not in TYPES:
                    message = f"Pileus does not have the resource type {resource['Type']}."
                    raise self.error(message, ("Resources", name, "Type"))
                templates.check_resource(self.template, name, resource, TYPES[resource["Type"]])
            if not self.template.transforms:
                templates.check(self.template, TYPES)
        except TemplateError as error:
            raise self.error(error.message, error.path) from None

    def sites(self) -> list[Site]:
        found: list[Site] = []
        for name, resource in self.template.section("Resources").items():
            said = (resource.get("Metadata") or {}).get("Pileus")
            if said is None:
                continue
            path = ("Resources", name, "Metadata", "Pileus")
            if resource["Type"] != "AWS::S3::Bucket" or not _describes_site(said):
                message = (
                    "Metadata.Pileus of a bucket takes Site (a folder), and if wanted Build and Config, and Sources"
                    " (a list of folders that the build reads besides its own)."
                )
                raise self.error(message, path)
            here = self.path.parent
            sources = tuple(here / folder for folder in said.get("Sources") or [])
            for folder in sources:
                if not folder.is_dir():
                    raise self.error(f"{folder} does not exist.", (*path, "Sources"))
            build, config = str(said.get("Build") or ""), str(said.get("Config") or "")
            found.append(Site(name, here / said["Site"], build, config, sources))
        return found

    def packaged(self, parameters: Mapping[str, str], place: Callable[[str, bytes], str], *, for_aws: bool) -> str:
        """The template as JSON with every local folder replaced by where its bundle is. `place` puts a bundle
        under a key and answers the bucket."""
        value = json.loads(json.dumps(self.document.value))
        made: dict[tuple[Path, str, str, bool], tuple[str, str]] = {}
        for path, holder, local, owner in _local_folders(value):
            folder = self.path.parent / holder[local.property]
            if not folder.exists():
                raise self.error(f"{folder} does not exist.", (*path, local.property))
            architecture = str((owner.get("Architectures") or ["x86_64"])[0])
            key = (folder, self._runtime(owner, parameters), architecture, local.layer)
            if key not in made:
                data = self._bundle(folder, key[1], architecture, local, for_aws, (*path, local.property))
                name = hashlib.sha256(data).hexdigest() + ".zip"
                made[key] = (place(name, data), name)
            bucket, name = made[key]
            holder[local.property] = {local.bucket: bucket, local.key: name}
        return json.dumps(value, indent=1)

    def _bundle(
        self, folder: Path, runtime: str, architecture: str, local: Local, for_aws: bool, path: documents.Path
    ) -> bytes:
        if folder.is_file():
            if folder.suffix not in (".zip", ".jar"):
                raise self.error(f"{folder} is neither a folder nor a zip.", path)
            return folder.read_bytes()
        return bundle(folder, runtime, architecture=architecture, for_aws=for_aws, layer=local.layer)

    def _runtime(self, properties: Mapping[str, Any], parameters: Mapping[str, str]) -> str:
        listed = properties.get("CompatibleRuntimes") or [""]
        shared = self.template.section("Globals").get("Function", {}).get("Runtime")
        runtime = properties.get("Runtime") or shared or listed[0]
        if isinstance(runtime, dict) and set(runtime) == {"Ref"}:
            name = runtime["Ref"]
            declared = self.template.section("Parameters").get(name, {})
            runtime = parameters.get(name, declared.get("Default"))
        return str(runtime or "")


def _local_folders(value: dict[str, Any]) -> Iterator[tuple[documents.Path, dict[str, Any], Local, dict[str, Any]]]:
    """Where a folder is named: the path and the object that names it, how, and the properties that it counts for."""
    shared = (value.get("Globals") or {}).get("Function") or {}
    if _is_local(shared.get("CodeUri")):
        yield ("Globals", "Function"), shared, _LOCALS["AWS::Serverless::Function"], shared
    for name, resource in value["Resources"].items():
        local = _LOCALS.get(resource["Type"])
        properties = resource.get("Properties") or {}
        if local is not None and _is_local(properties.get(local.property)):
            yield ("Resources", name, "Properties"), properties, local, properties


def _is_local(value: Any) -> bool:
    return isinstance(value, str) and not _REMOTE.match(value)


def _describes_site(said: Any) -> bool:
    if not isinstance(said, dict) or set(said) - {"Site", "Build", "Sources", "Config"}:
        return False
    sources = said.get("Sources") or []
    listed = isinstance(sources, list) and all(isinstance(folder, str) for folder in sources)
    return listed and isinstance(said.get("Site"), str)
