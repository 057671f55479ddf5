"""AWS Identity and Access Management: users, groups, roles, policies, access keys, identity providers.

The records lie in `security.identities`, where authorisation reads them.
"""

from pileus.services.operation import Service

service = Service("iam", __name__)
