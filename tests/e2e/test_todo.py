"""People use the todo application in a browser, with a cloud behind it that nobody has prepared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

Open = Callable[..., Page]


PASSWORD = "correct horse battery"


def new_name() -> str:
    return f"ada-{secrets.token_hex(4)}"


def name_field(page: Page) -> Locator:
    return page.get_by_role("main").get_by_label("Name")


def password_field(page: Page) -> Locator:
    return page.get_by_role("main").get_by_label("Password", exact=True)


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    name_field(page).fill(name)
    password_field(page).fill(password)
    page.locator("#sign-in").get_by_role("button", name="Log in").click()


def create_account(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_role("button", name="Create an account").click()
    name_field(page).fill(name)
    password_field(page).fill(password)
    page.locator("#sign-in").get_by_role("button", name="Create account").click()


def add(page: Page, title: str) -> None:
    page.get_by_label("New todo").fill(title)
    page.get_by_role("button", name="Add").click()
    settle(page)


def settle(page: Page) -> None:
    """Waits until the cloud has agreed to everything that is shown."""
    expect(page.locator("#progress")).to_be_hidden()


def titles(page: Page) -> Locator:
    return page.locator("#todos .title")


@pytest.mark.parametrize("example", ["todo", pytest.param("todo-node", marks=pytest.mark.slow)])
def test_two_people_and_their_todos(example: str, cloud: Any, deployed: Any, open_page: Open) -> None:
    todo = deployed(cloud, example)
    page = open_page(todo.url)
    name = new_name()
    create_account(page, name)
    expect(page.locator("#person-name")).to_have_text(name)
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()

    for title in ("Write the letter", "Water the plants", "Book <b>the</b> train"):
        add(page, title)
    expect(titles(page)).to_have_text(["Write the letter", "Water the plants", "Book <b>the</b> train"])
    page.get_by_label("Water the plants", exact=True).check()
    page.get_by_role("button", name="Edit: Write the letter").click()
    page.get_by_label("Title").fill("Write the long letter")
    page.get_by_label("Title").press("Enter")
    settle(page)
    expect(page.locator("#filter")).to_contain_text("All 3")
    page.get_by_text("Active 2").click()
    expect(titles(page)).to_have_text(["Write the long letter", "Book <b>the</b> train"])
    page.get_by_text("Done 1").click()
    expect(titles(page)).to_have_text(["Water the plants"])

    page.reload()
    expect(titles(page)).to_have_text(["Write the long letter", "Water the plants", "Book <b>the</b> train"])
    expect(page.get_by_label("Water the plants", exact=True)).to_be_checked()
    stored = page.evaluate("JSON.stringify([sessionStorage, localStorage])")
    assert name in stored and PASSWORD not in stored

    other = open_page(todo.url)
    create_account(other, new_name())
    expect(other.get_by_text("Nothing here yet.")).to_be_visible()
    add(other, "Nobody else's business")
    expect(titles(other)).to_have_text(["Nobody else's business"])

    page.get_by_role("button", name="Delete: Book").click()
    page.get_by_role("button", name="Clear done").click()
    settle(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert name not in page.evaluate("JSON.stringify(sessionStorage)")
    assert "long letter" not in page.inner_text("body")
    sign_in(page, name)
    expect(titles(page)).to_have_text(["Write the long letter"])


def test_a_list_longer_than_one_answer_is_shown_whole(todo: Any, open_page: Open) -> None:
    name = todo.register(PASSWORD)
    identity = todo.developer_token(name)["IdentityId"]
    stored = [
        {"owner": {"S": identity}, "id": {"S": f"{number:04}"}, "title": {"S": f"Todo {number}"},
         "done": {"BOOL": number % 3 == 0}, "createdAt": {"S": "2026-11-24T12:00:00Z"}}
        for number in range(425)
    ]  # fmt: skip
    for start in range(0, len(stored), 25):
        requests = [{"PutRequest": {"Item": item}} for item in stored[start : start + 25]]
        todo.root.client("dynamodb").batch_write_item(RequestItems={todo.outputs["TodosTable"]: requests})
    page = open_page(todo.url)
    sign_in(page, name)
    expect(titles(page)).to_have_count(425)
    expect(page.locator("#filter")).to_contain_text("Active 283")
    expect(titles(page).last).to_have_text("Todo 424")


def test_what_goes_wrong_is_said_in_a_persons_words(todo: Any, open_page: Open) -> None:
    name = todo.register(PASSWORD)
    page = open_page(todo.url)
    error = page.locator("#sign-in .error")
    sign_in(page, name, "not this one")
    expect(error).to_have_text("That name and password do not belong together. Check both and try again.")
    sign_in(page, new_name())
    expect(error).to_have_text("That name and password do not belong together. Check both and try again.")
    create_account(page, name)
    expect(error).to_have_text("Somebody already has this name. Choose another, or log in if it is yours.")
    password_field(page).fill("short")
    password_field(page).press("Enter")
    expect(error).to_have_text("A password has 8 to 128 characters.")
    name_field(page).fill("no such name!")
    password_field(page).fill(PASSWORD)
    password_field(page).press("Enter")
    expect(error).to_contain_text("A name has 3 to 32 letters")

    page.locator("#switch-mode").click()
    sign_in(page, name)
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_label("New todo").fill("Mend the roof")
    page.get_by_label("New todo").press("Enter")
    expect(page.locator("#notice")).to_contain_text("The cloud cannot be reached.")
    expect(titles(page)).to_have_count(0)
    expect(page.get_by_label("New todo")).to_have_value("Mend the roof")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(titles(page)).to_have_text(["Mend the roof"])
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.get_by_label("New todo")).to_have_value("")


def test_a_session_that_ends_asks_again_and_carries_on(todo: Any, open_page: Open) -> None:
    name = todo.register(PASSWORD)
    page = open_page(todo.url)
    sign_in(page, name)
    add(page, "Write the letter")

    end_session(page, todo)
    dialog = page.get_by_role("dialog", name="Still there?")
    expect(dialog).to_be_visible()  # A reload lists the todos, with credentials that have ended.
    expect(dialog.get_by_label("Name")).to_have_value(name)
    expect(dialog.get_by_label("Password")).to_be_focused()
    dialog.get_by_label("Password").fill("not this one")
    dialog.get_by_label("Password").press("Enter")
    expect(dialog).to_contain_text("That name and password do not belong together.")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_label("Password").press("Enter")
    expect(dialog).to_be_hidden()
    expect(titles(page)).to_have_text(["Write the letter"])
    page.get_by_label("Write the letter", exact=True).check()
    settle(page)
    expect(page.locator("#notice")).to_be_hidden()

    end_session(page, todo)
    page.get_by_role("dialog").get_by_role("button", name="Log out instead").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()


def end_session(page: Page, todo: Any) -> None:
    """Gives the page the same session with credentials that are over, sealed by the cloud: what it holds an hour
    later. The cloud refuses them itself."""
    session = json.loads(page.evaluate("sessionStorage.session"))
    ended = todo.expire(session["credentials"]["sessionToken"])
    session["credentials"] = {
        "accessKeyId": ended["access_key_id"],
        "secretAccessKey": ended["secret_access_key"],
        "sessionToken": ended["session_token"],
        "expiration": "2026-01-01T00:00:00Z",
    }
    page.evaluate("session => { sessionStorage.session = session }", json.dumps(session))
    page.reload()


def test_everything_works_from_the_keyboard_on_a_small_phone_in_the_dark(todo: Any, open_page: Open) -> None:
    page = open_page(todo.url, viewport={"width": 320, "height": 568}, color_scheme="dark", has_touch=True)
    keyboard = page.keyboard
    expect(name_field(page)).to_be_focused()
    tab_to(page, "switch-mode")
    keyboard.press("Enter")
    expect(name_field(page)).to_be_focused()
    keyboard.type(new_name())
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect(page.get_by_label("New todo")).to_be_focused()
    for title in (
        "One",
        "Two",
        "A title as long as some people's are, on a narrow phone, in a single-word-that-is-too-long",
    ):
        keyboard.type(title)
        keyboard.press("Enter")
    expect(titles(page)).to_have_count(3)
    tab_to(page, "One")
    keyboard.press("Space")
    expect(page.get_by_label("One", exact=True)).to_be_checked()
    tab_to(page, "Edit: Two")
    keyboard.press("Enter")
    keyboard.type("Three")
    keyboard.press("Escape")
    expect(titles(page).nth(1)).to_have_text("Two")
    expect(page.get_by_role("button", name="Edit: Two")).to_be_focused()
    keyboard.press("Enter")
    keyboard.type("Three")
    keyboard.press("Enter")
    expect(titles(page).nth(1)).to_have_text("Three")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(titles(page)).to_have_count(2)
    expect(page.locator("#todos li").nth(1).get_by_role("checkbox")).to_be_focused()
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    tab_to(page, "log-out")
    keyboard.press("Enter")
    expect(name_field(page)).to_be_focused()


def tab_to(page: Page, wanted: str) -> None:
    """Presses Tab until the element with this id, or this name, has the focus; and sees to it that it shows."""
    names = "const e = document.activeElement; return [e.id, e.ariaLabel, e.labels?.[0]?.textContent]"
    for _ in range(40):
        if wanted in page.evaluate(f"() => {{ {names} }}"):
            outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{wanted} does not show that it has the focus"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {wanted}")
