"""Writes src/pileus/aws/data/managed_policies.json from a checkout of the IAM dataset's `aws/managedpolicies`.

    python scripts/managed_policies.py PATH/TO/iam-dataset/aws/managedpolicies

The dataset (https://github.com/iann0036/iam-dataset, MIT) holds what iam:GetPolicyVersion answers for AWS's own
managed policies. Those are taken that users of our services attach.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/pileus/aws/data/managed_policies.json"
NAMES = [
    "AWSAppSyncInvokeFullAccess",
    "AWSBillingReadOnlyAccess",
    "AWSCertificateManagerFullAccess",
    "AWSCloudFormationFullAccess",
    "AWSCloudFormationReadOnlyAccess",
    "AWSCodeDeployRoleForLambda",
    "AWSCodeDeployRoleForLambdaLimited",
    "AWSKeyManagementServicePowerUser",
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaExecute",
    "AWSLambdaInvocation-DynamoDB",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSLambdaReplicator",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSLambda_FullAccess",
    "AWSLambda_ReadOnlyAccess",
    "AWSStepFunctionsFullAccess",
    "AWSStepFunctionsReadOnlyAccess",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayFullAccess",
    "AWSXrayReadOnlyAccess",
    "AWSXrayWriteOnlyAccess",
    "AmazonAPIGatewayAdministrator",
    "AmazonAPIGatewayInvokeFullAccess",
    "AmazonAPIGatewayPushToCloudWatchLogs",
    "AmazonCognitoDeveloperAuthenticatedIdentities",
    "AmazonCognitoPowerUser",
    "AmazonCognitoReadOnly",
    "AmazonCognitoUnAuthedIdentitiesSessionPolicy",
    "AmazonCognitoUnauthenticatedIdentities",
    "AmazonDynamoDBFullAccess",
    "AmazonDynamoDBFullAccess_v2",
    "AmazonDynamoDBReadOnlyAccess",
    "AmazonEventBridgeFullAccess",
    "AmazonEventBridgeReadOnlyAccess",
    "AmazonEventBridgeSchedulerFullAccess",
    "AmazonEventBridgeSchedulerReadOnlyAccess",
    "AmazonKinesisFullAccess",
    "AmazonKinesisReadOnlyAccess",
    "AmazonRoute53FullAccess",
    "AmazonS3FullAccess",
    "AmazonS3ObjectLambdaExecutionRolePolicy",
    "AmazonS3ReadOnlyAccess",
    "AmazonSESFullAccess",
    "AmazonSNSFullAccess",
    "AmazonSNSReadOnlyAccess",
    "AmazonSNSRole",
    "AmazonSQSFullAccess",
    "AmazonSQSReadOnlyAccess",
    "AmazonSSMFullAccess",
    "AmazonSSMReadOnlyAccess",
    "CloudFrontFullAccess",
    "CloudFrontReadOnlyAccess",
    "CloudWatchAgentServerPolicy",
    "CloudWatchEventsFullAccess",
    "CloudWatchEventsReadOnlyAccess",
    "CloudWatchFullAccess",
    "CloudWatchFullAccessV2",
    "CloudWatchLogsFullAccess",
    "CloudWatchLogsReadOnlyAccess",
    "CloudWatchReadOnlyAccess",
    "IAMAccessAdvisorReadOnly",
    "IAMFullAccess",
    "IAMReadOnlyAccess",
    "IAMUserChangePassword",
    "IAMUserSSHKeys",
    "ReadOnlyAccess",
    "SecretsManagerReadWrite",
    "SecurityAudit",
    "ViewOnlyAccess",
]

# Two whose files are too large for the dataset's snapshots, as their effects are listed action by action.
WRITTEN: list[dict[str, Any]] = [
    {
        "arn": "arn:aws:iam::aws:policy/AdministratorAccess",
        "version": "v1",
        "createdate": "2015-02-06T18:39:46+00:00",
        "updatedate": "2015-02-06T18:39:46+00:00",
        "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    },
    {
        "arn": "arn:aws:iam::aws:policy/PowerUserAccess",
        "version": "v6",
        "createdate": "2015-02-06T18:39:47+00:00",
        "updatedate": "2024-11-22T17:03:05+00:00",
        "document": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
                {
                    "Effect": "Allow",
                    "Action": [
                        "account:GetAccountInformation",
                        "account:GetPrimaryEmail",
                        "account:ListRegions",
                        "iam:CreateServiceLinkedRole",
                        "iam:DeleteServiceLinkedRole",
                        "iam:ListRoles",
                        "organizations:DescribeEffectivePolicy",
                        "organizations:DescribeOrganization",
                    ],
                    "Resource": "*",
                },
            ],
        },
    },
]


def policy_id(arn: str) -> str:
    """Stable, in the form of AWS's: the dataset does not hold the real ids."""
    digest = base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()
    return f"ANPA{digest[:17]}"


def main(folder: Path) -> None:
    entries = list(WRITTEN)
    for name in NAMES:
        path = folder / f"{name}.json"
        if not path.exists():
            print(f"not in the dataset: {name}", file=sys.stderr)
            continue
        entries.append(json.loads(path.read_text()))
    found = [
        {
            "arn": entry["arn"],
            "id": policy_id(entry["arn"]),
            "version": entry["version"],
            "created": datetime.fromisoformat(entry["createdate"]).timestamp(),
            "updated": datetime.fromisoformat(entry["updatedate"]).timestamp(),
            "document": entry["document"],
        }
        for entry in sorted(entries, key=lambda entry: entry["arn"])
    ]
    TARGET.write_text("[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in found) + "\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
