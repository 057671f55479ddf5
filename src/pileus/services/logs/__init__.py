"""Amazon CloudWatch Logs (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/)."""

from pileus.services.operation import Service

service = Service("logs", __name__, largest_body=8 << 20)
