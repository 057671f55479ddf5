# ruff: noqa: E501, S608 - statements are not SQL
from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.dynamodb.partiql.parsing import parse


def run(database: Any, statement: str, *parameters: Any, **options: Any) -> Any:
    if parameters:
        options["Parameters"] = list(parameters)
    return database.execute_statement(Statement=statement, **options)


@pytest.fixture
def filled(database: Any, sorted_table: str) -> str:
    run(database, f"INSERT INTO \"{sorted_table}\" VALUE {{'p':'a','c':1,'m':{{'x':[1,'two']}},'s':<<'q'>>,'t':true}}")
    run(database, f"INSERT INTO \"{sorted_table}\" VALUE {{'p':?,'c':?}}", {"S": "a"}, {"N": "2"})
    return sorted_table


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("p = 'a'", ["1", "2"]),
        ("p = 'a' AND c > 1", ["2"]),
        ("p = 'a' AND t = true", ["1"]),
        ("m IS MISSING", ["2"]),
        ("m IS NOT MISSING AND NOT c = 2", ["1"]),
        ("p IN ['a', 'b'] AND begins_with(p, 'a')", ["1", "2"]),
        ("contains(s, 'q') OR c = 2", ["1", "2"]),
        ("m.x[1] = 'two'", ["1"]),
        ("p = 'b'", []),
    ],
)
def test_selects(database: Any, filled: str, where: str, found: list[str]) -> None:
    items = run(database, f'SELECT c FROM "{filled}" WHERE {where}')["Items"]
    assert sorted(item["c"]["N"] for item in items) == found


def test_order_and_pages(database: Any, filled: str) -> None:
    statement = f"SELECT c FROM \"{filled}\" WHERE p = 'a' ORDER BY c DESC"
    first = run(database, statement, Limit=1)
    second = run(database, statement, Limit=1, NextToken=first["NextToken"])
    assert [first["Items"], second["Items"]] == [[{"c": {"N": "2"}}], [{"c": {"N": "1"}}]]
    with pytest.raises(ClientError, match="NextToken does not match request"):
        run(database, f'SELECT c FROM "{filled}"', Limit=1, NextToken=first["NextToken"])


def test_updates_and_deletes(database: Any, filled: str) -> None:
    changed = run(
        database,
        f"UPDATE \"{filled}\" SET v = 5 SET m.x[0] = ? REMOVE t WHERE p = 'a' AND c = 1 RETURNING MODIFIED NEW *",
        {"N": "7"},
    )
    assert changed["Items"] == [{"v": {"N": "5"}, "m": {"M": {"x": {"L": [{"N": "7"}]}}}}]
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        run(database, f"UPDATE \"{filled}\" SET v = 1 WHERE p = 'a' AND c = 9")
    with pytest.raises(ClientError, match="mandatory equality on all key attributes"):
        run(database, f"DELETE FROM \"{filled}\" WHERE p = 'a'")
    old = run(database, f"DELETE FROM \"{filled}\" WHERE p = 'a' AND c = 2 RETURNING ALL OLD *")
    assert old["Items"] == [{"p": {"S": "a"}, "c": {"N": "2"}}]
    with pytest.raises(ClientError, match="DuplicateItemException"):
        run(database, f"INSERT INTO \"{filled}\" VALUE {{'p':'a','c':1}}")


def test_batches_tell_each_statement_s_error(database: Any, filled: str) -> None:
    answers = database.batch_execute_statement(
        Statements=[
            {"Statement": f"SELECT t FROM \"{filled}\" WHERE p = 'a' AND c = 1"},
            {"Statement": "nonsense"},
            {"Statement": "SELECT * FROM missing_table WHERE p = 'a'"},
            {"Statement": f"SELECT * FROM \"{filled}\" WHERE p = 'a'"},
        ]
    )["Responses"]
    assert answers.pop()["Error"]["Message"] == (
        "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    )
    assert answers.pop() == {"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}}
    assert answers[0]["Item"] == {"t": {"BOOL": True}}
    assert [answer.get("Error", {}).get("Code") for answer in answers] == [None, "ValidationError"]
    insert = {"Statement": f"INSERT INTO \"{filled}\" VALUE {{'p':'a','c':1}}"}
    answers = database.batch_execute_statement(Statements=[insert])["Responses"]
    assert answers[0]["Error"]["Code"] == "DuplicateItem"


def test_statements_that_do_not_go_together(database: Any, filled: str) -> None:
    read = {"Statement": f"SELECT * FROM \"{filled}\" WHERE p = 'a' AND c = 1"}
    insert = {"Statement": f"INSERT INTO \"{filled}\" VALUE {{'p':'z','c':1}}"}
    for statements, batch, transaction in (
        (
            [read, insert],
            "Read and write requests together in the same batch is not supported.",
            "ExecuteTransaction API does not support both read and write operations in the same request.",
        ),
        (
            [read, read],
            "Provided list of item keys contains duplicates",
            "Transaction request cannot include multiple operations on one item",
        ),
    ):
        for call, parameter, message in (
            (database.batch_execute_statement, "Statements", batch),
            (database.execute_transaction, "TransactStatements", transaction),
        ):
            with pytest.raises(ClientError) as caught:
                call(**{parameter: statements})
            assert (caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]) == (
                "ValidationException", message
            )  # fmt: skip


def test_transactions(database: Any, filled: str) -> None:
    insert = {"Statement": f"INSERT INTO \"{filled}\" VALUE {{'p':'b','c':1}}"}
    with pytest.raises(ClientError) as caught:
        database.execute_transaction(
            TransactStatements=[
                insert,
                {"Statement": f"EXISTS(SELECT * FROM \"{filled}\" WHERE p = 'a' AND c = 1 AND t = false)"},
            ]
        )
    assert [r["Code"] for r in caught.value.response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert run(database, f"SELECT * FROM \"{filled}\" WHERE p = 'b'")["Items"] == []
    database.execute_transaction(TransactStatements=[insert])
    assert len(run(database, f"SELECT * FROM \"{filled}\" WHERE p = 'b'")["Items"]) == 1


words = st.sampled_from(
    ("SELECT", "*", "FROM", '"t"', "WHERE", "a", "=", "1", "'x'", "AND", "OR", "NOT", "(", ")", "[", "]", "{", "}", "<<",
     ">>", ",", ":", "?", "IN", "BETWEEN", "IS", "MISSING", "INSERT", "INTO", "VALUE", "UPDATE", "SET", "DELETE", ".", "-",
     "RETURNING", "ALL", "OLD", "é", "EXISTS", "ORDER", "BY", "size", "begins_with")
)  # fmt: skip


@given(st.lists(words, max_size=14).map(" ".join))
def test_any_text_is_a_statement_or_a_validation_error(text: str) -> None:
    try:
        parse(text, ({"N": "1"},))
    except AWSError as error:
        assert error.code == "ValidationException"


def test_what_is_selected_inside_documents_has_the_name_of_the_last_part(database: Any, make_table: Any) -> None:
    """So clients that were written against AWS read it: PyDynamoDB's tests name `A` for `col_map.A`."""
    name = make_table("p:S")
    document = {"M": {"b": {"L": [{"N": "1"}, {"N": "2"}]}, "c": {"S": "x"}}}
    database.put_item(TableName=name, Item={"p": {"S": "k"}, "a": document, "l": {"L": [{"S": "y"}]}})
    statement = f'SELECT a.c, a.b[1], l[0], l[1], p FROM "{name}"'
    expected = {"c": {"S": "x"}, "b[1]": {"N": "2"}, "l[0]": {"S": "y"}, "p": {"S": "k"}}
    assert run(database, f"{statement} WHERE p = 'k'")["Items"] == [expected]
    assert run(database, statement)["Items"] == [expected]
    responses = database.batch_execute_statement(Statements=[{"Statement": f"{statement} WHERE p = 'k'"}])
    assert responses["Responses"][0]["Item"] == expected


def test_writes_answer_no_items_and_an_unknown_index_is_said_so(database: Any, table: str) -> None:
    assert run(database, f"INSERT INTO \"{table}\" VALUE {{'p':'a'}}")["Items"] == []
    assert run(database, f"UPDATE \"{table}\" SET x = 1 WHERE p = 'a'")["Items"] == []
    with pytest.raises(ClientError) as caught:
        run(database, f'SELECT * FROM "{table}"."absent"')
    assert caught.value.response["Error"]["Message"] == "The table does not have the specified index"
