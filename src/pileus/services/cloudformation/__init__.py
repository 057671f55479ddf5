"""AWS CloudFormation: stacks of resources from templates, provisioned as the caller.

The template engine (`documents`, `template`, `intrinsics`, `parameters`, `graph`, `changes`) is pure: it knows no cloud
and serves `pileus deploy` as well. `provisioning` carries a stack from one state to the next, `resources` knows how
each type is made, changed and deleted.
"""

from pileus.services.operation import Service

service = Service("cloudformation", __name__)
