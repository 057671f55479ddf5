"""Notes and pictures that the browser itself reads and writes: policy alone keeps people apart."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Page, expect

ICON = Path(__file__).parents[2] / "examples" / "todo" / "site" / "public" / "icon.svg"
PASSWORD = "correct horse battery"


@pytest.fixture
def notes(cloud: Any, deployed: Any) -> Any:
    return deployed(cloud, "notes")


def come_in(page: Page) -> None:
    page.get_by_role("button", name="Create an account").click()
    page.get_by_role("main").get_by_label("Name").fill(f"ada-{secrets.token_hex(4)}")
    page.get_by_role("main").get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Nothing kept yet.")).to_be_visible()


def keep(page: Page, text: str, *, keyboard: bool = False) -> None:
    page.get_by_label("New note").fill(text)
    if keyboard:
        page.keyboard.press("Control+Enter")
    else:
        page.get_by_role("button", name="Keep").click()
    expect(page.get_by_label("New note")).to_have_value("")


def test_people_keep_notes_and_pictures_to_themselves(notes: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(notes.url)
    come_in(page)
    texts = page.locator("#notes .text")
    keep(page, "The first\nof two", keyboard=True)
    page.locator("#picture").set_input_files(ICON)
    keep(page, "With a picture")
    expect(texts).to_have_text(["With a picture", "The first\nof two"])
    picture = page.get_by_role("img", name="Picture of the note: With a picture")
    expect(picture).to_be_visible()
    page.get_by_role("button", name="Edit: The first").click()
    page.get_by_label("Note", exact=True).fill("The first, changed")
    page.get_by_label("Note", exact=True).press("Control+Enter")
    expect(page.locator("#progress")).to_be_hidden()

    page.reload()
    expect(texts).to_have_text(["With a picture", "The first, changed"])
    expect(picture).to_be_visible()
    assert page.evaluate("document.querySelector('.picture').naturalWidth") > 0

    other = open_page(notes.url, viewport={"width": 320, "height": 568})
    come_in(other)
    keep(other, "Mine")
    other.reload()
    expect(other.locator("#notes .text")).to_have_text(["Mine"])
    assert other.evaluate("document.documentElement.scrollWidth") <= 320

    page.get_by_role("button", name="Delete: With").click()
    expect(texts).to_have_text(["The first, changed"])
    page.reload()
    expect(texts).to_have_text(["The first, changed"])
    expect(picture).to_have_count(0)


def test_nobody_reaches_what_is_anothers(notes: Any) -> None:
    ada, mallory = notes.log_in(notes.register()), notes.log_in(notes.register())
    table, bucket = notes.outputs["NotesTable"], notes.outputs["PicturesBucket"]
    own = {"owner": {"S": ada.identity_id}, "id": {"S": "1"}}
    ada.client("dynamodb").put_item(TableName=table, Item={**own, "text": {"S": "secret"}})
    ada.client("s3").put_object(Bucket=bucket, Key=f"{ada.identity_id}/1", Body=b"secret")
    assert len(query(ada, table, ada.identity_id)) == 1
    assert ada.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{ada.identity_id}/")["KeyCount"] == 1

    database, storage = mallory.client("dynamodb"), mallory.client("s3")
    attempts: dict[str, Callable[[], Any]] = {
        "query": lambda: query(mallory, table, ada.identity_id),
        "scan": lambda: database.scan(TableName=table),
        "read": lambda: database.get_item(TableName=table, Key=own),
        "overwrite": lambda: database.put_item(TableName=table, Item={**own, "text": {"S": "forged"}}),
        "delete": lambda: database.delete_item(TableName=table, Key=own),
        "write many": lambda: database.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": own}}]}),
        "select": lambda: database.execute_statement(Statement=f'SELECT * FROM "{table}"'),  # noqa: S608
        "list": lambda: storage.list_objects_v2(Bucket=bucket, Prefix=f"{ada.identity_id}/"),
        "list everything": lambda: storage.list_objects_v2(Bucket=bucket),
        "list what begins alike": lambda: storage.list_objects_v2(Bucket=bucket, Prefix=ada.identity_id[:12]),
        "get": lambda: storage.get_object(Bucket=bucket, Key=f"{ada.identity_id}/1"),
        "climb": lambda: storage.get_object(Bucket=bucket, Key=f"{mallory.identity_id}/../{ada.identity_id}/1"),
        "put": lambda: storage.put_object(Bucket=bucket, Key=f"{ada.identity_id}/1", Body=b"forged"),
        "copy": lambda: storage.copy_object(
            Bucket=bucket, Key=f"{mallory.identity_id}/1", CopySource=f"{bucket}/{ada.identity_id}/1"
        ),
        "remove": lambda: storage.delete_object(Bucket=bucket, Key=f"{ada.identity_id}/1"),
    }
    for what, attempt in attempts.items():
        with pytest.raises(ClientError) as refused:
            attempt()
        code = refused.value.response["Error"]["Code"]
        expected = {"AccessDenied", "AccessDeniedException"}
        if what == "climb":  # Nothing climbs: to S3 this is a name like any other, which nobody has taken.
            expected |= {"NoSuchKey"}
        if what == "select":
            expected |= {"NotImplemented"}
        assert code in expected, f"{what}: {code}"
    assert query(ada, table, ada.identity_id)[0]["text"] == {"S": "secret"}


def query(caller: Any, table: str, owner: str) -> Any:
    return caller.client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="#owner = :owner",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":owner": {"S": owner}},
    )["Items"]
