"""What IAM has elsewhere and this one has none of: console passwords, second factors, certificates, instance profiles.

Tools ask about them before they delete a user or role, so the truth is told: there are none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import ROLE, USER, on, on_account, own_name
from pileus.services.iam.errors import no_such_entity
from pileus.services.operation import Access, Shape


def _no_user(context: Context, request: Shape) -> None:
    USER.find(context.store, context.account, own_name(context, request))


@service.operation("ListInstanceProfiles", access=on_account("instance-profile/"))
async def list_instance_profiles(context: Context, request: Shape) -> Shape:
    return {"InstanceProfiles": [], "IsTruncated": False}


@service.operation("ListInstanceProfilesForRole", access=on(ROLE))
async def list_instance_profiles_for_role(context: Context, request: Shape) -> Shape:
    ROLE.find(context.store, context.account, request["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}


@service.operation("ListMFADevices", access=on(USER))
async def list_mfa_devices(context: Context, request: Shape) -> Shape:
    _no_user(context, request)
    return {"MFADevices": [], "IsTruncated": False}


@service.operation("ListVirtualMFADevices", access=on_account("mfa/"))
async def list_virtual_mfa_devices(context: Context, request: Shape) -> Shape:
    return {"VirtualMFADevices": [], "IsTruncated": False}


@service.operation("ListSSHPublicKeys", access=on(USER))
async def list_ssh_public_keys(context: Context, request: Shape) -> Shape:
    _no_user(context, request)
    return {"SSHPublicKeys": [], "IsTruncated": False}


@service.operation("ListSigningCertificates", access=on(USER))
async def list_signing_certificates(context: Context, request: Shape) -> Shape:
    _no_user(context, request)
    return {"Certificates": [], "IsTruncated": False}


def _on_user_or_all(context: Context, request: Shape) -> Access | Iterable[Access]:
    rule = on_account("user/*") if request.get("AllUsers") else on(USER)
    return rule(context, request)


@service.operation("ListServiceSpecificCredentials", access=_on_user_or_all)
async def list_service_specific_credentials(context: Context, request: Shape) -> Shape:
    if not request.get("AllUsers"):
        _no_user(context, request)
    return {"ServiceSpecificCredentials": []}


@service.operation("ListServerCertificates", access=on_account("server-certificate/"))
async def list_server_certificates(context: Context, request: Shape) -> Shape:
    return {"ServerCertificateMetadataList": [], "IsTruncated": False}


@service.operation("ListSAMLProviders", access=on_account("*"))
async def list_saml_providers(context: Context, request: Shape) -> Shape:
    return {"SAMLProviderList": []}


@service.operation("GetLoginProfile", access=on(USER))
async def get_login_profile(context: Context, request: Shape) -> NoReturn:
    _no_user(context, request)
    raise no_such_entity(f"Login Profile for User {own_name(context, request)} cannot be found.")


@service.operation("GetAccountPasswordPolicy", access=on_account("*"))
async def get_account_password_policy(context: Context, request: Shape) -> NoReturn:
    raise no_such_entity(f"The Password Policy with domain name {context.account} cannot be found.")
