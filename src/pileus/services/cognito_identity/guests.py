"""What guests may do at most, whatever their role allows.

In the enhanced flow Cognito narrows the credentials of unauthenticated identities by session policies of its own: a
managed one, and one with the services below
(https://docs.aws.amazon.com/cognito/latest/developerguide/iam-roles.html, "Access policies for unauthenticated
identities").
"""

from __future__ import annotations

import json

GUEST_POLICY_ARN = "arn:aws:iam::aws:policy/AmazonCognitoUnAuthedIdentitiesSessionPolicy"
SERVICES = (
    "mobileanalytics", "cognito-sync", "cloudwatch", "logs", "dynamodb", "kinesis", "firehose", "gamelift", "iot",
    "lambda", "lex", "machinelearning", "personalize", "polly", "rekognition", "s3", "ses", "sdb", "sns", "sqs",
    "textract", "transcribe", "translate", "execute-api", "appsync", "cognito-identity", "cognito-idp",
)  # fmt: skip
GUEST_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [f"{name}:*" for name in SERVICES], "Resource": "*"}],
    },
    separators=(",", ":"),
)
