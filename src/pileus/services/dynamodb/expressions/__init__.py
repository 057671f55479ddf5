"""DynamoDB's expression languages.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html

A text is parsed once into a tree (`parsing`, cached by text), which knows nothing of a request. `Binder` ties a tree
to one request's names and values and makes functions of it that take items.
"""
