"""Amazon Cognito identity pools: who an application's users are, and the credentials that they get."""

from pileus.services.operation import Service

service = Service("cognito-identity", __name__)
