"""Which service and operation a request means, from its target header, credential scope, form, path and host.

The tables are made of the models of the services that are there. What is authorised later follows from this choice,
never from what the client says it signed for: a scope that differs from the service found here is refused.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from botocore.model import OperationModel

from pileus.aws.http import Request, decoded
from pileus.aws.model import service_model
from pileus.security.signature import claimed_service
from pileus.services import all_services


class Route(NamedTuple):
    """`operation` is empty where the service has none for the request."""

    service: str
    operation: str
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed


@cache
def signing_name(service: str) -> str:
    metadata = service_model(service).metadata
    name: str = metadata.get("signingName") or metadata["endpointPrefix"]
    return name


class _Tables:
    def __init__(self) -> None:
        self.targets: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.by_scope: dict[str, list[str]] = {}
        self.rest: dict[str, RestRoutes] = {}
        self.rest_by_scope: dict[str, list[str]] = {}
        for name in all_services():
            metadata = service_model(name).metadata
            self.by_scope.setdefault(signing_name(name), []).append(name)
            match metadata["protocol"]:
                case "json":
                    self.targets[metadata["targetPrefix"]] = name
                case "query":
                    self.versions[metadata["apiVersion"]] = name
                case _ if name != "s3":
                    self.rest[name] = RestRoutes(name)
                    self.rest_by_scope.setdefault(signing_name(name), []).append(name)

    def find(self, request: Request, bucket: str | None, form: bytes) -> Route:
        target = request.headers.get("x-amz-target")
        if target:
            prefix, _, operation = target.rpartition(".")
            service = self.targets.get(prefix)
            if service is not None:
                return _known(service, operation)
        # A path that only a REST service has (they begin with its API's date) needs no scope to be told.
        scope = claimed_service(request)
        for name in self.rest_by_scope.get(scope, ()) if scope else self.rest:
            routes = self.rest[name]
            if routes.owns(request):
                return routes.find(request) or Route(name, "")
        if scope and scope != "s3":
            return self._in_scope(scope, request, form)
        if not scope and request.method == "POST" and bucket is None and is_form(request):
            return self._from_form(form) or s3_routes().find(request, bucket)
        return s3_routes().find(request, bucket)

    def _in_scope(self, scope: str, request: Request, form: bytes) -> Route:
        names = self.by_scope.get(scope, [])
        for name in names:
            if service_model(name).metadata["protocol"] == "query":
                fields = parse_qs(form.decode("utf-8", "replace") or request.query)
                return _known(name, fields.get("Action", [""])[0])
        return Route(names[0] if names else scope, "")

    def _from_form(self, form: bytes) -> Route | None:
        fields = parse_qs(form.decode("utf-8", "replace"), max_num_fields=20_000)
        service = self.versions.get(fields.get("Version", [""])[0])
        return _known(service, fields.get("Action", [""])[0]) if service else None


def _known(service: str, operation: str) -> Route:
    return Route(service, operation if operation in service_model(service).operation_names else "")


def is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


@cache
def tables() -> _Tables:
    return _Tables()


class _RestOperation(NamedTuple):
    name: str
    segments: tuple[str, ...]
    constants: tuple[tuple[str, str], ...]
    """Query parameters that the request must have; the empty value stands for any."""
    required_query: tuple[str, ...]
    required_headers: tuple[str, ...]

    @property
    def demands(self) -> int:
        return 2 * len(self.constants) + len(self.required_query) + len(self.required_headers)

    def holds(self, request: Request, names: frozenset[str]) -> bool:
        for name, value in self.constants:
            if name not in names or (value and request.parameter(name) != value):
                return False
        if not names.issuperset(self.required_query):
            return False
        return not self.required_headers or all(name in request.headers for name in self.required_headers)


def _rest_operation(model: OperationModel) -> _RestOperation:
    path, _, query = model.http["requestUri"].partition("?")
    constants = []
    for piece in query.split("&") if query else ():
        name, _, value = piece.partition("=")
        if name != "x-id":  # says which operation is meant, for people who read logs
            constants.append((name, value))
    required: dict[str, list[str]] = {"querystring": [], "header": []}
    shape = model.input_shape
    # S3 tells operations apart by them; with other services one that is missing is a fault of the request.
    tells = shape is not None and model.service_model.metadata["protocol"] == "rest-xml"
    for name in shape.required_members if shape is not None and tells else ():
        serialization = shape.members[name].serialization
        if serialization.get("location") in required:
            required[serialization["location"]].append(serialization.get("name", name))
    segments = tuple(piece for piece in path.split("/") if piece)
    headers = tuple(name.lower() for name in required["header"] if name.lower() != "x-amz-account-id")
    return _RestOperation(model.name, segments, tuple(constants), tuple(required["querystring"]), headers)


def _parameter_names(request: Request) -> frozenset[str]:
    return frozenset(name for name, _ in request.parameters) if request.query else frozenset()


class RestRoutes:
    """The operations of one REST service by method and path."""

    def __init__(self, service: str) -> None:
        self._by_shape: dict[tuple[str, int], list[_RestOperation]] = {}
        self._first: set[str] = set()
        model = service_model(service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            entry = _rest_operation(operation)
            self._first.add(entry.segments[0])
            self._by_shape.setdefault((operation.http["method"], len(entry.segments)), []).append(entry)
        for entries in self._by_shape.values():
            # The one that asks for more comes first, and fixed words before labels.
            entries.sort(key=lambda entry: (-entry.demands, sum(word.startswith("{") for word in entry.segments)))

    def owns(self, request: Request) -> bool:
        return request.raw_path[1:].partition("/")[0] in self._first

    def find(self, request: Request) -> Route | None:
        words = [word for word in request.raw_path.split("/") if word]
        names = _parameter_names(request)
        for entry in self._by_shape.get((request.method, len(words)), ()):
            labels = _match(entry.segments, words)
            if labels is not None and entry.holds(request, names):
                return Route(_service_of(self), entry.name, labels)
        return None


def _service_of(routes: RestRoutes) -> str:
    return next(name for name, found in tables().rest.items() if found is routes)


def _match(segments: tuple[str, ...], words: list[str]) -> dict[str, str] | None:
    labels = {}
    for segment, word in zip(segments, words, strict=True):
        if segment[0] == "{":
            labels[segment.strip("{}+")] = unquote_to_bytes(word).decode("utf-8", "replace")
        elif segment != word:
            return None
    return labels


_S3_LEVELS = {(): 0, ("{Bucket}",): 1, ("{Bucket}", "{Key+}"): 2}


class S3Routes:
    """S3's operations by method, by whether a bucket or a key is named, and by the sub-resource in the query."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], list[_RestOperation]] = {}
        model = service_model("s3")
        declared = all_services()["s3"].operations
        for name in model.operation_names:
            operation = model.operation_model(name)
            entry = _rest_operation(operation)
            level = _S3_LEVELS.get(entry.segments)
            if level is not None:
                self._entries.setdefault((operation.http["method"], level), []).append(entry)
        for entries in self._entries.values():
            # Of two with one route (GetBucketLifecycle and …Configuration) the one that Pileus has.
            entries.sort(key=lambda entry: (-entry.demands, entry.name not in declared))
        # Most requests have no query: those are spared the many operations that want a sub-resource in it.
        self._without_query = {
            which: [entry for entry in entries if not entry.constants and not entry.required_query]
            for which, entries in self._entries.items()
        }

    def find(self, request: Request, bucket: str | None) -> Route:
        """`bucket` is the one named by the host, for virtual-host style."""
        path = request.raw_path[1:]
        if bucket is None:
            first, _, path = path.partition("/")
            bucket = decoded(first)
        labels = {}
        if bucket:
            labels["Bucket"] = bucket
        if path:
            labels["Key"] = decoded(path)
        level = 2 if path else 1 if bucket else 0
        names = _parameter_names(request)
        entries = self._entries if names else self._without_query
        for entry in entries.get((request.method, level), ()):
            if entry.holds(request, names):
                return Route("s3", entry.name, labels)
        return Route("s3", "", labels)


@cache
def s3_routes() -> S3Routes:
    return S3Routes()


_IP = re.compile(r"\[.*\]|[0-9.]+")
_WEBSITE = re.compile(r"(.+)\.s3-website[.-][a-z0-9-]+\..+")
_VIRTUAL = re.compile(r"(.+)\.s3(?:[.-][a-z0-9-]+)*\.(?:amazonaws\.com|localhost)")
_FUNCTION_URL = re.compile(r"([a-z0-9]+)\.lambda-url\.[a-z0-9-]+\..+")


class HostName(NamedTuple):
    """What a Host header can name. `bucket` is only a candidate unless `certain`: `todo.localhost`, or a domain that a
    bucket is named for, means a bucket only if there is one."""

    bucket: str | None = None
    certain: bool = False
    website: bool = False
    function_url: str | None = None
    full: str = ""
    """Of a name below `localhost`, with that: a bucket may be named for the whole of it, too."""


@lru_cache(maxsize=1024)
def read_host(host: str) -> HostName:
    if host in ("localhost", "") or _IP.fullmatch(host):
        return HostName()
    if found := _FUNCTION_URL.fullmatch(host):
        return HostName(function_url=found.group(1))
    if found := _WEBSITE.fullmatch(host):
        return HostName(found.group(1), certain=True, website=True)
    if found := _VIRTUAL.fullmatch(host):
        return HostName(found.group(1), certain=True)
    if host.endswith(".amazonaws.com"):
        return HostName()
    return HostName(host.removesuffix(".localhost"), full=host)
