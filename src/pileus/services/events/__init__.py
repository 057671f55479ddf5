"""Amazon EventBridge (https://docs.aws.amazon.com/eventbridge/latest/APIReference/): rules that run on a schedule."""

from pileus.services.operation import Service

service = Service("events", __name__)
