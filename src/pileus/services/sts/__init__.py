"""AWS Security Token Service: temporary credentials for roles, users and federated users."""

from pileus.services.operation import Service

service = Service("sts", __name__)
