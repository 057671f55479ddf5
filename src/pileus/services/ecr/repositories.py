"""DescribeRepositories. None can be made, so none is ever there."""

from __future__ import annotations

from collections.abc import Iterable

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.ecr import service
from pileus.services.operation import Access, Shape


def _on_repositories(context: Context, request: Shape) -> Iterable[Access]:
    owner = request.get("registryId") or context.account
    for name in request.get("repositoryNames") or ["*"]:
        resource = arn("ecr", context.region, owner, f"repository/{name}")
        yield Access("ecr:DescribeRepositories", resource, owner=owner)


@service.operation("DescribeRepositories", access=_on_repositories)
async def describe_repositories(context: Context, request: Shape) -> Shape:
    registry = request.get("registryId") or context.account
    for name in request.get("repositoryNames") or ():
        raise AWSError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
        )
    return {"repositories": []}
