"""Function URLs: an HTTP endpoint of a function or alias.

https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import service
from pileus.services.lambda_.access import on_function, on_whole_function
from pileus.services.lambda_.configuration import now_text
from pileus.services.lambda_.names import LATEST, FunctionName, function_name
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import (
    ALIASES,
    FUNCTIONS,
    URL_CONFIGS,
    URL_OWNERS,
    UrlConfig,
    UrlOwner,
)
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction

_ID = string.ascii_lowercase + string.digits


def _keys(context: Context, request: Shape) -> dict[str, str]:
    auth_type = request.get("AuthType")
    if auth_type is None:
        existing = URL_CONFIGS.get(context.store, *_key(function_name(context, request)))
        auth_type = existing.auth_type if existing else None
    return {"lambda:functionurlauthtype": auth_type} if auth_type else {}


def _key(name: FunctionName) -> tuple[str, str, str, str]:
    return (*name.key, name.qualifier)


@service.operation("CreateFunctionUrlConfig", access=on_function("CreateFunctionUrlConfig", _keys))
async def create_function_url_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    now = now_text(context.cloud.clock.now())

    def change(tx: Transaction) -> UrlConfig:
        _check_exists(tx, name)
        if URL_CONFIGS.get(tx, *_key(name)) is not None:
            raise AWSError(
                "ResourceConflictException",
                f"Failed to create function url config for [functionArn = {name.qualified_arn}]. Error message: "
                " FunctionUrlConfig exists for this Lambda function",
                Type="User",
            )
        config = UrlConfig("".join(secrets.choice(_ID) for _ in range(32)), request["AuthType"], now, now)
        _take(config, request)
        URL_CONFIGS.put(tx, *_key(name), value=config)
        URL_OWNERS.put(tx, config.id, value=UrlOwner(*_key(name)))
        return config

    config = await context.store.transact(change)
    return _answered(_shape(context, name, config), config, "LastModifiedTime")


@service.operation("UpdateFunctionUrlConfig", access=on_function("UpdateFunctionUrlConfig", _keys))
async def update_function_url_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)

    def change(tx: Transaction) -> UrlConfig:
        _check_exists(tx, name)
        config = URL_CONFIGS.get(tx, *_key(name))
        if config is None:
            raise _not_there()
        config.auth_type = request.get("AuthType") or config.auth_type
        config.modified = now_text(context.cloud.clock.now())
        _take(config, request)
        URL_CONFIGS.put(tx, *_key(name), value=config)
        return config

    config = await context.store.transact(change)
    return _answered(_shape(context, name, config), config)


@service.operation("GetFunctionUrlConfig", access=on_function("GetFunctionUrlConfig", _keys))
async def get_function_url_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    config = URL_CONFIGS.get(context.store, *_key(name))
    if config is None:
        raise _not_there()
    return _shape(context, name, config)


@service.operation("DeleteFunctionUrlConfig", access=on_function("DeleteFunctionUrlConfig", _keys))
async def delete_function_url_config(context: Context, request: Shape) -> None:
    name = function_name(context, request)

    def change(tx: Transaction) -> None:
        config = URL_CONFIGS.get(tx, *_key(name))
        if config is None:
            raise _not_there()
        URL_CONFIGS.delete(tx, *_key(name))
        URL_OWNERS.delete(tx, config.id)

    await context.store.transact(change)


@service.operation("ListFunctionUrlConfigs", access=on_whole_function("ListFunctionUrlConfigs"))
async def list_function_url_configs(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    _check_exists(context.store, name)
    rows = URL_CONFIGS.scan(context.store, *name.key, after=position(request.get("Marker")))
    shown, marker = page(rows, request.get("MaxItems") or 50)
    return {"FunctionUrlConfigs": [_shape(context, name.at(str(key[3])), config) for key, config in shown], **marker}


def _take(config: UrlConfig, request: Shape) -> None:
    config.invoke_mode = request.get("InvokeMode") or config.invoke_mode
    if "Cors" in request:
        config.cors = request["Cors"] or None


def _check_exists(reader: Reader, name: FunctionName) -> None:
    known = FUNCTIONS.get(reader, *name.key) is not None
    if known and name.qualifier and name.qualifier != LATEST:
        known = ALIASES.get(reader, *_key(name)) is not None
    if not known:
        raise AWSError("ResourceNotFoundException", "Function does not exist", Type="User")


def _not_there() -> AWSError:
    return AWSError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")


def url_host(context: Context, config: UrlConfig) -> str:
    """Where a URL is reached: below the name under which the cloud was asked."""
    asked, _, port = (context.headers.get("host") or f"localhost:{context.cloud.settings.port}").partition(":")
    if not any(letter.isalpha() for letter in asked) or asked.startswith("["):
        asked, port = "localhost", str(context.cloud.settings.port)
    return f"{config.id}.lambda-url.{context.region}.{asked}" + (f":{port}" if port else "")


def _shape(context: Context, name: FunctionName, config: UrlConfig) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "FunctionUrl": f"{'https' if context.secure else 'http'}://{url_host(context, config)}/",
        "FunctionArn": name.qualified_arn,
        "AuthType": config.auth_type,
        "CreationTime": config.created,
        "LastModifiedTime": config.modified,
        "InvokeMode": config.invoke_mode or "BUFFERED",
    }
    return {**shape, "Cors": config.cors} if config.cors else shape


def _answered(shape: dict[str, Any], config: UrlConfig, *without: str) -> dict[str, Any]:
    """Answers to changes show the mode only where it was ever asked for, as recorded on AWS."""
    dropped = {*without, *(() if config.invoke_mode else ("InvokeMode",))}
    return {member: value for member, value in shape.items() if member not in dropped}
