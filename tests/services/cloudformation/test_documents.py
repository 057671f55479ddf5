"""Template texts as values that know their lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.cloudformation.documents import TemplateError, parse


def test_short_functions_are_written_out() -> None:
    text = """
A: !Ref Table
B: !GetAtt Table.StreamArn
C: !Sub ["${x}-${y}", {x: 1}]
D: !If [Prod, !Ref A, !Ref "AWS::NoValue"]
E: !Join ["-", [a, !Ref B]]
F: !And [!Condition One, !Equals [a, b]]
G: !GetAtt [Nested, Outputs.Url]
"""
    assert parse(text).value == {
        "A": {"Ref": "Table"},
        "B": {"Fn::GetAtt": ["Table", "StreamArn"]},
        "C": {"Fn::Sub": ["${x}-${y}", {"x": 1}]},
        "D": {"Fn::If": ["Prod", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]},
        "E": {"Fn::Join": ["-", ["a", {"Ref": "B"}]]},
        "F": {"Fn::And": [{"Condition": "One"}, {"Fn::Equals": ["a", "b"]}]},
        "G": {"Fn::GetAtt": ["Nested", "Outputs.Url"]},
    }


def test_dates_stay_the_strings_that_they_look_like() -> None:
    assert parse("Version: 2012-10-17\nYes: yes\nNumber: 5\nNothing:\n").value == {
        "Version": "2012-10-17",
        "Yes": True,
        "Number": 5,
        "Nothing": None,
    }


def test_lines_lead_to_keys_and_to_the_nearest_part_around() -> None:
    document = parse("Resources:\n  Table:\n    Type: X\n    Properties:\n      Keys:\n        - a\n        - b\n")
    assert document.line(("Resources", "Table", "Type")) == 3
    assert document.line(("Resources", "Table", "Properties", "Keys", 1)) == 7
    assert document.line(("Resources", "Table", "Properties", "Missing")) == 4


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("A: [1, 2", 2, "expected"),
        ("A: 1\nB: {c: 1\n", 3, "expected"),
        ("A: 1\nA: 2\n", 2, "Duplicate key A"),
        ("A: &x 1\nB: *x\n", 1, "aliases"),
        ("A: &x {b: 1}\nB: *x\n", 1, "aliases"),
        ("A: 1\nB: {<<: {c: 1}}\n", 2, "merges"),
        ("A: !Nonsense x\n", 1, "!Nonsense"),
        ("A: !!binary aGk=\n", 1, "not supported"),
        ("A: !!set {x, y}\n", 1, "not supported"),
        ("[a, b]: 1\n", 1, "keys must be strings"),
        ("", 1, "empty"),
    ],
)
def test_what_is_no_template_says_where(text: str, line: int, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert said in caught.value.message
    assert caught.value.line == line


def test_a_bomb_of_aliases_is_not_unfolded() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(TemplateError, match="aliases"):
        parse("\n".join(rows))


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "{a: " * 5000, "- " * 5000, '{"a": ' * 300 + "1" + "}" * 300, '{"a":' * 5000 + "1" + "}" * 5000],
)
def test_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ09 _-:", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_json_reads_as_itself(value: object) -> None:
    whole = {"value": value}
    assert parse(json.dumps(whole)).value == whole
    assert parse(json.dumps(whole, indent="\t")).value == whole


def test_json_knows_its_lines_and_its_duplicates() -> None:
    assert parse('{\n\t"A": {\n\t\t"B": 1\n\t}\n}').line(("A", "B")) == 3
    with pytest.raises(TemplateError, match="Duplicate key A"):
        parse('{"A": 1, "A": 2}')


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(TemplateError, match="Unicode"):
        parse('{"A": "\\ud800"}')
