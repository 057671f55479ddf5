"""Amazon DynamoDB (API version 2012-08-10).

Attribute values stay in the wire's form throughout ({"S": "x"}): DynamoDB words the errors about them itself, and an
item that nothing looks into is spliced into the answer as the bytes that are stored.
"""

from pileus.services.operation import Service

service = Service(
    "dynamodb", __name__, opaque=frozenset({"AttributeValue"}), largest_body=16 << 20, largest_head=16 << 10
)
