"""Holding an operation's input against its model, and wording what does not hold as its service does."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.model import OperationModel

from pileus.aws.errors import AWSError, constraints_broken
from pileus.aws.model import operation_model, service_model
from pileus.gateway.protocols import faults
from pileus.gateway.protocols.convert import Converters, InvalidError, WrongTypeError
from pileus.gateway.protocols.validation import explain
from pileus.services import all_services


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
            # A wrong type anywhere goes before what a constraint says elsewhere.
            self._check_types(value)
            raise self.fault("validation", self._words(value, explain(self._shape, value, self._opaque))) from None
        return converted

    def _words(self, value: Any, faults: list[str]) -> str:
        reword = all_services()[self._model.service_model.service_name].reword
        return constraints_broken(faults) if reword is None else reword(self._model.name, value, faults)

    def _check_types(self, value: Any) -> None:
        try:
            Converters(self._opaque, constraints=False).of(self._shape)(value)
        except WrongTypeError as error:
            raise self.fault("serialization", str(error)) from None

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


def status_of(service: str, error: AWSError) -> int:
    """The error's own status, else the model's, else 400."""
    if error.status is not None:
        return error.status
    for shape in service_model(service).error_shapes:
        if error.code in (shape.name, shape.error_code):
            traits = shape.metadata.get("error") or {}
            return int(traits.get("httpStatusCode", 500 if shape.metadata.get("fault") else 400))
    return 400
