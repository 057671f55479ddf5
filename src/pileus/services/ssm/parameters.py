"""PutParameter, GetParameter, GetParameters, GetParametersByPath, GetParameterHistory, DeleteParameter,
DeleteParameters, DescribeParameters."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.ssm import service
from pileus.services.ssm.records import (
    KEPT_VERSIONS,
    PARAMETERS,
    Key,
    Parameter,
    Selected,
    Version,
    access,
    check_name,
    find,
    invalid,
    on_parameter,
    on_parameters,
    own,
    select,
    version_of,
)
from pileus.services.ssm.tags import checked_tags
from pileus.store import paging
from pileus.store.interface import Transaction

DEFAULT_KEY = "alias/aws/ssm"
LARGEST = 4096
MOST = 10_000
PAGE = 50
PATH_PAGE = 10
Row = tuple[Key, Parameter]


def _purpose(key: Key) -> bytes:
    return f"ssm {key.account} {key.region} {key.name}".encode()


def _on_put(context: Context, request: Shape) -> Iterable[Access]:
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    keys = {f"aws:requesttag/{name.lower()}": value for name, value in tags.items()}
    keys["ssm:overwrite"] = "true" if request.get("Overwrite") else "false"
    named = {"aws:tagkeys": tuple(tags)} if tags else {}
    key = select(context, request["Name"]).key
    yield access(context, "PutParameter", key, **keys, **named)
    if tags:
        yield access(context, "AddTagsToResource", key, **keys, **named)


@service.operation("PutParameter", access=_on_put, actions=("ssm:PutParameter", "ssm:AddTagsToResource"))
async def put_parameter(context: Context, request: Shape) -> Shape:
    _refuse(request)
    selected = select(context, request["Name"])
    key = own(context, selected.key)
    check_name(key.name)
    value = request["Value"].encode()
    if not value:
        raise invalid("Parameter value can't be empty.")
    if len(value) > LARGEST:
        raise invalid(f"Standard tier parameters support a maximum parameter value of {LARGEST} characters.")
    tags = checked_tags(request.get("Tags") or ())

    def change(tx: Transaction) -> int:
        found = PARAMETERS.get(tx, *key)
        if found is None:
            if "Type" not in request:
                raise invalid("A parameter type is required when you create a parameter.")
            if sum(1 for _ in islice(PARAMETERS.scan(tx, *key[:2]), MOST)) >= MOST:
                raise AWSError("ParameterLimitExceeded", f"An account can have {MOST} parameters in each Region.")
            found = Parameter(0, {}, tags | dict(context.system_tags))
        elif not request.get("Overwrite"):
            raise AWSError(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to "
                "true.",
            )
        elif tags:
            raise invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags,"
                          " please remove overwrite flag. To update tags for an existing parameter, please use"
                          " AddTagsToResource or RemoveTagsFromResource.")  # fmt: skip
        kind = request.get("Type") or found.newest.type
        kept = context.cloud.keyring.keeper.seal(value, _purpose(key)) if kind == "SecureString" else value
        description = request.get("Description") or (found.newest.description if found.number else "")
        found.number += 1
        found.versions[found.number] = Version(
            kept, kind, context.cloud.clock.time(), context.principal.arn, description
        )
        found.versions.pop(found.number - KEPT_VERSIONS, None)
        PARAMETERS.put(tx, *key, value=found)
        return found.number

    return {"Version": await context.store.transact(change), "Tier": "Standard"}


def _refuse(request: Shape) -> None:
    """What would otherwise have to be ignored."""
    for option in ("AllowedPattern", "Policies"):
        if request.get(option):
            raise option_not_implemented(f"the option {option}")
    if request.get("Tier") == "Advanced":
        raise option_not_implemented("the tier Advanced", "all parameters are of the tier Standard.")
    if request.get("DataType", "text") != "text":
        raise option_not_implemented(f"the data type {request['DataType']}")
    if request.get("KeyId", DEFAULT_KEY) != DEFAULT_KEY:
        raise option_not_implemented("KeyId", "there is no KMS; secret values are sealed by the cloud's own key.")


@service.operation("GetParameter", access=on_parameter("GetParameter"))
async def get_parameter(context: Context, request: Shape) -> Shape:
    selected = select(context, request["Name"])
    return {"Parameter": _read(context, selected, bool(request.get("WithDecryption")))}


@service.operation("GetParameters", access=on_parameters("GetParameters"))
async def get_parameters(context: Context, request: Shape) -> Shape:
    found, unknown = [], []
    for name in request["Names"]:
        try:
            found.append(_read(context, select(context, name), bool(request.get("WithDecryption"))))
        except AWSError:
            unknown.append(name)
    return {"Parameters": found, "InvalidParameters": unknown}


def _read(context: Context, selected: Selected, decrypt: bool) -> Shape:
    key = own(context, selected.key)
    parameter = find(context.store, key)
    number = version_of(parameter, selected)
    shape = _shape(context, key, parameter, number, decrypt)
    return shape | ({"Selector": selected.selector} if selected.selector else {})


def _shape(context: Context, key: Key, parameter: Parameter, number: int, decrypt: bool) -> Shape:
    version = parameter.versions[number]
    return {
        "Name": key.name, "Type": version.type, "Value": _value(context, key, version, decrypt), "Version": number,
        "LastModifiedDate": datetime.fromtimestamp(version.created, UTC), "ARN": key.arn, "DataType": "text",
    }  # fmt: skip


def _value(context: Context, key: Key, version: Version, decrypt: bool) -> str:
    if version.type != "SecureString":
        return version.value.decode()
    if not decrypt:
        return base64.b64encode(version.value).decode()
    return context.cloud.keyring.keeper.open(version.value, _purpose(key)).decode()


def _on_path(context: Context, request: Shape) -> Access:
    path = Key(context.account, context.region, request["Path"].strip("/"))
    return Access("ssm:GetParametersByPath", path.arn, {"ssm:recursive": str(bool(request.get("Recursive"))).lower()})


@service.operation("GetParametersByPath", access=_on_path)
async def get_parameters_by_path(context: Context, request: Shape) -> Shape:
    path, recursive = request["Path"], bool(request.get("Recursive"))
    if not path.startswith("/"):
        raise invalid(
            "The parameter doesn't meet the parameter name requirements. "
            'The parameter name must begin with a forward slash "/".'
        )
    if request.get("ParameterFilters"):
        raise option_not_implemented("the option ParameterFilters")
    prefix = path.rstrip("/") + "/"

    def below(row: Row) -> bool:
        name = row[0].name
        return name.startswith(prefix) and (recursive or "/" not in name[len(prefix) :])

    rows, token = _page(context, request, below, PATH_PAGE)
    decrypt = bool(request.get("WithDecryption"))
    found = [_shape(context, key, parameter, parameter.number, decrypt) for key, parameter in rows]
    return {"Parameters": found, **token}


def _page(
    context: Context, request: Shape, wanted: Callable[[Row], bool], most: int
) -> tuple[list[Row], dict[str, str]]:
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise AWSError("InvalidNextToken", "The specified token isn't valid.") from None
    within = (context.account, context.region)
    found = PARAMETERS.scan(context.store, *within, after=after)
    rows, token = paging.page(
        ((key, parameter) for key, parameter in found if wanted((Key(*within, str(key[2])), parameter))),
        request.get("MaxResults") or most,
    )
    return [(Key(*within, str(key[2])), parameter) for key, parameter in rows], {"NextToken": token} if token else {}


@service.operation("GetParameterHistory", access=on_parameter("GetParameterHistory"))
async def get_parameter_history(context: Context, request: Shape) -> Shape:
    key = own(context, select(context, request["Name"]).key)
    parameter = find(context.store, key)
    decrypt, most = bool(request.get("WithDecryption")), request.get("MaxResults") or PAGE
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise AWSError("InvalidNextToken", "The specified token isn't valid.")
    numbers = [number for number in sorted(parameter.versions) if number > int(token)]
    shown = [
        _described(key, parameter, number)
        | {"Value": _value(context, key, parameter.versions[number], decrypt), "Labels": []}
        for number in numbers[:most]
    ]
    return {"Parameters": shown} | ({"NextToken": str(numbers[most - 1])} if len(numbers) > most else {})


def _described(key: Key, parameter: Parameter, number: int) -> Shape:
    version = parameter.versions[number]
    optional = {
        "Description": version.description or None, "KeyId": DEFAULT_KEY if version.type == "SecureString" else None,
    }  # fmt: skip
    return {
        "Name": key.name, "Type": version.type, "Version": number, "Tier": "Standard", "Policies": [],
        "LastModifiedDate": datetime.fromtimestamp(version.created, UTC), "LastModifiedUser": version.author,
        "DataType": "text", **{name: value for name, value in optional.items() if value is not None},
    }  # fmt: skip


@service.operation("DeleteParameter", access=on_parameter("DeleteParameter"))
async def delete_parameter(context: Context, request: Shape) -> Shape:
    key = own(context, select(context, request["Name"]).key)

    def change(tx: Transaction) -> None:
        find(tx, key)
        PARAMETERS.delete(tx, *key)

    await context.store.transact(change)
    return {}


@service.operation("DeleteParameters", access=on_parameters("DeleteParameters"))
async def delete_parameters(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> Shape:
        deleted, unknown = [], []
        for name in request["Names"]:
            key = select(context, name).key
            if key[:2] == (context.account, context.region) and PARAMETERS.get(tx, *key) is not None:
                PARAMETERS.delete(tx, *key)
                deleted.append(name)
            else:
                unknown.append(name)
        return {"DeletedParameters": deleted, "InvalidParameters": unknown}

    return await context.store.transact(change)


def _on_list(context: Context, request: Shape) -> Access:
    return Access("ssm:DescribeParameters")


@service.operation("DescribeParameters", access=_on_list)
async def describe_parameters(context: Context, request: Shape) -> Shape:
    if request.get("Shared"):
        raise option_not_implemented("the option Shared")
    given = [(one["Key"], "Equals", one["Values"]) for one in request.get("Filters") or ()]
    given += [
        (one["Key"], one.get("Option", "Equals"), one.get("Values") or ())
        for one in request.get("ParameterFilters") or ()
    ]
    filters = [_filter(*one) for one in given]
    rows, token = _page(context, request, lambda row: all(fits(row) for fits in filters), PAGE)
    found = [_described(key, parameter, parameter.number) | {"ARN": key.arn} for key, parameter in rows]
    return {"Parameters": found, **token}


_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "Equals": str.__eq__, "BeginsWith": str.startswith, "Contains": str.__contains__,
}  # fmt: skip


def _filter(name: str, option: str, values: Iterable[str]) -> Callable[[Row], bool]:
    wanted = list(values)
    if name == "Path" and option in ("Equals", "OneLevel", "Recursive"):
        heads = [path.rstrip("/") + "/" for path in wanted]

        def below(row: Row) -> bool:
            tails = [row[0].name[len(head) :] for head in heads if row[0].name.startswith(head)]
            return any(option == "Recursive" or "/" not in tail for tail in tails)

        return below
    if name == "Name" and option in _MATCHES:
        return lambda row: any(_MATCHES[option](row[0].name, value) for value in wanted)
    if name == "Type" and option == "Equals":
        return lambda row: row[1].newest.type in wanted
    if name.startswith("tag:") and option == "Equals":
        tag = name.removeprefix("tag:")
        return lambda row: tag in row[1].tags and (not wanted or row[1].tags[tag] in wanted)
    raise option_not_implemented(f"a filter by {name} with the option {option}")
