"""Adds a todo to the caller's. The page chooses its id, so that a call that is tried again adds one todo, not two; the
id can only ever name one of the caller's own."""

from datetime import UTC, datetime

from botocore.exceptions import ClientError
from todos import answering, condition_failed, parse_id, parse_title, shown, table


@answering
def handler(owner, event):
    todo = {
        "owner": owner,
        "id": parse_id(event),
        "title": parse_title(event),
        "done": False,
        "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    try:
        table.put_item(Item=todo, ConditionExpression="attribute_not_exists(id)")
    except ClientError as error:
        if not condition_failed(error):
            raise
    return {"todo": shown(todo)}
