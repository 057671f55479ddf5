"""Changes the title of one of the caller's todos, or whether it is done, or both."""

from botocore.exceptions import ClientError
from todos import RefusedError, answering, condition_failed, parse_done, parse_id, parse_title, shown, table

PARSERS = {"title": parse_title, "done": parse_done}


@answering
def handler(owner, event):
    identifier = parse_id(event)
    changes = {name: parse(event) for name, parse in PARSERS.items() if name in event}
    if not changes:
        raise RefusedError("NothingToChange", "Say what to change: title, done, or both.")
    try:
        updated = table.update_item(
            Key={"owner": owner, "id": identifier},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changes),
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeNames={f"#{name}": name for name in changes},
            ExpressionAttributeValues={f":{name}": value for name, value in changes.items()},
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if condition_failed(error):
            raise RefusedError("NotFound", "This todo is not there any more.") from None
        raise
    return {"todo": shown(updated["Attributes"])}
