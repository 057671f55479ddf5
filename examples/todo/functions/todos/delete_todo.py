"""Deletes one of the caller's todos. One that is not there is as good as deleted."""

from todos import answering, parse_id, table


@answering
def handler(owner, event):
    identifier = parse_id(event)
    table.delete_item(Key={"owner": owner, "id": identifier})
    return {"id": identifier}
