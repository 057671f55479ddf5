"""What makes a policy document malformed, in AWS's words and in AWS's order.

The grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html. The order in which IAM
tells of faults was read from answers that it gave to malformed documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from pileus.aws.errors import AWSError
from pileus.security.policy.conditions import moment, parse_operator
from pileus.security.policy.principal_element import PrincipalElement

Kind = Literal["identity", "resource", "trust"]
Statement = dict[str, Any]

VERSIONS = ("2008-10-17", "2012-10-17")
_TOP = frozenset({"Version", "Id", "Statement"})
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "*"})
_IAM_PATHS = (
    "user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
    "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
)  # fmt: skip
_S3_REGIONAL = ("accesspoint/", "accesspoint:", "access-grants/", "storage-lens/", "job/", "async-request/")
_SEPARATORS = re.compile(r":(?![^{]*\})")
_TRUST_ACTIONS = re.compile(r"^(sts:[A-Za-z*?]+|\*)$", re.IGNORECASE)


OLD = "Policy document must be version 2012-10-17 or greater."


def malformed(message: str) -> AWSError:
    return AWSError("MalformedPolicyDocument", message, status=400)


SYNTAX = "Syntax errors in policy."
_LEGACY = "The policy failed legacy parsing"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two readers could each take another one of the two: nobody may have to guess which one grants.
        raise ValueError("a name occurs twice")
    return found


def read(text: str, fault: str = SYNTAX) -> dict[str, Any]:
    """The document as an object. Raises AWSError, with `fault` for what is no JSON."""
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise malformed(fault) from error
    if not isinstance(document, dict):
        raise malformed(SYNTAX)
    return document


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def validate(text: str, kind: Kind) -> dict[str, Any]:
    """The document of `text` with its statements as a list. Raises AWSError as IAM does."""
    document = read(text, "This policy contains invalid Json" if kind == "trust" else SYNTAX)
    if not _TOP.issuperset(document) or document.get("Version", "2012-10-17") not in VERSIONS:
        raise malformed(SYNTAX)
    if not isinstance(document.get("Id", ""), str):
        raise malformed(SYNTAX)
    statements = listed(document.get("Statement"))
    if not statements or not all(_is_statement(statement) for statement in statements):
        raise malformed(SYNTAX)
    if kind == "identity" and document.get("Version", "2012-10-17") != "2012-10-17":
        raise malformed(OLD)
    _check_legacy(statements)
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    # Bucket policies have always been taken with the same one twice; those of IAM never.
    if kind != "resource" and len(sids) != len(set(sids)):
        raise malformed("Statement IDs (SID) in a single policy must be unique.")
    if not all(_names(statement, "Action") for statement in statements):
        raise malformed("Policy statement must contain actions.")
    for resource in _each(statements, "Resource", "NotResource"):
        _check_resource(resource)
    for action in _each(statements, "Action", "NotAction"):
        _check_action(action)
    for statement in statements:
        _CHECKS[kind](statement)
    return {**document, "Statement": statements}


def _is_statement(statement: Any) -> bool:
    if not isinstance(statement, dict) or not _ELEMENTS.issuperset(statement):
        return False
    if any(one in statement and f"Not{one}" in statement for one in ("Action", "Resource", "Principal")):
        return False
    texts = ("Action", "NotAction", "Resource", "NotResource")
    return (
        isinstance(statement.get("Effect"), str)
        and statement["Effect"].lower() in ("allow", "deny")
        and isinstance(statement.get("Sid", ""), str)
        and all(isinstance(text, str) for name in texts if name in statement for text in listed(statement[name]))
        and _is_condition(statement.get("Condition", {}))
    )


def _is_condition(condition: Any) -> bool:
    return isinstance(condition, dict) and all(
        isinstance(keys, dict)
        and (not keys or parse_operator(operator) is not None)
        and all(isinstance(value, str | bool | int | float) for values in keys.values() for value in listed(values))
        for operator, keys in condition.items()
    )


def _each(statements: list[Statement], *names: str) -> Iterator[str]:
    for statement in statements:
        for name in names:
            if name in statement:
                yield from listed(statement[name])


def _names(statement: Statement, element: str) -> bool:
    """Whether it has the element or its Not…, and not as an empty list."""
    return any(statement[name] != [] for name in (element, f"Not{element}") if name in statement)


def _is_broken_arn(resource: str) -> bool:
    """An ARN of this partition that ends too early."""
    parts = _SEPARATORS.split(resource, maxsplit=5)
    return len(parts) > 2 and parts[1] in _PARTITIONS and (not parts[2] or (len(parts) < 6 and "::" in resource))


def _check_legacy(statements: list[Statement]) -> None:
    for statement in statements:
        if statement["Effect"] not in ("Allow", "Deny"):
            raise malformed(_LEGACY)
        if any(_is_broken_arn(resource) for resource in _each([statement], "Resource", "NotResource")):
            raise malformed(_LEGACY)
        for operator, keys in statement.get("Condition", {}).items():
            parsed = parse_operator(operator)
            if parsed is None or not parsed[1].startswith("date"):
                continue
            if any(
                moment(str(value)) is None and "${" not in str(value) for one in keys.values() for value in listed(one)
            ):
                raise malformed(_LEGACY)


def _check_action(action: str) -> None:
    vendor, colon, name = action.partition(":")
    if not colon and action != "*":
        raise malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if ":" in name:
        raise malformed("Actions/Condition can contain only one colon.")
    if vendor != "*" and re.search(r"[^a-zA-Z0-9\-.]", vendor):
        raise malformed(f"Vendor {vendor} is not valid")


def _check_resource(resource: str) -> None:
    if resource == "*":
        return
    if ":" not in resource:
        raise malformed(f'Resource {resource} must be in ARN format or "*".')
    parts = _SEPARATORS.split(resource, maxsplit=5)
    if len(parts) > 1 and parts[1] not in _PARTITIONS:
        rest = [*parts[2:], "*", "*", "*", "*"][:4]
        raise malformed(f'Partition "{parts[1]}" is not valid for resource "arn:{parts[1]}:{":".join(rest)}".')
    if len(parts) < 3:
        raise malformed("Resource vendor must be fully qualified and cannot contain regexes.")
    region = parts[3] if len(parts) > 3 else ""
    own = parts[5] if len(parts) > 5 else ""
    if parts[2] == "iam" and region:
        raise malformed(f"IAM resource {resource} cannot contain region information.")
    if parts[2] == "s3" and region and not own.startswith(_S3_REGIONAL):
        raise malformed(f"Resource {resource} can not contain region information.")
    if parts[2] == "iam" and own not in ("", "*", "root") and not own.startswith(_IAM_PATHS) and "*" not in own:
        raise malformed(f'IAM resource path must either be "*" or start with {", ".join(_IAM_PATHS)}.')


def _check_identity(statement: Statement) -> None:
    if "Principal" in statement or "NotPrincipal" in statement:
        raise malformed("Policy document should not specify a principal.")
    if not _names(statement, "Resource"):
        raise malformed("Policy statement must contain resources.")


def _check_principal(statement: Statement) -> None:
    if "NotPrincipal" in statement and statement["Effect"] == "Allow":
        raise malformed("Statement is using invalid element: NotPrincipal is supported with Effect Deny only.")
    element = statement.get("Principal", statement.get("NotPrincipal"))
    if element is None:
        raise malformed("Missing required field Principal")
    try:
        PrincipalElement(element)
    except ValueError as error:
        raise malformed(f"Invalid principal in policy: {error}") from error


def _check_resource_policy(statement: Statement) -> None:
    _check_principal(statement)
    if not _names(statement, "Resource"):
        raise malformed("Policy statement must contain resources.")


def _check_trust(statement: Statement) -> None:
    if "Resource" in statement or "NotResource" in statement:
        raise malformed("Has prohibited field Resource")
    _check_principal(statement)
    if not all(_TRUST_ACTIONS.match(action) for action in _each([statement], "Action", "NotAction")):
        raise malformed("AssumeRole policy may only specify STS AssumeRole actions.")


_CHECKS = {"identity": _check_identity, "resource": _check_resource_policy, "trust": _check_trust}
