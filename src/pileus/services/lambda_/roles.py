"""Execution roles: what a function may do, and the principal as which its logs are written.

Lambda assumes the role as any caller would, so its trust policy must name lambda.amazonaws.com. As on AWS, the session
of a function may last longer than the role's own maximum.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pileus.aws.arn import parse
from pileus.aws.errors import AWSError
from pileus.runtime.interface import ENVIRONMENT_LIFETIME
from pileus.security import identities, tokens
from pileus.security.principals import Principal, service
from pileus.services.context import Cloud

_SESSION_SECONDS = ENVIRONMENT_LIFETIME + 3600.0
_REUSE_SECONDS = 900.0


def _session_name(function: str) -> str:
    """STS wants two letters at least; recorded."""
    return function if len(function) > 1 else f"{function}@lambda_function"


class Roles:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._opener = tokens.Opener(cloud.keyring.sealer)
        self._sessions: dict[tuple[str, str, str], tuple[float, tokens.Credentials, Principal]] = {}

    async def assume(self, role: str, function: str, region: str) -> tuple[tokens.Credentials, Principal]:
        """Credentials that outlive an execution environment. Raises AWSError where the role does not let Lambda in."""
        key = (role, function, region)
        now = self._cloud.clock.time()
        found = self._sessions.get(key)
        if found is None or found[0] < now or not self._is_of(role, found[2]):
            if len(self._sessions) > 10_000:
                self._sessions = {key: held for key, held in self._sessions.items() if held[0] >= now}
            credentials, principal = await self._assume(role, function, region, now)
            found = self._sessions[key] = (now + _REUSE_SECONDS, credentials, principal)
        return found[1], found[2]

    def _is_of(self, role: str, principal: Principal) -> bool:
        """Whether the session is of the role that has the name now: one that was deleted takes its rights with it."""
        current = identities.role_of_arn(self._cloud.store, role)
        return current is not None and current.id == principal.user_id.partition(":")[0]

    async def _assume(self, role: str, function: str, region: str, now: float) -> tuple[tokens.Credentials, Principal]:
        account = parse(role).account
        lambda_service = service("lambda.amazonaws.com", account)
        try:
            answer = await self._cloud.client(lambda_service, region=region).call(
                "sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": _session_name(function)}
            )
        except AWSError as error:
            raise AWSError(
                "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.", status=403
            ) from error
        _, principal = self._opener.open(answer["Credentials"]["SessionToken"])
        assert principal.session is not None  # noqa: S101 - a role session
        session = msgspec.structs.replace(principal.session, issued=now, expires=now + _SESSION_SECONDS)
        credentials = tokens.issue(self._cloud.keyring.sealer, msgspec.structs.replace(principal, session=session))
        _, longer = self._opener.open(credentials.session_token)
        return credentials, longer

    async def environment(self, role: str, function: str, region: str) -> Mapping[str, str]:
        """The credentials as a function's environment has them."""
        credentials, _ = await self.assume(role, function, region)
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
        }
