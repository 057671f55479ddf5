"""One codec an operation: decode what came, encode what goes, as its protocol writes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from botocore.model import OperationModel

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.model import operation_model
from pileus.gateway.protocols import json, query, rest_json, rest_xml
from pileus.gateway.protocols.checked import Checked, checked, protocol_of


class Codec(Protocol):
    def decode(self, request: Request, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        """Raises AWSError for what does not fit the model."""
        ...

    def encode(self, answer: dict[str, Any], request_id: str) -> Response: ...


class ErrorWriter(Protocol):
    def __call__(self, service: str, error: AWSError, request_id: str, request: Request) -> Response: ...


@cache
def codec(service: str, operation: str, opaque: frozenset[str]) -> Codec:
    made: dict[str, Callable[[OperationModel, frozenset[str], Checked], Codec]] = {
        "json": json.JSON,
        "query": query.Query,
        "rest-json": rest_json.RestJSON,
        "rest-xml": rest_xml.RestXML,
    }
    return made[protocol_of(service)](operation_model(service, operation), opaque, checked(service, operation, opaque))


ERROR_WRITERS: dict[str, ErrorWriter] = {
    "json": json.write_error,
    "query": query.write_error,
    "rest-json": rest_json.write_error,
    "rest-xml": rest_xml.write_error,
}
