"""What the todo application decides by itself: its input, its answers, and what its roles may do."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

Functions = Callable[[str, str], Any]

EXAMPLE = Path(__file__).parents[2] / "examples" / "todo"


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    """Imports a function's module as Lambda would, from its own folder and with its environment."""
    for name in ("USERS_TABLE", "TODOS_TABLE", "IDENTITY_POOL_ID", "DEVELOPER_PROVIDER", "USER_ROLE_ARN"):
        monkeypatch.setenv(name, "x" * 8)
    monkeypatch.setenv("SESSION_SECONDS", "900")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    before = set(sys.modules)

    def load(folder: str, module: str) -> Any:
        monkeypatch.syspath_prepend(str(EXAMPLE / "functions" / folder))
        return importlib.import_module(module)

    yield load
    for name in ("credentials", "todos", "login_user", "register_user", "add_todo", "update_todo"):
        if name not in before:
            sys.modules.pop(name, None)


def context(identity_id: str | None) -> SimpleNamespace:
    return SimpleNamespace(identity=SimpleNamespace(cognito_identity_id=identity_id))


@pytest.mark.parametrize("username", ["ada", " Ada ", "grace.hopper", "a-b_c.9", "a" * 32])
def test_a_name_is_taken_in_small_letters(functions: Functions, username: Any) -> None:
    assert functions("accounts", "credentials").parse_username({"username": username}) == username.strip().lower()


@pytest.mark.parametrize("username", ["", "ab", ".ada", "ada.", "a b", "äda", "a" * 33, "a\nda", None, 7, ["ada"]])
def test_other_names_are_refused(functions: Functions, username: Any) -> None:
    credentials = functions("accounts", "credentials")
    with pytest.raises(credentials.RefusedError) as refused:
        credentials.parse_username({"username": username})
    assert refused.value.code == "InvalidUsername"


@pytest.mark.parametrize("event", [None, [], "ada", {}, {"username": "ada"}, {"password": "long enough"}])
def test_events_of_another_shape_are_refused_in_the_functions_own_words(functions: Functions, event: Any) -> None:
    assert functions("accounts", "register_user").handler(event, context(None))["error"]["code"].startswith("Invalid")
    assert functions("accounts", "login_user").handler(event, context(None))["error"]["code"] == "WrongPassword"


def test_a_password_is_the_same_however_a_keyboard_composes_it(functions: Functions) -> None:
    parse = functions("accounts", "credentials").parse_password
    assert parse({"password": "cafe\u0301 noir"}) == parse({"password": "caf\u00e9 noir"})


@pytest.mark.parametrize("password", ["seven77", "x" * 129, None, 12345678])
def test_passwords_too_short_or_too_long_are_refused(functions: Functions, password: Any) -> None:
    credentials = functions("accounts", "credentials")
    with pytest.raises(credentials.RefusedError):
        credentials.parse_password({"password": password})


def test_an_unknown_name_costs_as_much_as_a_wrong_password(functions: Functions) -> None:
    login = functions("accounts", "login_user")
    credentials = functions("accounts", "credentials")
    checked: list[str] = []
    login.matches = lambda password_hash, password: checked.append(password_hash)
    login.users = SimpleNamespace(get_item=lambda **_: {})
    answer = login.handler({"username": "nobody", "password": "long enough"}, context(None))
    assert answer["error"]["code"] == "WrongPassword"
    assert checked == [credentials.DECOY]
    assert not credentials.HASHER.check_needs_rehash(credentials.DECOY), "the decoy is checked as other hashes are"


def test_a_decoy_that_matched_would_still_log_nobody_in(functions: Functions) -> None:
    login = functions("accounts", "login_user")
    login.matches = lambda password_hash, password: True
    login.users = SimpleNamespace(get_item=lambda **_: {})
    assert "error" in login.handler({"username": "nobody", "password": "long enough"}, context(None))


def test_todos_belong_to_the_callers_identity_whatever_the_payload_says(functions: Functions) -> None:
    add = functions("todos", "add_todo")
    kept: list[dict[str, Any]] = []
    add.table = SimpleNamespace(put_item=lambda Item, **_: kept.append(Item))  # noqa: N803 - boto3's name
    event = {"id": "1", "title": "  Buy   milk ", "owner": "us-east-1:mallory", "done": True}
    answer = add.handler(event, context("us-east-1:ada"))
    assert kept[0]["owner"] == "us-east-1:ada"
    assert answer["todo"] == {"id": "1", "title": "Buy milk", "done": False, "createdAt": kept[0]["createdAt"]}


@pytest.mark.parametrize("caller", [context(None), context(""), SimpleNamespace(identity=None)])
def test_a_caller_without_an_identity_has_no_todos(functions: Functions, caller: SimpleNamespace) -> None:
    assert functions("todos", "add_todo").handler({"id": "1", "title": "x"}, caller)["error"]["code"] == "NotLoggedIn"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({}, "InvalidId"),
        ({"id": "A"}, "InvalidId"),
        ({"id": "1"}, "NothingToChange"),
        ({"id": "1", "title": ""}, "InvalidTitle"),
        ({"id": "1", "title": "x" * 501}, "InvalidTitle"),
        ({"id": "1", "title": {"S": "x"}}, "InvalidTitle"),
        ({"id": "1", "done": "yes"}, "InvalidDone"),
        ({"id": "1", "done": 1}, "InvalidDone"),
        (["1"], "InvalidId"),
    ],
)
def test_changes_that_make_no_sense_are_refused(functions: Functions, event: Any, code: str) -> None:
    answer = functions("todos", "update_todo").handler(event, context("us-east-1:ada"))
    assert answer["error"]["code"] == code


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as {"Fn::Name": value}."""


def construct(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"Fn::{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"Fn::{suffix}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {f"Fn::{suffix}": loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", construct)


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    resources = yaml.load((EXAMPLE / "template.yaml").read_text(), Loader)["Resources"]  # noqa: S506 - a SafeLoader
    for name, resource in resources.items():
        for policy in resource["Properties"].get("Policies", ()):
            for statement in policy.get("PolicyDocument", policy)["Statement"]:
                yield name, statement


def test_no_role_may_do_more_than_it_needs() -> None:
    granted: dict[str, list[str]] = {}
    for name, statement in statements():
        actions = statement["Action"]
        assert statement["Resource"] != "*" and "*" not in json.dumps(actions)
        granted.setdefault(name, []).append(actions)
    assert granted == {
        "GuestRole": ["lambda:InvokeFunction"],
        "UserRole": ["lambda:InvokeFunction"],
        "RegisterUser": ["dynamodb:PutItem"],
        "LoginUser": ["dynamodb:GetItem", "cognito-identity:GetOpenIdTokenForDeveloperIdentity"],
        "ListTodos": ["dynamodb:Query"],
        "AddTodo": ["dynamodb:PutItem"],
        "UpdateTodo": ["dynamodb:UpdateItem"],
        "DeleteTodo": ["dynamodb:DeleteItem"],
    }
