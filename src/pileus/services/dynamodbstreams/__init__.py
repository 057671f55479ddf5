"""Amazon DynamoDB Streams (API version 2012-08-10): another endpoint of the same database, which reads its stream log."""

from pileus.services.operation import Service

service = Service("dynamodbstreams", __name__, opaque=frozenset({"AttributeValue"}))
