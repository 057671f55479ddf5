"""From a request to what it asks a stack to be: the template fetched, transformed, checked, its parameters settled."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from pileus.aws.errors import AWSError
from pileus.services.cloudformation import documents, rules, sam, sections
from pileus.services.cloudformation import template as templates
from pileus.services.cloudformation.access import invalid
from pileus.services.cloudformation.documents import Document, TemplateError
from pileus.services.cloudformation.intrinsics import Scope
from pileus.services.cloudformation.parameters import settle, stored, typed
from pileus.services.cloudformation.reading import read
from pileus.services.cloudformation.records import Version
from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.sections import MAX_BODY, MAX_STORED_BODY, SERVERLESS, Template
from pileus.services.context import Context
from pileus.services.operation import Shape

AUTO_EXPAND = "CAPABILITY_AUTO_EXPAND"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def refused(problem: TemplateError, document: Document | None = None) -> AWSError:
    """The answer to a template with a problem: AWS's own words, and where."""
    line = problem.line or (document.line(problem.path) if document is not None and problem.path else None)
    where = ["/" + "/".join(str(part) for part in problem.path)] if problem.path else []
    where += [f"line {line}"] if line is not None and f"line {line}" not in problem.message else []
    return invalid(f"{problem.message} ({', '.join(where)})" if where else problem.message)


async def body_of(context: Context, request: Shape, previous: Version | None = None) -> str:
    """The text of the template that the request brings, points at, or keeps."""
    given = [name for name in ("TemplateBody", "TemplateURL", "UsePreviousTemplate") if request.get(name)]
    if len(given) != 1:
        raise invalid("Either Template URL or Template Body must be specified.")
    if given == ["UsePreviousTemplate"]:
        if previous is None:
            raise invalid("Previous template is not available")
        return previous.body
    if given == ["TemplateURL"]:
        return await fetch(context, request["TemplateURL"], MAX_STORED_BODY)
    body: str = request["TemplateBody"]
    if len(body.encode()) > MAX_BODY:
        raise invalid(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_BODY}"
        )
    return body


async def fetch(context: Context, url: str, limit: int) -> str:
    """The text of an object in S3 that the caller may read. Raises AWSError."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    path = unquote(parts.path.lstrip("/"))
    if parts.scheme not in ("http", "https"):
        raise invalid(f"S3 error: Domain name specified in {host or url} is not a valid S3 domain")
    if host.startswith(("s3.", "s3-")) or host in _LOCAL or host == context.cloud.settings.host:
        bucket, _, key = path.partition("/")
    elif ".s3." in host or ".s3-" in host:
        bucket, key = host.partition(".s3")[0], path
    else:
        raise invalid(f"S3 error: Domain name specified in {host} is not a valid S3 domain")
    try:
        answer = await context.client().call("s3", "GetObject", {"Bucket": bucket, "Key": key})
        return (await read(answer["Body"], limit)).decode()
    except AWSError as error:
        raise invalid(f"S3 error: {error.message or error.code} ({bucket}/{key})") from None
    except ValueError:
        raise invalid(f"The object at {url} is no text, or is longer than {limit} bytes.") from None


def parse(text: str) -> tuple[Document, Template]:
    """Raises AWSError for what is no template."""
    document: Document | None = None
    try:
        document = documents.parse(text)
        template = sections.read(document.value)
        sections.check_functions(template)
    except TemplateError as problem:
        raise refused(problem, document) from None
    return document, template


def given_parameters(request: Shape, previous: Version | None) -> dict[str, str]:
    given: dict[str, str] = {}
    for parameter in request.get("Parameters") or []:
        name = parameter.get("ParameterKey", "")
        if parameter.get("UsePreviousValue"):
            if previous is None or name not in previous.parameters:
                rule = "Cannot specify usePreviousValue as true for a parameter key not in the previous template"
                raise invalid(f"Invalid input for parameter key {name}. {rule}")
            given[name] = previous.parameters[name]
        elif "ParameterValue" not in parameter:
            rule = "Need to specify either usePreviousValue as true or a value for the parameter"
            raise invalid(f"Invalid input for parameter key {name}. {rule}")
        else:
            given[name] = parameter["ParameterValue"]
    return given


async def submit(
    context: Context, request: Shape, *, role_arn: str, previous: Version | None = None, reviewed: bool = False
) -> Version:
    """What the stack is to be. `reviewed` says that a change set shows it first, so that transforms need no
    capability of their own. Raises AWSError."""
    text = await body_of(context, request, previous)
    document, template = parse(text)
    try:
        declared = template.section("Parameters")
        settled = await settle(declared, given_parameters(request, previous))
        resolved = await _resolve(context, stored(declared, settled))
        scope = Scope(
            context.region, context.account, request.get("StackName", ""),
            parameters=typed(declared, settled | resolved), mappings=template.section("Mappings"),
        )  # fmt: skip
        rules.check(template, scope)
        expanded = await expand(context, template, settled | resolved)
        scope = replace(scope, conditions=expanded.section("Conditions"), mappings=expanded.section("Mappings"))
        templates.check(expanded, TYPES, templates.without(expanded, scope))
    except TemplateError as problem:
        raise refused(problem, document) from None
    acknowledged = set(request.get("Capabilities") or [])
    if template.transforms and not reviewed and AUTO_EXPAND not in acknowledged:
        raise AWSError("InsufficientCapabilitiesException", f"Requires capabilities : [{AUTO_EXPAND}]", status=400)
    needed, _ = templates.capabilities(expanded, TYPES)
    if needed and not acknowledged & {*needed, "CAPABILITY_NAMED_IAM"}:
        raise AWSError("InsufficientCapabilitiesException", f"Requires capabilities : {_listed(needed)}", status=400)
    tags = request.get("Tags")
    kept = previous.tags if previous is not None and tags is None else {}
    return Version(
        body=text,
        processed=json.dumps(dict(expanded.body)),
        parameters=settled,
        capabilities=sorted(acknowledged),
        tags=kept if tags is None else {tag["Key"]: tag["Value"] for tag in tags},
        role_arn=role_arn,
        resolved=resolved,
        description=expanded.description,
    )


async def _resolve(context: Context, names: dict[str, str]) -> dict[str, str]:
    """The values of parameters that lie in the parameter store. Raises TemplateError."""
    found: dict[str, str] = {}
    for parameter, name in names.items():
        try:
            answer = await context.client().call("ssm", "GetParameters", {"Names": [name]})
        except AWSError as error:
            raise TemplateError(error.message, ("Parameters", parameter)) from None
        if not answer["Parameters"]:
            said = f"Unable to fetch parameters [{name}] from parameter store for this account."
            raise TemplateError(said, ("Parameters", parameter))
        if answer["Parameters"][0]["Type"] == "SecureString":
            said = f"Parameters [{name}] referenced by template have types not supported by CloudFormation."
            raise TemplateError(said, ("Parameters", parameter))
        found[parameter] = answer["Parameters"][0]["Value"]
    return found


def _listed(names: list[str]) -> str:
    return f"[{', '.join(names)}]"


async def expand(context: Context, template: Template, parameters: dict[str, str]) -> Template:
    """The template after its transforms. Raises TemplateError."""
    body = dict(template.body)
    if SERVERLESS in template.transforms:
        policies = await _managed_policies(context) if _names_policies(template) else {}
        body = await sam.transform(json.loads(json.dumps(body)), parameters, context.region, policies)
        body = {name: section for name, section in body.items() if section not in ({}, None)}
    body.pop("Transform", None)
    return sections.read(body)


def _names_policies(template: Template) -> bool:
    """Whether a function asks for a managed policy by name rather than by ARN."""
    functions = [r for r in template.section("Resources").values() if r["Type"] == "AWS::Serverless::Function"]
    listed = [resource.get("Properties", {}).get("Policies") for resource in functions]
    listed.append(template.section("Globals").get("Function", {}).get("Policies"))
    flat = [item for entry in listed for item in (entry if isinstance(entry, list) else [entry])]
    return any(isinstance(item, str) and not item.startswith("arn:") for item in flat)


async def _managed_policies(context: Context) -> dict[str, str]:
    found: dict[str, str] = {}
    marker: dict[str, str] = {}
    while True:
        answer = await context.client().call("iam", "ListPolicies", {"Scope": "AWS", **marker})
        found.update({policy["PolicyName"]: policy["Arn"] for policy in answer["Policies"]})
        if not answer.get("IsTruncated"):
            return found
        marker = {"Marker": answer["Marker"]}
