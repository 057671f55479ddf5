"""AWS Lambda (https://docs.aws.amazon.com/lambda/latest/api/)."""

from pileus.services.operation import Service

service = Service("lambda", __name__, opaque=frozenset({"Runtime"}), largest_body=70_167_211)
