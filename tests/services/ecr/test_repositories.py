"""There is no registry of containers."""

from __future__ import annotations

from pileus.testing import Account
from stacks import refused


def test_no_repository_is_ever_there(account: Account) -> None:
    client = account.client("ecr")
    assert client.describe_repositories()["repositories"] == []
    assert refused(client.describe_repositories, repositoryNames=["app"]) == (
        "RepositoryNotFoundException",
        f"The repository with name 'app' does not exist in the registry with id '{account.id}'",
    )
    assert refused(client.create_repository, repositoryName="app")[0] == "NotImplemented"
