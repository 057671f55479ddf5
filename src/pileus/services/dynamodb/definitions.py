"""What CreateTable and UpdateTable check of keys, indexes and throughput, in DynamoDB's order."""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import option_not_implemented
from pileus.services.dynamodb.catalog import check_name
from pileus.services.dynamodb.errors import invalid_parameters, validation
from pileus.services.dynamodb.schema import INITIAL_UNITS, Index, Throughput
from pileus.services.operation import Shape

MOST_UNITS = 1_000_000_000_000
_MAX_LOCAL, _MAX_GLOBAL, _MAX_PROJECTED = 5, 20, 100
_MAX_MULTI = 4
_NO_UNITS = (
    "One or more parameter values were invalid: "
    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
)


def check_throughput(shape: Shape | None, billing: str) -> Throughput:
    if billing == "PAY_PER_REQUEST":
        if shape:
            raise validation(_NO_UNITS)
        return Throughput()
    if not shape:
        raise invalid_parameters(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    return throughput_of(shape)


def throughput_of(shape: Shape) -> Throughput:
    for member in ("ReadCapacityUnits", "WriteCapacityUnits"):
        if shape[member] > MOST_UNITS:
            raise validation(f"Given value {shape[member]} for {member} is out of bounds")
    return Throughput(shape["ReadCapacityUnits"], shape["WriteCapacityUnits"])


def attribute_types(definitions: list[Shape]) -> dict[str, Any]:
    types: dict[str, Any] = {}
    for definition in definitions:
        name = definition["AttributeName"]
        if name in types:
            raise invalid_parameters(f"Duplicate AttributeName in AttributeDefinitions: {name}")
        types[name] = definition["AttributeType"]
    return types


def _names(schema: list[Shape]) -> list[str]:
    return [element["AttributeName"] for element in schema]


def _check_defined(schema: list[Shape], types: dict[str, Any]) -> None:
    names = _names(schema)
    if any(name not in types for name in names):
        raise invalid_parameters(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(names)}], AttributeDefinitions: [{', '.join(types)}]"
        )


def table_keys(schema: list[Shape], types: dict[str, Any]) -> tuple[str, str]:
    """Partition and sort key, the latter empty where there is none."""
    names = _names(schema)
    _check_length(schema, "keySchema")
    if len(names) > len(types):
        raise validation("Invalid KeySchema: Some index key attribute have no definition")
    _check_defined(schema, types)
    _check_pair(schema)
    return names[0], names[1] if len(names) > 1 else ""


def _check_length(schema: list[Shape], where: str) -> None:
    if len(schema) > 2:
        shown = ", ".join(
            f"KeySchemaElement(attributeName={element['AttributeName']}, keyType={element['KeyType']})"
            for element in schema
        )
        raise validation(
            f"1 validation error detected: Value '[{shown}]' at '{where}' failed to satisfy constraint: "
            "Member must have length less than or equal to 2"
        )


def _check_pair(schema: list[Shape]) -> None:
    names = _names(schema)
    if len(names) > 1 and names[0] == names[1]:
        raise validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if schema[0]["KeyType"] != "HASH":
        raise validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if len(schema) > 1 and schema[1]["KeyType"] != "RANGE":
        raise validation("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")


def _projection(shape: Shape, index: str) -> tuple[str, tuple[str, ...]]:
    projection = shape.get("Projection") or {}
    kind, attributes = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if kind is None:
        raise invalid_parameters("Unknown ProjectionType: null")
    if attributes is not None and kind != "INCLUDE":
        raise invalid_parameters(f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    if kind == "INCLUDE" and not attributes:
        raise invalid_parameters("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if attributes and len(set(attributes)) != len(attributes):
        raise invalid_parameters(f"Duplicate value in NonKeyAttributes for index: {index}")
    return kind, tuple(attributes or ())


def local_indexes(shapes: list[Shape] | None, types: dict[str, Any], keys: tuple[str, str]) -> list[Index]:
    if shapes is None:
        return []
    if not shapes:
        raise invalid_parameters("List of LocalSecondaryIndexes is empty")
    partition, sort = keys
    if not sort:
        raise invalid_parameters(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
        )
    indexes: list[Index] = []
    for number, shape in enumerate(shapes, 1):
        name, schema = shape["IndexName"], shape["KeySchema"]
        check_name(name, "IndexName")
        _check_length(schema, f"localSecondaryIndexes.{number}.member.keySchema")
        _check_defined(schema, types)
        _check_pair(schema)
        if len(schema) != 2:
            raise invalid_parameters(f"Index KeySchema does not have a range key for index: {name}")
        own = schema[0]["AttributeName"]
        if own != partition:
            raise invalid_parameters(
                "Index KeySchema does not have the same leading hash key as table KeySchema "
                f"for index: {name}. index hash key: {own}, table hash key: {partition}"
            )
        projection, attributes = _projection(shape, name)
        _check_unique(name, indexes)
        indexes.append(Index(name, 0, False, (partition,), (schema[1]["AttributeName"],), projection, attributes))
    if len(indexes) > _MAX_LOCAL:
        raise invalid_parameters("Number of LocalSecondaryIndexes exceeds per-table limit of 5")
    return indexes


def _check_unique(name: str, indexes: list[Index]) -> None:
    if any(index.name == name for index in indexes):
        raise invalid_parameters(f"Duplicate index name: {name}")


def global_index(shape: Shape, types: dict[str, Any], billing: str) -> Index:
    name, schema = shape["IndexName"], shape["KeySchema"]
    check_name(name, "IndexName")
    _check_defined(schema, types)
    partition, sort = _multi_attribute_keys(schema)
    projection, attributes = _projection(shape, name)
    given = shape.get("ProvisionedThroughput")
    if billing == "PAY_PER_REQUEST":
        if given:
            raise invalid_parameters(
                f"ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            )
        throughput = Throughput()
    elif not given:
        raise invalid_parameters(f"ProvisionedThroughput must be specified for index: {name}")
    else:
        throughput = throughput_of(given)
    return Index(
        name, 0, True, partition, sort, projection, attributes, throughput=throughput,
        on_demand=_units(shape.get("OnDemandThroughput")), warm=warm(shape, f"index {name}", billing),
    )  # fmt: skip


def _units(shape: Shape | None) -> dict[str, int]:
    return {name: value for name, value in (shape or {}).items() if isinstance(value, int)}


def warm(shape: Shape, what: str, billing: str) -> dict[str, int]:
    """What the table or index is to take at once, where that is said."""
    given = _units(shape.get("WarmThroughput"))
    for name, initial in INITIAL_UNITS.items() if billing == "PAY_PER_REQUEST" else ():
        if given.get(name, initial) < initial:
            raise invalid_parameters(
                f"Requested {name} for WarmThroughput for {what} is lower than initial throughput for OnDemand"
            )
    return given


def _multi_attribute_keys(schema: list[Shape]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Keys of a global index: up to four attributes make the partition key, up to four the sort key.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
    """
    if schema[0]["KeyType"] != "HASH":
        raise validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    partition = tuple(e["AttributeName"] for e in schema if e["KeyType"] == "HASH")
    sort = tuple(e["AttributeName"] for e in schema if e["KeyType"] == "RANGE")
    if [e["KeyType"] for e in schema] != ["HASH"] * len(partition) + ["RANGE"] * len(sort):
        raise validation("Invalid KeySchema: All HASH key elements must precede RANGE key elements")
    names = partition + sort
    if len(set(names)) != len(names):
        if len(names) == 2:
            raise validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
        raise validation("Invalid KeySchema: Two elements in the KeySchema have the same name")
    if len(partition) > _MAX_MULTI or len(sort) > _MAX_MULTI:
        kind = "HASH" if len(partition) > _MAX_MULTI else "RANGE"
        raise validation(f"Invalid KeySchema: Too many {kind} key elements, at most {_MAX_MULTI} are allowed")
    return partition, sort


def global_indexes(shapes: list[Shape] | None, types: dict[str, Any], billing: str, others: list[Index]) -> list[Index]:
    if shapes is None:
        return []
    if not shapes:
        raise invalid_parameters("List of GlobalSecondaryIndexes is empty")
    indexes: list[Index] = []
    for shape in shapes:
        index = global_index(shape, types, billing)
        _check_unique(index.name, [*others, *indexes])
        indexes.append(index)
    if len(indexes) > _MAX_GLOBAL:
        raise invalid_parameters("GlobalSecondaryIndex count exceeds the per-table limit of 20")
    return indexes


def check_used(types: dict[str, Any], keys: tuple[str, str], indexes: list[Index]) -> None:
    """Every defined attribute is a key of something, and not too many are projected."""
    used = {name for name in keys if name}
    for index in indexes:
        used.update(index.partition, index.sort)
    if used != set(types):
        if not indexes:
            raise invalid_parameters(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in "
                "AttributeDefinitions"
            )
        raise invalid_parameters(
            "Some AttributeDefinitions are not used. "
            f"AttributeDefinitions: [{', '.join(types)}], keys used: [{', '.join(sorted(used))}]"
        )
    projected = sum(len(index.non_key) for index in indexes)
    if projected > _MAX_PROJECTED:
        raise invalid_parameters(f"Number of NonKeyAttributes across all indexes exceeds the limit of {_MAX_PROJECTED}")


def check_stream(specification: Shape | None) -> str:
    """The view type of a stream to be made, empty for none."""
    if not specification:
        return ""
    enabled, view = specification["StreamEnabled"], specification.get("StreamViewType")
    if enabled and not view:
        raise invalid_parameters("StreamSpecification must have StreamViewType when StreamEnabled is true")
    if not enabled and view:
        raise invalid_parameters(
            "Table is being created with a stream disabled, UpdateViewType should not be specified"
        )
    return view or ""


def encryption(specification: Shape | None) -> dict[str, Any]:
    """Data lies on the owner's own disk; keys of KMS are refused rather than pretended."""
    if not specification or not specification.get("Enabled"):
        return {}
    raise option_not_implemented(
        "SSESpecification with Enabled true",
        "it asks for a key in KMS, which Pileus has not. Leave it out or say Enabled false, which is AWS's own default "
        "(Terraform: no server_side_encryption block; CDK: TableEncryption.DEFAULT), and encrypt the disk that holds "
        "the data directory.",
    )


def unsupported(request: Shape, *options: str) -> None:
    for option in options:
        if request.get(option):
            raise option_not_implemented(option)
