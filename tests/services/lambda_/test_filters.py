from typing import Any

import pytest

from pileus.aws.errors import AWSError
from pileus.services.lambda_.filters import compiled

RECORD = {"name": "us-east", "n": 5, "flag": True, "nothing": None, "inner": {"list": ["a", "b"]}, "empty": ""}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{"name": ["us-east"]}', True),
        ('{"name": ["x", "us-east"]}', True),
        ('{"name": ["US-EAST"]}', False),
        ('{"name": [{"equals-ignore-case": "US-EAST"}]}', True),
        ('{"name": [{"prefix": "us-"}], "n": [5]}', True),
        ('{"name": [{"suffix": "west"}]}', False),
        ('{"n": [5.0]}', True),
        ('{"n": ["5"]}', False),
        ('{"n": [{"numeric": [">", 1, "<=", 5]}]}', True),
        ('{"name": [{"numeric": [">", 1]}]}', False),
        ('{"flag": [true]}', True),
        ('{"flag": [1]}', False),
        ('{"nothing": [null]}', True),
        ('{"absent": [null]}', False),
        ('{"empty": [""]}', True),
        ('{"absent": [{"exists": false}]}', True),
        ('{"absent": {"deeper": [{"exists": false}]}}', True),
        ('{"name": [{"exists": true}]}', True),
        ('{"inner": [{"exists": true}]}', False),
        ('{"inner": {"list": ["b"]}}', True),
        ('{"name": [{"anything-but": ["x", "y"]}]}', True),
        ('{"name": [{"anything-but": {"prefix": "us"}}]}', False),
        ('{"absent": [{"anything-but": "x"}]}', False),
        ('{"$or": [{"n": [9]}, {"flag": [true]}]}', True),
        ("{}", True),
    ],
)
def test_patterns_match_as_documented(pattern: str, matches: bool) -> None:
    assert compiled([pattern])(RECORD) is matches


def test_one_filter_is_enough() -> None:
    assert compiled(['{"n": [9]}', '{"n": [5]}'])(RECORD)
    assert compiled([])(RECORD)


@pytest.mark.parametrize(
    "pattern",
    ["text", '"text"', "[]", '{"a": "b"}', '{"a": []}', '{"a": [{"like": 1}]}', '{"a": [{"numeric": [">"]}]}',
     '{"a": [{"prefix": 1}]}', '{"a": [["b"]]}', '{"a": 1}', '{"eventName": ["INSERT"=123}'],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern: Any) -> None:
    with pytest.raises(AWSError, match=r"Invalid filter pattern definition\."):
        compiled([pattern])
