"""DescribeContributorInsights: which keys are used most is not watched, and never on.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeContributorInsights.html
"""

from __future__ import annotations

from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.access import on_table
from pileus.services.dynamodb.catalog import described_table
from pileus.services.dynamodb.errors import validation
from pileus.services.operation import Shape


@service.operation("DescribeContributorInsights", access=on_table("DescribeContributorInsights"))
async def describe_contributor_insights(context: Context, request: Shape) -> Shape:
    table = described_table(context, request["TableName"])
    answer: Shape = {"TableName": table.name, "ContributorInsightsStatus": "DISABLED"}
    index = request.get("IndexName")
    if index is not None:
        if index not in table.by_name:
            raise validation(f"The table does not have the specified index: {index}")
        answer["IndexName"] = index
    return answer
