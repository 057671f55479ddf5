"""OpenID Connect providers whose tokens may be exchanged for credentials.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from __future__ import annotations

import re

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.security.identities import OPENID_PROVIDERS, OpenIDProvider, changed
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import action, date, on_account, resource_tags, tag_keys, tag_list
from pileus.services.iam.errors import (
    entity_already_exists,
    invalid_input,
    limit_exceeded,
    no_such_entity,
    validation_error,
)
from pileus.services.iam.tags import merged, tags_listing, without
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader, Transaction

_URL = re.compile(r"^(https?)://([A-Za-z0-9.-]+(?::\d+)?(?:/[^?#\s]*)?)$")
_LOOPBACK = re.compile(r"^(localhost|127\.0\.0\.1)(:\d+)?(/|$)")
CLIENT_IDS = 100
THUMBPRINTS = 5


def issuer(url: str) -> str:
    """The provider's name: its URL without scheme. Plain HTTP is taken on this machine only."""
    found = _URL.match(url)
    if not found or (found[1] == "http" and not _LOOPBACK.match(found[2])):
        raise validation_error("Invalid Open ID Connect Provider URL")
    return found[2].rstrip("/")


def _key(provider_arn: str) -> str:
    return provider_arn.partition(":oidc-provider/")[2]


def _find(reader: Reader, account: str, provider_arn: str) -> OpenIDProvider:
    found = OPENID_PROVIDERS.get(reader, account, _key(provider_arn))
    if found is None or found.arn != provider_arn:
        raise no_such_entity(f"OpenIDConnect Provider not found for arn {provider_arn}")
    return found


def _on_provider(context: Context, request: Shape) -> Access:
    found = OPENID_PROVIDERS.get(context.store, context.account, _key(request["OpenIDConnectProviderArn"]))
    keys = {**tag_keys(request), **(resource_tags(found.tags) if found else {})}
    return Access(action(context), request["OpenIDConnectProviderArn"], keys)


def _on_new_provider(context: Context, request: Shape) -> Access:
    name = request["Url"].partition("://")[2].rstrip("/")
    return Access(action(context), arn("iam", "", context.account, f"oidc-provider/{name}"), tag_keys(request))


@service.operation("CreateOpenIDConnectProvider", access=_on_new_provider)
async def create_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    url = issuer(request["Url"])

    def create(tx: Transaction) -> OpenIDProvider:
        if OPENID_PROVIDERS.get(tx, context.account, url):
            raise entity_already_exists(f"Provider with url {request['Url']} already exists.")
        made = OpenIDProvider(
            account=context.account,
            url=url,
            created=context.received,
            client_ids=_clients(request.get("ClientIDList", [])),
            thumbprints=_thumbprints(request.get("ThumbprintList", [])),
            tags=merged({}, request.get("Tags", [])),
        )
        _put(tx, made)
        return made

    made = await context.store.transact(create)
    return {"OpenIDConnectProviderArn": made.arn, "Tags": tag_list(made.tags)}


def _put(tx: Transaction, provider: OpenIDProvider) -> None:
    OPENID_PROVIDERS.put(tx, provider.account, provider.url, value=provider)
    changed(tx, provider.account)


def _clients(names: list[str]) -> list[str]:
    if len(names) > CLIENT_IDS:
        raise limit_exceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS}")
    return list(dict.fromkeys(names))


def _thumbprints(texts: list[str]) -> list[str]:
    if len(texts) > THUMBPRINTS:
        raise invalid_input(f"Thumbprint list must contain fewer than {THUMBPRINTS} entries.")
    return list(texts)


@service.operation("GetOpenIDConnectProvider", access=_on_provider)
async def get_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    found = _find(context.store, context.account, request["OpenIDConnectProviderArn"])
    return {
        "Url": found.url,
        "ClientIDList": found.client_ids,
        "ThumbprintList": found.thumbprints,
        "CreateDate": date(found.created),
        "Tags": tag_list(found.tags),
    }


@service.operation("ListOpenIDConnectProviders", access=on_account("*"))
async def list_open_id_connect_providers(context: Context, request: Shape) -> Shape:
    found = OPENID_PROVIDERS.scan(context.store, context.account)
    return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for _, provider in found]}


@service.operation("DeleteOpenIDConnectProvider", access=_on_provider)
async def delete_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    """Deleting one that is not there is no error, as AWS documents it."""

    def delete(tx: Transaction) -> None:
        try:
            found = _find(tx, context.account, request["OpenIDConnectProviderArn"])
        except AWSError as error:
            if error.code != "NoSuchEntity":
                raise
            return
        OPENID_PROVIDERS.delete(tx, context.account, found.url)
        changed(tx, context.account)

    await context.store.transact(delete)
    return {}


@service.operation("AddClientIDToOpenIDConnectProvider", access=_on_provider)
async def add_client_id_to_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    def add(tx: Transaction) -> None:
        found = _find(tx, context.account, request["OpenIDConnectProviderArn"])
        found.client_ids = _clients([*found.client_ids, request["ClientID"]])
        _put(tx, found)

    await context.store.transact(add)
    return {}


@service.operation("RemoveClientIDFromOpenIDConnectProvider", access=_on_provider)
async def remove_client_id_from_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    def remove(tx: Transaction) -> None:
        found = _find(tx, context.account, request["OpenIDConnectProviderArn"])
        found.client_ids = [name for name in found.client_ids if name != request["ClientID"]]
        _put(tx, found)

    await context.store.transact(remove)
    return {}


@service.operation("UpdateOpenIDConnectProviderThumbprint", access=_on_provider)
async def update_open_id_connect_provider_thumbprint(context: Context, request: Shape) -> Shape:
    def update(tx: Transaction) -> None:
        found = _find(tx, context.account, request["OpenIDConnectProviderArn"])
        found.thumbprints = _thumbprints(request["ThumbprintList"])
        _put(tx, found)

    await context.store.transact(update)
    return {}


@service.operation("TagOpenIDConnectProvider", access=_on_provider)
async def tag_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        found = _find(tx, context.account, request["OpenIDConnectProviderArn"])
        found.tags = merged(found.tags, request["Tags"])
        _put(tx, found)

    await context.store.transact(change)
    return {}


@service.operation("UntagOpenIDConnectProvider", access=_on_provider)
async def untag_open_id_connect_provider(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        found = _find(tx, context.account, request["OpenIDConnectProviderArn"])
        found.tags = without(found.tags, request["TagKeys"])
        _put(tx, found)

    await context.store.transact(change)
    return {}


@service.operation("ListOpenIDConnectProviderTags", access=_on_provider)
async def list_open_id_connect_provider_tags(context: Context, request: Shape) -> Shape:
    return tags_listing(request, _find(context.store, context.account, request["OpenIDConnectProviderArn"]).tags)
