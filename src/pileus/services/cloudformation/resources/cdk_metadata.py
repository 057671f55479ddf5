"""AWS::CDK::Metadata: what the CDK tells AWS about itself. There is nothing to make of it, on AWS as here."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, nothing


async def create(work: Work) -> None:
    await work.identify(work.name("", 128))


METADATA = ResourceType("AWS::CDK::Metadata", properties={"Analytics": str}, create=create, delete=nothing)
