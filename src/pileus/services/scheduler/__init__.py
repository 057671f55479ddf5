"""Amazon EventBridge Scheduler (https://docs.aws.amazon.com/scheduler/latest/APIReference/)."""

from pileus.services.operation import Service

service = Service("scheduler", __name__)
