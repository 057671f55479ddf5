"""Cost Explorer: what the account's usage costs, from the metering room's records and price lists.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Cost_Explorer_Service.html
"""

from __future__ import annotations

from pileus.services.operation import Service

service = Service("ce", __name__)
