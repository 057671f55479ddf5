"""The caller's todos, oldest first, a page at a time: `next` is where the following one starts."""

from boto3.dynamodb.conditions import Key
from todos import answering, parse_id, shown, table

PAGE = 200


@answering
def handler(owner, event):
    start = {"ExclusiveStartKey": {"owner": owner, "id": parse_id({"id": event["after"]})}} if "after" in event else {}
    page = table.query(KeyConditionExpression=Key("owner").eq(owner), ConsistentRead=True, Limit=PAGE, **start)
    return {"todos": [shown(item) for item in page["Items"]], "next": page.get("LastEvaluatedKey", {}).get("id")}
