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

TARGET = Path(__file__).parent.parent / "src/pileus/aws/data/managed_policies.json"
NAMES = (
    "ReadOnlyAccess ViewOnlyAccess SecurityAudit IAMFullAccess IAMReadOnlyAccess IAMUserChangePassword "
    "IAMUserSSHKeys IAMAccessAdvisorReadOnly AWSLambdaBasicExecutionRole AWSLambdaDynamoDBExecutionRole "
    "AWSLambdaKinesisExecutionRole AWSLambdaSQSQueueExecutionRole AWSLambdaMSKExecutionRole "
    "AWSLambdaVPCAccessExecutionRole AWSLambdaENIManagementAccess AWSLambdaRole AWSLambda_FullAccess "
    "AWSLambda_ReadOnlyAccess AWSLambdaInvocation-DynamoDB AWSLambdaExecute AWSLambdaReplicator "
    "AmazonDynamoDBFullAccess AmazonDynamoDBFullAccess_v2 AmazonDynamoDBReadOnlyAccess AmazonS3FullAccess "
    "AmazonS3ReadOnlyAccess AmazonS3ObjectLambdaExecutionRolePolicy CloudWatchFullAccess "
    "CloudWatchFullAccessV2 CloudWatchReadOnlyAccess CloudWatchLogsFullAccess CloudWatchLogsReadOnlyAccess "
    "CloudWatchAgentServerPolicy CloudWatchEventsFullAccess CloudWatchEventsReadOnlyAccess "
    "AmazonCognitoPowerUser AmazonCognitoReadOnly AmazonCognitoDeveloperAuthenticatedIdentities "
    "AmazonCognitoUnAuthedIdentitiesSessionPolicy AmazonCognitoUnauthenticatedIdentities "
    "AWSCloudFormationFullAccess AWSCloudFormationReadOnlyAccess AmazonAPIGatewayAdministrator "
    "AmazonAPIGatewayInvokeFullAccess AmazonAPIGatewayPushToCloudWatchLogs AmazonSQSFullAccess "
    "AmazonSQSReadOnlyAccess AmazonSNSFullAccess AmazonSNSReadOnlyAccess AmazonSNSRole "
    "AmazonEventBridgeFullAccess AmazonEventBridgeReadOnlyAccess AmazonEventBridgeSchedulerFullAccess "
    "AmazonEventBridgeSchedulerReadOnlyAccess AmazonKinesisFullAccess AmazonKinesisReadOnlyAccess "
    "AWSStepFunctionsFullAccess AWSStepFunctionsReadOnlyAccess AWSXrayWriteOnlyAccess AWSXRayDaemonWriteAccess "
    "AWSXrayReadOnlyAccess AWSXrayFullAccess SecretsManagerReadWrite AmazonSSMReadOnlyAccess "
    "AmazonSSMFullAccess AWSKeyManagementServicePowerUser CloudFrontFullAccess CloudFrontReadOnlyAccess "
    "AWSCodeDeployRoleForLambda AWSCodeDeployRoleForLambdaLimited AWSCertificateManagerFullAccess "
    "AmazonRoute53FullAccess AWSBillingReadOnlyAccess AmazonSESFullAccess AWSAppSyncInvokeFullAccess "
).split()

# Two whose files are too large for the dataset's snapshots, as their effects are listed action by action.
WRITTEN = [
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
    for name in sorted(set(NAMES)):
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
