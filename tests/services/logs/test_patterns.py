import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.logs.patterns import compiled

MESSAGE = "[ERROR] 404 not found at /path"
ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
RECORD = json.dumps({"level": "ERROR", "ms": 7, "ok": False, "none": None, "list": [{"a": "x"}], "od-d": "y"})


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", MESSAGE, True),
        ("ERROR", MESSAGE, True),
        ("error", MESSAGE, False),
        ("ERROR found", MESSAGE, True),
        ("ERROR missing", MESSAGE, False),
        ('"not found"', MESSAGE, True),
        ('"found not"', MESSAGE, False),
        ("?missing ?found", MESSAGE, True),
        ("?missing ?other", MESSAGE, False),
        ("ERROR -404", MESSAGE, False),
        ("ERROR -500", MESSAGE, True),
        ('{ $.level = "ERROR" }', RECORD, True),
        ("{ $.level = ERROR }", RECORD, True),
        ('{ $.level != "ERROR" }', RECORD, False),
        ('{ $.level = "E*R" }', RECORD, True),
        ("{ $.ms >= 7 && $.ms < 8 }", RECORD, True),
        ("{ $.ms = 7.0 }", RECORD, True),
        ("{ $.ms > 7 || $.ok IS FALSE }", RECORD, True),
        ("{ $.none IS NULL }", RECORD, True),
        ("{ $.absent NOT EXISTS }", RECORD, True),
        ("{ $.absent = 1 }", RECORD, False),
        ('{ $.list[0].a = "x" }', RECORD, True),
        ('{ $["od-d"] = "y" }', RECORD, True),
        ('{ ($.ms = 1 || $.ms = 7) && $.level = "ERROR" }', RECORD, True),
        ('{ $.level = "ERROR" }', MESSAGE, False),
        ("[ip, user, who, time, request, status, bytes]", ACCESS, True),
        ("[ip, user, who, time, request, status]", ACCESS, False),
        ("[ip, ..., status, bytes]", ACCESS, True),
        ("[..., status = 4* || status = 5*, bytes > 1000]", ACCESS, True),
        ("[..., status = 5*, bytes]", ACCESS, False),
        ("[..., status != 404, bytes]", ACCESS, False),
        ("[..., status >= 400 && status < 404 || status = 404, bytes]", ACCESS, True),
        ('[..., request = "*html*", status, bytes]', ACCESS, True),
        ("[ip = 127.0.*, ..., time = 10/Oct*, ...]", ACCESS, True),
        ("[ip = 127.0.*, ..., time = 11/Oct*, ...]", ACCESS, False),
        ("[bytes > 1000, ...]", ACCESS, False),
        ("[w1 = ERROR || w1 = WARN, w2]", "WARN slow", True),
        ("[w1 != ERROR && w1 != WARN, w2]", "WARN slow", False),
        ("[...]", "", True),
        ("[..., a, ..., b, ...]", "one", False),
    ],
)
def test_patterns_select_as_documented(pattern: str, message: str, matches: bool) -> None:
    assert compiled(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a }",
        "{ $.a = }",
        "{ = 1 }",
        "{ ($.a = 1 }",
        "{ $.a > x }",
        '"open',
        "{ }",
        "[]",
        "[a,]",
        "[a b]",
        "[a = ]",
        "[a = 1 || b = 2]",
        "[a > x]",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(AWSError) as error:
        compiled(pattern)
    assert error.value.code == "InvalidParameterException"


@pytest.mark.parametrize("pattern", ["[ip, user = %a.*%]", "%ERR.*%", "{ $.a = %ERR.*% }"])
def test_what_is_not_built_says_so(pattern: str) -> None:
    with pytest.raises(AWSError) as error:
        compiled(pattern)
    assert error.value.code == "NotImplemented"


def test_many_wildcards_end_in_time() -> None:
    """Tried in every way that they could match, they would not within the age of the universe."""
    assert not compiled('{ $.a = "' + "*a" * 400 + '*b" }')(json.dumps({"a": "a" * 200_000}))


@given(st.text(max_size=80))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        compiled(text)("message")
    except AWSError as error:
        assert error.code in ("InvalidParameterException", "NotImplemented")
