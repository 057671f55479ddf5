"""One codec an operation: decode what came, encode what goes, as its protocol writes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from botocore.model import OperationModel

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.model import operation_model, service_model
from pileus.gateway.protocols import faults
from pileus.gateway.protocols.convert import Converters, InvalidError, WrongTypeError
from pileus.gateway.protocols.validation import explain


class Codec(Protocol):
    def decode(self, request: Request, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        """Raises AWSError for what does not fit the model."""
        ...

    def encode(self, answer: dict[str, Any], request_id: str) -> Response: ...


class ErrorWriter(Protocol):
    def __call__(self, service: str, error: AWSError, request_id: str, request: Request) -> Response: ...


class Checked:
    """Converts and checks an operation's input, and words what does not hold as its service does."""

    def __init__(self, model: OperationModel, opaque: frozenset[str], converters: Converters) -> None:
        self._model = model
        self._opaque = opaque
        self._shape = model.input_shape
        self._convert = converters.of(self._shape) if self._shape is not None else None

    def __call__(self, value: Any) -> dict[str, Any]:
        if self._convert is None:
            return {}
        try:
            converted: dict[str, Any] = self._convert(value)
        except WrongTypeError as error:
            raise self.fault("serialization", str(error)) from None
        except InvalidError:
            raise self.fault("validation", explain(self._shape, value, self._opaque)) from None
        return converted

    def fault(self, kind: str, message: str) -> AWSError:
        service = self._model.service_model
        return faults.fault(service.service_name, service.metadata["protocol"], kind, message)


def protocol_of(service: str) -> str:
    protocol: str = service_model(service).metadata["protocol"]
    return protocol


@cache
def converters_of(service: str, opaque: frozenset[str]) -> Converters:
    # S3 checks and words constraints itself: its model hardly has any, and its codes differ by header.
    return Converters(opaque, constraints=protocol_of(service) != "rest-xml")


@cache
def checked(service: str, operation: str, opaque: frozenset[str]) -> Checked:
    return Checked(operation_model(service, operation), opaque, converters_of(service, opaque))


@cache
def codec(service: str, operation: str, opaque: frozenset[str]) -> Codec:
    from pileus.gateway.protocols import json, query, rest_json, rest_xml

    made: dict[str, Callable[[OperationModel, frozenset[str], Checked], Codec]] = {
        "json": json.JSON,
        "query": query.Query,
        "rest-json": rest_json.RestJSON,
        "rest-xml": rest_xml.RestXML,
    }
    return made[protocol_of(service)](operation_model(service, operation), opaque, checked(service, operation, opaque))


@cache
def error_writer(protocol: str) -> ErrorWriter:
    from pileus.gateway.protocols import json, query, rest_json, rest_xml

    return {
        "json": json.write_error,
        "query": query.write_error,
        "rest-json": rest_json.write_error,
        "rest-xml": rest_xml.write_error,
    }[protocol]


def status_of(service: str, error: AWSError) -> int:
    """The error's own status, else the model's, else 400."""
    if error.status is not None:
        return error.status
    for shape in service_model(service).error_shapes:
        if error.code in (shape.name, shape.error_code):
            traits = shape.metadata.get("error") or {}
            return int(traits.get("httpStatusCode", 500 if shape.metadata.get("fault") else 400))
    return 400
