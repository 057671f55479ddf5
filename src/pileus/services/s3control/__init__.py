"""Amazon S3's control plane (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html): the
public-access block of an account."""

from pileus.services.operation import Service


class _Control(Service):
    @property
    def prefix(self) -> str:
        return "s3"


service = _Control("s3control", __name__)
