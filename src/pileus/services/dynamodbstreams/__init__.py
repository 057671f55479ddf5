"""Amazon DynamoDB Streams (API version 2012-08-10).

It is another endpoint of the same database, as on AWS, so it reads the stream log that services.dynamodb writes: the
one service that imports another.
"""

from pileus.services.operation import Service

service = Service("dynamodbstreams", __name__, opaque=frozenset({"AttributeValue"}))
