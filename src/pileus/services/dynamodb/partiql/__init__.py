"""The part of PartiQL that DynamoDB speaks.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
Statements parse into the same trees as expressions; parameters (`?`) are put in before.
"""
