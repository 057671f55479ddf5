"""`pileus deploy` and `pileus destroy`.

A deployment checks the template, builds what it names, puts bundles into a bucket of artifacts, sends the template
through CloudFormation's API and follows it, then brings its websites up to date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data
from pileus.cli.session import Session, Target, Where

if TYPE_CHECKING:
    from rich.console import Console

    from pileus.cli.source import Site, Source
    from pileus.cli.stack import Event, Stack

_MAX_BODY = 51_200
_PAUSE = {Target.pileus: 0.1, Target.aws: 2.0}

StackName = Annotated[str, typer.Option("--stack", help="The stack's name.", show_default=False)]


def deploy(
    template: Annotated[Path, typer.Argument(help="The SAM or CloudFormation template.")] = Path("template.yaml"),
    stack: StackName = ...,  # type: ignore[assignment]
    target: Where = Target.pileus,
    parameter: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="A template parameter; repeat it.")] = [],  # noqa: B006
    tag: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="A tag of the stack; repeat it.")] = [],  # noqa: B006
    data: Data = DEFAULT_DATA,
) -> None:
    """Deploy a SAM or CloudFormation template, with the code and the websites that it names.

    CodeUri and ContentUri may name folders: requirements.txt and package-lock.json in them are installed, the result
    is cached by content. A bucket with `Metadata: {Pileus: {Site: ./site/dist, Build: "npm run build",
    Config: config.json}}` gets the folder's files; Config is written as JSON with the stack's outputs, the region and
    the endpoint. Deploying acknowledges that the template makes IAM resources."""
    from rich.console import Console

    from pileus.cli.source import Source
    from pileus.cli.stack import Stack
    from pileus.cli.website import build

    console = Console(highlight=False)
    source = Source(template)
    parameters, tags = _pairs(parameter), _pairs(tag)
    _check(source, parameters, target)
    sites = source.sites()
    session = Session(target, data)
    artifacts = Artifacts(session)
    for site in sites:
        with console.status(f"Building {site.folder}"):
            if build(site, template.parent):
                console.print(f"[green]✓[/green] {site.folder} built")
    with console.status("Packaging functions"):
        body = source.packaged(parameters, artifacts.put, for_aws=not session.local)
    sent = {"TemplateBody": body} if len(body.encode()) <= _MAX_BODY else {"TemplateURL": artifacts.put_template(body)}
    made = Stack(session.client("cloudformation"), stack, pause=_PAUSE[target])
    _apply(console, source, made, sent, parameters, tags)
    outputs = made.outputs()
    addresses = [_site(console, session, artifacts, made, site, outputs) for site in sites]
    for name, value in outputs.items():
        console.print(f"  {name:<28} {value}", soft_wrap=True, markup=False)
    for address in addresses:
        console.print(f"The site answers at {address}", soft_wrap=True, markup=False)


def _check(source: Source, parameters: dict[str, str], target: Target) -> None:
    unknown = sorted(set(parameters) - set(source.template.section("Parameters")))
    if unknown:
        raise CommandError(f"{source.path} has no parameter {unknown[0]}.", exit_code=2)
    if target is Target.pileus:
        source.check()


def _apply(
    console: Console, source: Source, stack: Stack, template: dict[str, str], parameters: dict[str, str],
    tags: dict[str, str],
) -> None:  # fmt: skip
    from botocore.exceptions import ClientError

    from pileus.cli.progress import show

    try:
        changed = stack.put(template, parameters, list(source.template.section("Parameters")), tags)
    except ClientError as error:
        raise source.located(error.response["Error"].get("Message", str(error))) from None
    if not changed:
        console.print(f"[green]✓[/green] The stack {stack.name} is up to date.")
        return
    failures = show(console, stack.follow(), f"Deploying {stack.name}:")
    if failures:
        raise _failure(source, stack, failures)


def _failure(source: Source, stack: Stack, failures: list[Event]) -> CommandError:
    first = failures[0]
    if first.whole:
        return CommandError(f"{source.path}: {first.reason or first.status} ({stack.name} is in {failures[-1].status})")
    where = source.line_of(first.logical_id)
    return CommandError(f"{where}: {first.logical_id}: {first.reason} ({stack.name} is in {failures[-1].status})")


def _site(
    console: Console, session: Session, artifacts: Artifacts, stack: Stack, site: Site, outputs: dict[str, str]
) -> str:
    """Brings a website up to date and answers its address."""
    from pileus.cli.website import files, upload

    bucket = stack.physical_id(site.logical_id)
    record = f"sites/{bucket}.json"
    earlier = set(json.loads(artifacts.get(record) or b"[]"))
    with console.status(f"Uploading {site.folder}"):
        wanted = files(site, outputs, session.region, session.endpoint)
        sent, keys = upload(session.client("s3"), bucket, wanted, earlier)
    if keys != earlier:
        artifacts.write(record, json.dumps(sorted(keys)).encode())
    said = f"{sent} of {len(keys)} files uploaded" if sent else f"{len(keys)} files, all up to date"
    console.print(f"[green]✓[/green] {site.folder}: {said}")
    return _address(session, bucket)


def _address(session: Session, bucket: str) -> str:
    if session.endpoint is None:
        return f"http://{bucket}.s3-website-{session.region}.amazonaws.com/"
    scheme, _, rest = session.endpoint.partition("://")
    port = rest.partition(":")[2]
    return f"{scheme}://{bucket}.localhost{':' + port if port else ''}/"


def _pairs(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandError(f"{word!r} is not of the form KEY=VALUE.", exit_code=2)
        found[name] = value
    return found


class Artifacts:
    """The bucket in which deployments keep bundles and templates, each under the hash of its content."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client = session.client("s3")
        self._bucket = ""

    @property
    def bucket(self) -> str:
        if not self._bucket:
            account = self._session.client("sts").get_caller_identity()["Account"]
            self._bucket = f"pileus-artifacts-{account}-{self._session.region}"
            self._make()
        return self._bucket

    def _make(self) -> None:
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            region = self._session.region
            options = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            self._client.create_bucket(Bucket=self._bucket, **options)
            closed = dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            )
            self._client.put_public_access_block(Bucket=self._bucket, PublicAccessBlockConfiguration=closed)

    def put(self, key: str, data: bytes) -> str:
        """Answers the bucket. What is there already, is there whole: the key is the content's hash."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                raise
            self.write(key, data)
        return self.bucket

    def put_template(self, body: str) -> str:
        import hashlib

        key = f"templates/{hashlib.sha256(body.encode()).hexdigest()}.json"
        self.put(key, body.encode())
        base = self._session.endpoint or f"https://s3.{self._session.region}.amazonaws.com"
        return f"{base}/{self.bucket}/{key}"

    def write(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            body: bytes = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return body
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise


def destroy(
    stack: StackName = ...,  # type: ignore[assignment]
    target: Where = Target.pileus,
    empty: Annotated[
        bool, typer.Option("--empty", help="Empty the stack's buckets first; they go only when empty.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Delete a stack and what it made."""
    from rich.console import Console

    from pileus.cli.progress import show
    from pileus.cli.stack import Stack

    console = Console(highlight=False)
    session = Session(target, data)
    found = Stack(session.client("cloudformation"), stack, pause=_PAUSE[target])
    if found.describe() is None:
        raise CommandError(f"There is no stack {stack}.")
    if empty:
        for bucket in found.buckets():
            _empty(session.client("s3"), bucket)
    found.delete()
    failures = show(console, found.follow(), f"Deleting {stack}:")
    if failures:
        first = failures[0]
        raise CommandError(f"{first.logical_id}: {first.reason} ({stack} is in {failures[-1].status})")


def _empty(client: Any, bucket: str) -> None:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if objects:
            client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
