"""Trades a name and its password for temporary credentials of the user role.

This function decides who the caller is; Cognito then vouches for them with a signed token, and STS turns the token into
credentials. Whatever they call afterwards, Lambda reads their identity from those credentials.
"""

import os

import boto3
from credentials import DECOY, RefusedError, matches, parse_password, parse_username

IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
DEVELOPER_PROVIDER = os.environ["DEVELOPER_PROVIDER"]
USER_ROLE_ARN = os.environ["USER_ROLE_ARN"]
SESSION_SECONDS = int(os.environ["SESSION_SECONDS"])

users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE"])
cognito = boto3.client("cognito-identity")
sts = boto3.client("sts")


def handler(event, context):
    try:
        username = authenticate(event)
    except RefusedError as refused:
        return refused.answer()
    identity_id, credentials = temporary_credentials(username)
    return {"username": username, "identityId": identity_id, "credentials": credentials}


def authenticate(event):
    wrong = RefusedError("WrongPassword", "This name and password do not belong together.")
    try:
        username, password = parse_username(event), parse_password(event)
    except RefusedError:
        raise wrong from None
    user = users.get_item(Key={"username": username}, ConsistentRead=True).get("Item")
    known = matches(user["passwordHash"] if user else DECOY, password)
    if not (user and known):
        raise wrong
    return username


def temporary_credentials(username):
    # Cognito makes an identity at a name's first login, and finds the same one ever after.
    token = cognito.get_open_id_token_for_developer_identity(
        IdentityPoolId=IDENTITY_POOL_ID, Logins={DEVELOPER_PROVIDER: username}
    )
    session = sts.assume_role_with_web_identity(
        WebIdentityToken=token["Token"],
        RoleArn=USER_ROLE_ARN,
        RoleSessionName=f"{username}_authenticated",
        DurationSeconds=SESSION_SECONDS,
    )
    credentials = session["Credentials"]
    return token["IdentityId"], {
        "accessKeyId": credentials["AccessKeyId"],
        "secretAccessKey": credentials["SecretAccessKey"],
        "sessionToken": credentials["SessionToken"],
        "expiration": credentials["Expiration"].isoformat(),
    }
