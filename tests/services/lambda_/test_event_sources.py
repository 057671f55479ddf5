"""DynamoDB streams that call functions: batches, filters, failures."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pileus.runtime.interface import Outcome
from pileus.services.lambda_.deliveries import _failed
from pileus.services.lambda_.records import Mapping
from pileus.services.lambda_.stream_records import batches, lanes, sequence_of

READS = {
    "Effect": "Allow",
    "Action": ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "logs:*", "lambda:*"],
    "Resource": "*",
}
PRINTS = """
import json
def handler(event, context):
    print("batch", json.dumps(event["Records"]))
"""


class Stream:
    def __init__(self, functions: Any, name: str = "things") -> None:
        self.functions = functions
        self.dynamodb = functions.account.client("dynamodb")
        made = self.dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.arn: str = made["TableDescription"]["LatestStreamArn"]
        self.name = name
        self.dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.05})
        self.role = functions.role("reader", READS)

    def put(self, identifier: str, **attributes: Any) -> None:
        self.dynamodb.put_item(TableName=self.name, Item={"id": {"S": identifier}, **attributes})

    def map(self, function: str, source: str, **options: Any) -> dict[str, Any]:
        self.functions.create(function, source, Role=self.role)
        options.setdefault("StartingPosition", "TRIM_HORIZON")
        answer: dict[str, Any] = self.functions.client.create_event_source_mapping(
            EventSourceArn=self.arn, FunctionName=function, **options
        )
        return answer

    def batches(self, function: str, wanted: str) -> list[list[dict[str, Any]]]:
        messages = self.functions.logged(function, wanted)
        return [json.loads(message[6:]) for message in messages if message.startswith("batch ")]


def test_changes_of_a_table_reach_the_function(functions: Any) -> None:
    stream = Stream(functions)
    stream.put("first", data={"B": b"foobar"}, n={"N": "1"})
    made = stream.map("prints", PRINTS)
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:event-source-mapping:{made['UUID']}"
    assert {key: value for key, value in made.items() if key not in ("LastModified", "ResponseMetadata", "UUID")} == {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "EventSourceArn": stream.arn,
        "EventSourceMappingArn": arn,
        "FunctionArn": f"arn:aws:lambda:us-east-1:{functions.account.id}:function:prints",
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    }
    assert functions.client.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"
    (record,) = stream.batches("prints", "first")[0]
    assert (record["eventName"], record["eventSource"], record["eventVersion"]) == ("INSERT", "aws:dynamodb", "1.1")
    assert record["eventSourceARN"] == stream.arn
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "first"}, "data": {"B": "Zm9vYmFy"}, "n": {"N": "1"}}
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], float)
    stream.put("first", n={"N": "2"})
    again = [record for batch in stream.batches("prints", "MODIFY") for record in batch]
    assert [record["eventName"] for record in again] == ["INSERT", "MODIFY"]
    updated = functions.client.update_event_source_mapping(UUID=made["UUID"], Enabled=False)
    assert (updated["State"], updated["LastProcessingResult"]) == ("Disabling", "OK")
    assert functions.client.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"
    assert functions.client.list_event_source_mappings()["EventSourceMappings"] == []


def test_filters_let_only_matching_records_through(functions: Any) -> None:
    stream = Stream(functions)
    for name in ("us-1", "eu-1", "us-2"):
        stream.put(name, state={"S": name})
    pattern = {"dynamodb": {"NewImage": {"state": {"S": [{"prefix": "us-"}]}}}}
    stream.map("filtered", PRINTS, FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    records = [record for batch in stream.batches("filtered", "us-2") for record in batch]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records] == ["us-1", "us-2"]
    with pytest.raises(ClientError) as error:
        stream.functions.client.create_event_source_mapping(
            EventSourceArn=stream.arn,
            FunctionName="filtered",
            StartingPosition="LATEST",
            FilterCriteria={"Filters": [{"Pattern": "single-string"}]},
        )
    assert error.value.response["Error"]["Message"] == "Invalid filter pattern definition."


def test_a_poisoned_record_is_isolated_and_sent_on(functions: Any) -> None:
    """Bisected down to the record that fails, tried again once, told to the destination; the others are processed."""
    stream = Stream(functions)
    functions.create("told", "import json\ndef handler(e, c):\n    print('told', json.dumps(e))\n")
    for number in range(4):
        stream.put(f"n{number}")
    source = (
        PRINTS + "    if any(r['dynamodb']['Keys']['id']['S'] == 'n2' for r in event['Records']): raise ValueError\n"
    )
    stream.map(
        "poisoned",
        source,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={
            "OnFailure": {"Destination": f"arn:aws:lambda:us-east-1:{functions.account.id}:function:told"}
        },
    )
    messages = functions.logged("told", "RetryAttemptsExhausted")
    about = next(json.loads(message[5:]) for message in messages if message.startswith("told "))
    assert about["requestContext"]["approximateInvokeCount"] == 2
    assert about["responseContext"]["functionError"] == "Unhandled"
    assert about["DDBStreamBatchInfo"]["batchSize"] == 1
    assert about["DDBStreamBatchInfo"]["streamArn"] == stream.arn
    keys = [[r["dynamodb"]["Keys"]["id"]["S"] for r in batch] for batch in stream.batches("poisoned", '"n3"')]
    assert keys[0] == ["n0", "n1", "n2", "n3"]
    assert keys.count(["n2"]) == 2
    assert ["n0", "n1"] in keys and keys[-1] == ["n3"]


def test_a_batch_that_failed_is_kept_in_a_bucket(functions: Any) -> None:
    s3, bucket = functions.account.client("s3"), f"failures-{functions.account.id}"
    s3.create_bucket(Bucket=bucket)
    stream = Stream(functions)
    writes = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    stream.role = functions.role("keeper", READS, writes)
    stream.put("poison")
    made = stream.map(
        "failing",
        "def handler(e, c):\n    raise ValueError('no')\n",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    for _ in range(400):
        kept = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        if kept:
            break
        time.sleep(0.05)
    assert kept[0].startswith(f"aws/lambda/{made['UUID']}/shardId-")
    about = json.loads(s3.get_object(Bucket=bucket, Key=kept[0])["Body"].read())
    assert about["requestContext"]["condition"] == "RetryAttemptsExhausted"
    records = json.loads(about["payload"])["Records"]
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records] == ["poison"]
    assert about["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_source_must_be_there_and_readable(functions: Any) -> None:
    stream = Stream(functions)
    functions.create("lonely")
    create = functions.client.create_event_source_mapping
    for arguments, message in (
        ({"FunctionName": "lonely"}, "Unrecognized event source."),
        (
            {"FunctionName": "none", "EventSourceArn": stream.arn, "StartingPosition": "LATEST"},
            "Function does not exist",
        ),
        (
            {"FunctionName": "lonely", "EventSourceArn": stream.arn},
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must"
            " not be null.",
        ),
        (
            {"FunctionName": "lonely", "EventSourceArn": stream.arn, "StartingPosition": "AT_TIMESTAMP"},
            f"Unsupported starting position for arn type: {stream.arn}",
        ),
        (
            {"FunctionName": "lonely", "EventSourceArn": stream.arn, "StartingPosition": "LATEST"},
            f"Cannot access stream {stream.arn}. Please ensure the role can perform the GetRecords, GetShardIterator,"
            " DescribeStream, ListShards, and DescribeStreamSummary Actions on your stream in IAM.",
        ),
    ):
        with pytest.raises(ClientError) as error:
            create(**arguments)
        assert error.value.response["Error"]["Message"] == message
    stream.map("first", PRINTS)
    with pytest.raises(ClientError) as error:
        create(FunctionName="first", EventSourceArn=stream.arn, StartingPosition="LATEST")
    assert error.value.response["Error"]["Code"] == "ResourceConflictException"
    assert error.value.response["Error"]["Message"].startswith(
        f'The event source arn (" {stream.arn} ") and function (" first ") provided mapping already exists.'
    )
    gone = stream.arn.replace("things", "nothing")
    with pytest.raises(ClientError) as error:
        create(FunctionName="first", EventSourceArn=gone, StartingPosition="LATEST")
    assert error.value.response["Error"]["Message"] == f"Stream not found: {gone}"


PART = [{"dynamodb": {"SequenceNumber": str(number)}} for number in range(1, 5)]


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        (b"null", 0),
        (b"{}", 0),
        (b'{"batchItemFailures": []}', 0),
        (b"[]", 0),
        (b"0", 4),
        (b'{"batchItemFailures": [{"itemIdentifier": {}}]}', 4),
        (b'{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "3"}]}', 2),
        (b'{"batchItemFailures": null}', 0),
        (b'{"batchItemFailures": [{"itemIdentifier": "3"}]}', 2),
        (b'{"batchItemFailures": [{"itemIdentifier": "4"}, {"itemIdentifier": "2"}]}', 3),
        (b'{"batchItemFailures": [{"itemIdentifier": "9"}]}', 4),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', 4),
        (b'{"batchItemFailures": [{"foo": "3"}]}', 4),
        (b'"text"', 4),
    ],
)
def test_partial_failures_are_read_as_on_aws(payload: bytes, left: int) -> None:
    mapping = Mapping("u", "a", "r", "s", "f", "LATEST", 0.0, response_types=["ReportBatchItemFailures"])
    assert len(_failed(PART, Outcome(payload=payload), mapping)) == left


def test_items_stay_in_order_in_parallellanes() -> None:
    records = [
        {"dynamodb": {"SequenceNumber": str(number), "Keys": {"id": {"S": f"item-{number % 7}"}}}}
        for number in range(60)
    ]
    split = lanes(records, 4)
    assert len(split) > 1
    assert sorted((r for lane in split for r in lane), key=lambda r: int(sequence_of(r))) == records
    for lane in split:
        assert lane == sorted(lane, key=lambda r: int(sequence_of(r)))
    homes = {str(r["dynamodb"]["Keys"]): number for number, lane in enumerate(split) for r in lane}
    assert all(homes[str(r["dynamodb"]["Keys"])] == number for number, lane in enumerate(split) for r in lane)
    assert [len(batch) for batch in batches(records, 25)] == [25, 25, 10]
    large = [{"dynamodb": {"NewImage": {"x": {"S": "x" * 2_500_000}}}} for _ in range(5)]
    assert [len(batch) for batch in batches(large, 25)] == [2, 2, 1], "no payload above 6 MB"


def test_several_batches_of_a_shard_run_at_once(functions: Any) -> None:
    stream = Stream(functions)
    for number in range(12):
        stream.put(f"item-{number}")
    made = stream.map("parallel", PRINTS, ParallelizationFactor=4, BatchSize=2)
    assert made["ParallelizationFactor"] == 4
    for number in range(12):
        functions.logged("parallel", f'"item-{number}"')
    records = [r["dynamodb"]["Keys"]["id"]["S"] for batch in stream.batches("parallel", "item-11") for r in batch]
    assert sorted(records) == sorted(f"item-{number}" for number in range(12)), "each once"


COUNTS = """
import json
def handler(event, context):
    state = event["state"]
    state["n"] = state.get("n", 0) + len(event["Records"])
    print("window", json.dumps({"final": event["isFinalInvokeForWindow"], "n": state["n"], "of": event["window"]}))
    return {"state": state}
"""


def test_a_windows_state_goes_from_batch_to_batch(functions: Any) -> None:
    stream = Stream(functions)
    for number in range(5):
        stream.put(f"item-{number}")
    made = stream.map("counting", COUNTS, TumblingWindowInSeconds=2, BatchSize=2)
    assert made["TumblingWindowInSeconds"] == 2
    messages = functions.logged("counting", '"final": true')
    told = [json.loads(message[7:]) for message in messages if message.startswith("window ")]
    by_window: dict[str, list[dict[str, Any]]] = {}
    for one in told:
        by_window.setdefault(one["of"]["start"], []).append(one)
    first = next(iter(by_window.values()))
    assert [one["final"] for one in first] == [False] * (len(first) - 1) + [True]
    assert [one["n"] for one in first] == sorted(one["n"] for one in first)
    assert first[-1]["n"] == first[-2]["n"] > 0, "the last event brings no records, but the state"
