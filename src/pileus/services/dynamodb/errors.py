"""DynamoDB's errors, in its own words."""

from __future__ import annotations

import re

from pileus.aws.errors import AWSError

_DETECTED = "1 validation error detected: "
_BARE = (
    _DETECTED,
    "Item size has exceeded",
    "Supplied AttributeValue ",
    "ExpressionAttributeValues contains invalid value: Supplied AttributeValue ",
)
_NEWER = (
    # A value of an expression is spoken of like one of the item.
    (re.compile(r"ExpressionAttributeValues contains invalid value: (One or more .*|Nesting .*) for key :\w+"), r"\1"),
    (re.compile(r"(ExpressionAttributeValues can only be specified when using expressions): .* null"), r"\1"),
)


def validation(message: str) -> AWSError:
    return AWSError("ValidationException", message)


def invalid_parameters(message: str) -> AWSError:
    return AWSError("ValidationException", f"One or more parameter values were invalid: {message}")


class EmptyKeyError(AWSError):
    """A key attribute without a character or byte. In a transaction it is no reason of one action to be cancelled, but
    a fault of the request: recorded."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class DuplicatesError(AWSError):
    """A set of strings that has one twice. `quoted` is how `detected` says it."""

    def __init__(self, elements: list[str]) -> None:
        super().__init__("ValidationException", self._words(elements))
        self.elements = elements

    @staticmethod
    def _words(elements: list[str]) -> str:
        return (
            f"One or more parameter values were invalid: Input collection [{', '.join(elements)}] contains duplicates."
        )

    def quoted(self) -> str:
        return self._words([f'"{element}"' for element in self.elements])


def detected(error: AWSError) -> AWSError:
    """What is wrong with a request by itself, as PutItem, UpdateItem, DeleteItem and Query say it since 2026, unlike
    all others: recorded (`constraints`)."""
    message = error.quoted() if isinstance(error, DuplicatesError) else error.message
    if error.code != "ValidationException" or message.startswith(_BARE):
        return error
    for pattern, newer in _NEWER:
        found = pattern.fullmatch(message)
        if found is not None:
            message = found.expand(newer)
    return validation(_DETECTED + message)


def serialization(message: str) -> AWSError:
    return AWSError("SerializationException", message, status=400)


def key_mismatch() -> AWSError:
    return AWSError("ValidationException", "The provided key element does not match the schema")


def resource_not_found(message: str = "Requested resource not found") -> AWSError:
    return AWSError("ResourceNotFoundException", message)


def resource_in_use(message: str) -> AWSError:
    return AWSError("ResourceInUseException", message)
