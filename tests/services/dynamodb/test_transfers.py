"""Exports to S3 and imports from it."""

from __future__ import annotations

import gzip
import json
import secrets
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def bucket(owner: Any) -> str:
    name = f"bucket-{secrets.token_hex(6)}"
    owner.client("s3").create_bucket(Bucket=name)
    return name


def ended(describe: Any) -> Any:
    for _ in range(300):
        description = describe()
        status = description.get("ExportStatus") or description.get("ImportStatus")
        if status != "IN_PROGRESS":
            return description
        time.sleep(0.02)
    raise AssertionError("it did not end")


def import_(database: Any, bucket: str, **options: Any) -> tuple[str, Any]:
    name = f"table-{secrets.token_hex(6)}"
    keys = options.pop("keys", {"p": "S"})
    arn = database.import_table(
        S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": options.pop("prefix")},
        TableCreationParameters={
            "TableName": name,
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"} for key in keys],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
            "BillingMode": "PAY_PER_REQUEST",
        },
        **options,
    )["ImportTableDescription"]["ImportArn"]
    return name, ended(lambda: database.describe_import(ImportArn=arn)["ImportTableDescription"])


def test_what_was_exported_can_be_imported(database: Any, owner: Any, bucket: str, table: str) -> None:
    items = {str(i): {"p": {"S": str(i)}, "b": {"B": b"\0\xff"}, "n": {"N": "1.5"}} for i in range(40)}
    for item in items.values():
        database.put_item(TableName=table, Item=item)
    arn = database.describe_table(TableName=table)["Table"]["TableArn"]
    with pytest.raises(ClientError, match="PointInTimeRecoveryUnavailableException"):
        database.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket)
    database.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    export = database.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket, S3Prefix="some/where")
    export_arn = export["ExportDescription"]["ExportArn"]
    database.put_item(TableName=table, Item={"p": {"S": "too late"}})
    done = ended(lambda: database.describe_export(ExportArn=export_arn)["ExportDescription"])
    assert (done["ExportStatus"], done["ItemCount"]) == ("COMPLETED", 40)
    assert database.list_exports(TableArn=arn)["ExportSummaries"][0]["ExportArn"] == export_arn
    s3 = owner.client("s3")
    summary = json.loads(s3.get_object(Bucket=bucket, Key=done["ExportManifest"])["Body"].read())
    files = s3.get_object(Bucket=bucket, Key=summary["manifestFilesS3Key"])["Body"].read().splitlines()
    key = json.loads(files[0])["dataFileS3Key"]
    lines = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).splitlines()
    assert len(lines) == 40 and json.loads(lines[0])["Item"]["b"] == {"B": "AP8="}
    name, description = import_(
        database, bucket, prefix=key.rpartition("/")[0], InputFormat="DYNAMODB_JSON", InputCompressionType="GZIP"
    )
    assert (description["ImportStatus"], description["ImportedItemCount"], description["ErrorCount"]) == (
        "COMPLETED", 40, 0
    )  # fmt: skip
    assert {item["p"]["S"]: item for item in database.scan(TableName=name)["Items"]} == items
    database.delete_table(TableName=name)


def test_csv_types_the_keys_and_counts_errors(database: Any, owner: Any, bucket: str) -> None:
    text = 'p,name,note\n1,"Doe, Jane",\n2,John,"said ""hi"""\nx,nobody,\n'
    owner.client("s3").put_object(Bucket=bucket, Key="csv/people.csv", Body=text.encode())
    name, description = import_(database, bucket, prefix="csv/", InputFormat="CSV", keys={"p": "N"})
    assert (description["ProcessedItemCount"], description["ImportedItemCount"], description["ErrorCount"]) == (3, 2, 1)
    items = sorted(database.scan(TableName=name)["Items"], key=lambda item: item["p"]["N"])
    assert items == [
        {"p": {"N": "1"}, "name": {"S": "Doe, Jane"}},
        {"p": {"N": "2"}, "name": {"S": "John"}, "note": {"S": 'said "hi"'}},
    ]
    database.delete_table(TableName=name)


def test_a_bucket_that_is_not_there_fails_the_import(database: Any) -> None:
    name, description = import_(database, f"bucket-{secrets.token_hex(6)}", prefix="", InputFormat="DYNAMODB_JSON")
    assert (description["ImportStatus"], description["FailureCode"]) == ("FAILED", "S3NoSuchBucket")
    assert description["FailureMessage"] == "The specified bucket does not exist"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        database.describe_table(TableName=name)


def test_what_is_an_item_is_imported_whatever_else_is_there(database: Any, owner: Any, bucket: str) -> None:
    lines = b'{"Item":{"p":{"S":"a"}}}{"Item":{"p":{"S":"b"}}} {"Item":{"p":{"S":"c"}}}\n{"p":{"S":"d"}}\n[1]{\n'
    owner.client("s3").put_object(Bucket=bucket, Key="mixed/data", Body=lines)
    name, description = import_(database, bucket, prefix="mixed/", InputFormat="DYNAMODB_JSON")
    assert (description["ProcessedItemCount"], description["ImportedItemCount"], description["ErrorCount"]) == (6, 3, 3)
    assert (description["ImportStatus"], description["FailureCode"]) == ("FAILED", "ItemValidationError")
    assert sorted(item["p"]["S"] for item in database.scan(TableName=name)["Items"]) == ["a", "b", "c"]
    database.delete_table(TableName=name)
