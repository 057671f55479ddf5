"""`context.identity`: a function knows its user, whichever flow made the credentials."""

import json
from typing import Any

SOURCE = """
def handler(event, context):
    return [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]
"""


def pool_with_role(functions: Any) -> tuple[Any, str, str]:
    """An identity pool whose users may invoke functions, and their role."""
    cognito, iam = functions.account.client("cognito-identity"), functions.account.client("iam")
    pool = cognito.create_identity_pool(
        IdentityPoolName="users",
        AllowUnauthenticatedIdentities=False,
        AllowClassicFlow=True,
        DeveloperProviderName="login.app",
    )["IdentityPoolId"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": "cognito-identity.amazonaws.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool}},
            }
        ],
    }
    role = iam.create_role(RoleName="user", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName="user", PolicyName="p", PolicyDocument=json.dumps(policy))
    cognito.set_identity_pool_roles(IdentityPoolId=pool, Roles={"authenticated": role})
    return cognito, pool, role


def test_both_flows_show_the_identity(functions: Any) -> None:
    functions.create("who", SOURCE)
    cognito, pool, role = pool_with_role(functions)
    token = cognito.get_open_id_token_for_developer_identity(IdentityPoolId=pool, Logins={"login.app": "ada"})
    identity = token["IdentityId"]

    def seen(credentials: dict[str, Any]) -> Any:
        client = functions.account.using(credentials).client("lambda")
        # A client context is the caller's to fill; it is not the identity.
        answer = client.invoke(FunctionName="who", Payload=b'{"cognitoIdentityId": "someone else"}')
        return json.loads(answer["Payload"].read())

    enhanced = cognito.get_credentials_for_identity(
        IdentityId=identity, Logins={"cognito-identity.amazonaws.com": token["Token"]}
    )["Credentials"]
    assert seen(enhanced) == [identity, pool]
    classic = functions.account.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="ada", WebIdentityToken=token["Token"]
    )["Credentials"]
    assert seen(classic) == [identity, pool]
    assert functions.invoke("who") == [None, None]
