"""AWS Systems Manager's parameter store (https://docs.aws.amazon.com/systems-manager/latest/APIReference/)."""

from pileus.services.operation import Service

service = Service("ssm", __name__)
