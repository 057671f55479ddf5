"""Function URLs: requests in, events, responses out."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

ECHO = "def handler(event, context):\n    return event\n"


def ask(
    url: str, method: str = "GET", path: str = "/", body: bytes | None = None, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    """A request to the URL's host, wherever its name resolves to."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)
    connection.request(method, path, body, {"Host": parts.netloc, **(headers or {})})
    response = connection.getresponse()
    response.content = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def url(functions: Any, name: str, source: str = ECHO, auth: str = "NONE", **options: Any) -> str:
    functions.create(name, source)
    made = functions.client.create_function_url_config(FunctionName=name, AuthType=auth, **options)
    if auth == "NONE":
        permit(functions, name)
    address: str = made["FunctionUrl"]
    return address


def permit(functions: Any, name: str) -> None:
    functions.client.add_permission(
        FunctionName=name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    functions.client.add_permission(
        FunctionName=name,
        StatementId="invoke",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
    )


def test_a_request_becomes_an_event(functions: Any) -> None:
    address = url(functions, "echo")
    response = ask(
        address,
        "POST",
        "/pa2%25Fth/1?q=query&multi=foo&multi=%2Fbar",
        b'{"foo": "bar"}',
        {"Content-Type": "application/json", "Cookie": "a=1; b=2", "User-Agent": "test/echo"},
    )
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    event = json.loads(response.content)  # type: ignore[attr-defined]
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/pa2%Fth/1")
    assert event["rawQueryString"] == "q=query&multi=foo&multi=%2Fbar"
    assert event["queryStringParameters"] == {"q": "query", "multi": "foo,/bar"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"foo": "bar"}', False)
    assert event["cookies"] == ["a=1", "b=2"]
    about = event["requestContext"]
    assert about["http"]["method"] == "POST"
    assert about["http"]["userAgent"] == "test/echo"
    assert about["accountId"] == "anonymous"
    assert urlsplit(address).netloc.startswith(about["apiId"])
    binary = ask(address, "POST", "/", b"\xff\x00", {"Content-Type": "application/octet-stream"})
    assert json.loads(binary.content)["isBase64Encoded"] is True  # type: ignore[attr-defined]


# What AWS was recorded to make of what functions return: (expression, status, body, headers)
ANSWERS: list[tuple[str, int, bytes, dict[str, str]]] = [
    ("{'hello': 'world'}", 200, b'{"hello":"world"}', {"content-type": "application/json"}),
    ("'hello'", 200, b"hello", {"content-type": "application/json"}),
    ("3", 200, b"3", {"content-type": "application/json"}),
    ("3.1", 200, b"3.1", {"content-type": "application/json"}),
    ("True", 200, b"true", {"content-type": "application/json"}),
    ("['hello', 3, True]", 200, b'["hello",3,true]', {"content-type": "application/json"}),
    ("{'statusCode': 200, 'body': 'body123'}", 200, b"body123", {"content-type": "application/json"}),
    (
        "{'statusCode': 418, 'headers': {'X-Own': 'a', 'Content-Type': 'text/plain'}, 'cookies': ['c=1', 'd=2'],"
        " 'body': 'aGk=', 'isBase64Encoded': True}",
        418,
        b"hi",
        {"content-type": "text/plain", "x-own": "a"},
    ),
    (
        "{'statusCode': 200, 'headers': {'x': 'a\\r\\nset-cookie: evil=1'}, 'body': ''}",
        502,
        b"Internal Server Error",
        {},
    ),
    ("1 / 0", 502, b"Internal Server Error", {}),
]


def test_what_a_function_returns_becomes_a_response(functions: Any) -> None:
    source = "ANSWERS = [" + ", ".join(f"lambda: {answer[0]}" for answer in ANSWERS) + "]\n"
    address = url(
        functions, "answers", source + "def handler(event, context):\n    return ANSWERS[int(event['rawPath'][1:])]()\n"
    )
    for number, (expression, status, content, headers) in enumerate(ANSWERS):
        response = ask(address, path=f"/{number}")
        assert response.status == status, expression
        assert response.content == content, expression  # type: ignore[attr-defined]
        for name, value in headers.items():
            assert response.headers[name] == value, expression
        assert "evil" not in str(response.headers)
        if status == 418:
            assert response.headers.get_all("set-cookie") == ["c=1", "d=2"]


def test_without_permission_nobody_gets_in(functions: Any) -> None:
    functions.create("closed")
    address = functions.client.create_function_url_config(FunctionName="closed", AuthType="NONE")["FunctionUrl"]
    refused = ask(address)
    assert (refused.status, json.loads(refused.content)) == (  # type: ignore[attr-defined]
        403,
        {"Message": "Forbidden. For troubleshooting Function URL authorization issues, see:"
         " https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"},
    )  # fmt: skip
    permit(functions, "closed")
    assert ask(address).status == 200
    functions.client.delete_function_url_config(FunctionName="closed")
    gone = ask(address)
    assert (gone.status, gone.content) == (403, b'{"Message":null}')  # type: ignore[attr-defined]
    assert gone.headers["x-amzn-errortype"] == "AccessDeniedException"


def test_signed_requests_only(functions: Any, account: Any) -> None:
    address = url(functions, "signed", auth="AWS_IAM")
    assert ask(address).status == 403
    session = boto3.Session(account.access_key_id, account.secret_access_key)
    request = AWSRequest("POST", address, data=b"{}", headers={"Content-Type": "application/json"})
    SigV4Auth(session.get_credentials(), "lambda", "us-east-1").add_auth(request)
    response = ask(address, "POST", "/", b"{}", dict(request.headers.items()))
    assert response.status == 200
    event = json.loads(response.content)  # type: ignore[attr-defined]
    assert event["requestContext"]["authorizer"]["iam"]["accountId"] == account.id
    assert not {"authorization", "connection"} & set(event["headers"])
    assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")
    assert event["requestContext"]["requestId"] == response.headers["x-amzn-requestid"]
    assert ask(address, "POST", "/", b"{ }", dict(request.headers.items())).status == 403, "another body"


def test_cors_is_answered_without_the_function(functions: Any) -> None:
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-own"], "MaxAge": 60}
    address = url(functions, "shared", "def handler(e, c): return 'called'\n", Cors=cors)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    preflight = ask(address, "OPTIONS", headers=asked)
    assert preflight.content == b""  # type: ignore[attr-defined]
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-headers"] == "x-own"
    assert preflight.headers["access-control-max-age"] == "60"
    foreign = ask(address, "OPTIONS", headers={**asked, "Origin": "https://b.example"})
    assert "access-control-allow-origin" not in foreign.headers
    answered = ask(address, headers={"Origin": "https://a.example"})
    assert (answered.content, answered.headers["access-control-allow-origin"]) == (  # type: ignore[attr-defined]
        b"called", "https://a.example",
    )  # fmt: skip


def test_configurations_are_made_once_listed_and_changed(functions: Any) -> None:
    client = functions.client
    functions.create("config")
    made = client.create_function_url_config(FunctionName="config", AuthType="NONE")
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:config"
    with pytest.raises(ClientError) as error:
        client.create_function_url_config(FunctionName="config", AuthType="NONE")
    assert error.value.response["Error"] == {
        "Code": "ResourceConflictException",
        "Message": f"Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig"
        " exists for this Lambda function",
    }
    changed = client.update_function_url_config(FunctionName="config", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
    assert (changed["AuthType"], changed["InvokeMode"]) == ("AWS_IAM", "RESPONSE_STREAM")
    assert client.update_function_url_config(FunctionName="config")["InvokeMode"] == "RESPONSE_STREAM"
    (listed,) = client.list_function_url_configs(FunctionName="config")["FunctionUrlConfigs"]
    assert (listed["FunctionUrl"], listed["FunctionArn"]) == (made["FunctionUrl"], arn)
    with pytest.raises(ClientError) as error:
        client.create_function_url_config(FunctionName="config", Qualifier="none", AuthType="NONE")
    assert error.value.response["Error"]["Message"] == "Function does not exist"


STREAMS = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, {
    statusCode: 201, headers: {"Content-Type": "text/plain", "x-own": "a"}, cookies: ["c=1", "d=2"],
  });
  for (const word of ["one ", "two ", "three"]) stream.write(word);
  stream.end();
});
"""


def test_a_streaming_function_says_its_own_status_and_headers(functions: Any, zipped: Any) -> None:
    functions.client.create_function(
        FunctionName="streams",
        Role=functions.default_role(),
        Runtime="nodejs20.x",
        Handler="index.handler",
        Timeout=20,
        Code={"ZipFile": zipped({"index.mjs": STREAMS})},
    )
    made = functions.client.create_function_url_config(
        FunctionName="streams", AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )
    permit(functions, "streams")
    response = ask(made["FunctionUrl"])
    assert (response.status, response.content) == (201, b"one two three")  # type: ignore[attr-defined]
    assert (response.headers["content-type"], response.headers["x-own"]) == ("text/plain", "a")
    assert response.headers.get_all("set-cookie") == ["c=1", "d=2"]
