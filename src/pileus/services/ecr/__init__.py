"""Amazon ECR, as far as to say that there is none: Pileus has no registry of containers, and tools look into it before
they leave (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/).
"""

from pileus.services.operation import Service

service = Service("ecr", __name__)
