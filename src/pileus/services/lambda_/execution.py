"""Between the API and the runtime: which version runs, with which limits, and what is counted for it."""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pileus.aws.errors import AWSError
from pileus.metering import units
from pileus.runtime.endpoint import Address
from pileus.runtime.interface import (
    Dependencies,
    Directories,
    FunctionVersion,
    Invocation,
    Limits,
    Logging,
    Outcome,
    Runtime,
)
from pileus.services.context import Cloud, Settings
from pileus.services.lambda_ import limits, service
from pileus.services.lambda_.catalog import Catalog
from pileus.services.lambda_.log_delivery import LogDelivery
from pileus.services.lambda_.metrics import Metrics
from pileus.services.lambda_.names import LATEST, FunctionName
from pileus.services.lambda_.packages import Packages
from pileus.services.lambda_.recordings import Recordings
from pileus.services.lambda_.records import (
    ALIASES,
    FUNCTIONS,
    RESERVED,
    VERSIONS,
    Configuration,
    Version,
    not_found,
    version_number,
)
from pileus.services.lambda_.roles import Roles
from pileus.store.interface import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping


class Plan(NamedTuple):
    """What every invocation of one version needs."""

    function: FunctionVersion
    limits: Limits
    charges: tuple[tuple[str, float], ...]
    """Units, and how much of each a billed second uses."""


class Execution:
    """One a worker process. `runtime` is opened when the cloud starts."""

    def __init__(self, cloud: Cloud) -> None:
        from pileus.runtime.runtime import open_runtime

        self._cloud = cloud
        self._versions: dict[str, tuple[str, FunctionVersion]] = {}
        self._random = random.SystemRandom()
        self._tasks: set[asyncio.Task[None]] = set()
        self.provision_failures: dict[FunctionName, str] = {}
        """Why environments that were asked for are not there."""
        self.runtime: Runtime = open_runtime(
            Dependencies(
                credentials=self._credentials,
                code=self._directories,
                logs=cloud.part(LogDelivery).take,
                endpoint=Address(cloud.settings.host, cloud.settings.port, own_tls(cloud.settings)),
                state=cloud.settings.data / "runtime",
                require_isolation=cloud.settings.require_isolation,
                workers=cloud.settings.workers,
            )
        )

    async def _credentials(self, function: FunctionVersion) -> Mapping[str, str]:
        return await self._cloud.part(Roles).environment(function.role, function.name, function.region)

    async def _directories(self, function: FunctionVersion) -> Directories:
        packages = self._cloud.part(Packages)
        layers = [await packages.folder(tree) for tree in function.layers]
        return Directories(await packages.folder(function.code), tuple(layers))

    def resolve(self, name: FunctionName) -> Version:
        """The version that an invocation of `name` runs; of an alias with weights, one by chance. Not to be
        changed."""
        catalog = self._cloud.part(Catalog).refresh()
        number = version_number(name.qualifier)
        if number is None:
            alias = catalog.get(ALIASES, *name.key, name.qualifier)
            if alias is None:
                raise not_found(name)
            number = version_number(self._routed(alias.version, alias.weights))
        version = catalog.get(VERSIONS, *name.key, number) if number is not None and number < 1 << 32 else None
        if version is None:
            raise not_found(name if name.qualifier else name.at(LATEST))
        return version

    def _routed(self, main: str, weights: dict[str, float]) -> str:
        point = self._random.random() if weights else 1.0
        for version, weight in weights.items():
            if point < weight:
                return version
            point -= weight
        return main

    def runnable(self, name: FunctionName, version: Version) -> FunctionVersion:
        """The version as the runtime knows it."""
        configuration = version.configuration
        qualified = name.at(configuration.version).qualified_arn
        found = self._versions.get(qualified)
        if found is None or found[0] != configuration.revision_id:
            if len(self._versions) > 10_000:
                self._versions.clear()
            found = configuration.revision_id, _runnable(name, qualified, version)
            self._versions[qualified] = found
        return found[1]

    async def run(self, name: FunctionName, version: Version, invocation: Invocation) -> Outcome:
        """Runs it to its end and counts it for the function's account."""
        self._cloud.part(Recordings).add(name, invocation)
        plan = self._plan(name, version)
        try:
            outcome = await self.runtime.invoke(plan.function, invocation, plan.limits)
        except AWSError as error:
            self._cloud.part(Metrics).refused(name, error)
            raise
        self._count(name, plan, outcome)
        return outcome

    async def stream(self, name: FunctionName, version: Version, invocation: Invocation) -> Outcome:
        """Answers when the response begins; counted when its stream ends."""
        self._cloud.part(Recordings).add(name, invocation)
        plan = self._plan(name, version)
        try:
            outcome = await self.runtime.invoke_streaming(plan.function, invocation, plan.limits)
        except AWSError as error:
            self._cloud.part(Metrics).refused(name, error)
            raise
        if outcome.stream is None:
            self._count(name, plan, outcome)
            return outcome
        started = outcome.stream

        async def whole() -> Any:
            try:
                async for piece in started:
                    yield piece
            finally:
                self._count(name, plan, outcome)

        outcome.stream = whole()
        return outcome

    def provision_soon(self, name: FunctionName) -> None:
        """Brings the provisioned environments of a version or alias to the number that is configured."""
        task = asyncio.create_task(self._provision(name), name=f"provision {name.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _provision(self, name: FunctionName) -> None:
        """Of all versions: an alias may have left one for another."""
        store = self._cloud.store
        wanted = _provisioned(store, name)
        self.provision_failures.pop(name, None)
        for number, count in wanted.items():
            found = VERSIONS.get(store, *name.key, number)
            if number and found is not None:
                try:
                    await self.runtime.provision(self.runnable(name, found), count)
                except AWSError as error:
                    self.provision_failures[name] = error.message

    def _plan(self, name: FunctionName, version: Version) -> Plan:
        """As of `resolve`, which gave the version."""
        return self._cloud.part(Catalog).derived(self._planned, name.at(version.configuration.version))

    def _planned(self, catalog: Catalog, name: FunctionName) -> Plan:
        function = catalog.get(FUNCTIONS, *name.key)
        version = catalog.get(VERSIONS, *name.key, version_number(name.qualifier) or 0)
        if function is None or version is None:
            raise not_found(name)
        taken = catalog.get(RESERVED, name.account, name.region) or 0
        # These records move the catalog's mark too.
        kept = {} if function.reserved is None else _provisioned(self._cloud.store, name)
        return Plan(
            self.runnable(name, version),
            Limits(
                function.reserved,
                limits.CONCURRENT_EXECUTIONS - taken,
                kept.get(version_number(name.qualifier) or 0, 0),
                sum(kept.values()),
            ),
            _charges(version.configuration),
        )

    def _count(self, name: FunctionName, plan: Plan, outcome: Outcome) -> None:
        self._cloud.part(Metrics).count(name, outcome)
        meter = self._cloud.meter.add
        meter(name.account, units.LAMBDA_REQUESTS)
        for unit, a_second in plan.charges:
            meter(name.account, unit, outcome.billed_ms / 1000 * a_second)


def _provisioned(reader: Reader, name: FunctionName) -> dict[int, int]:
    """How many environments each version of a function is to have ready, be it by an alias."""
    wanted = {int(str(key[3])): version.provisioned for key, version in VERSIONS.scan(reader, *name.key)}
    for _, alias in ALIASES.scan(reader, *name.key):
        number = version_number(alias.version)
        if number is not None and alias.provisioned:
            wanted[number] = alias.provisioned
    return wanted


def _charges(configuration: Configuration) -> tuple[tuple[str, float], ...]:
    arm = configuration.architectures == ["arm64"]
    duration = units.LAMBDA_GB_SECONDS_ARM if arm else units.LAMBDA_GB_SECONDS_X86
    storage = configuration.ephemeral_storage["Size"] - 512
    charges = ((duration, configuration.memory_size / 1024), (units.LAMBDA_STORAGE_GB_SECONDS, storage / 1024))
    return charges if storage > 0 else charges[:1]


def _runnable(name: FunctionName, qualified: str, version: Version) -> FunctionVersion:
    configuration = version.configuration
    controls = configuration.logging_config
    variables = (configuration.environment or {}).get("Variables") or {}
    return FunctionVersion(
        account=name.account,
        region=name.region,
        name=name.name,
        version=configuration.version,
        arn=qualified,
        runtime=configuration.runtime,
        handler=configuration.handler,
        role=configuration.role,
        code=version.package.tree,
        code_sha256=configuration.code_sha256,
        logging=Logging(
            controls["LogGroup"],
            cast(Any, controls["LogFormat"]),
            cast(Any, controls.get("ApplicationLogLevel", "")),
            cast(Any, controls.get("SystemLogLevel", "")),
        ),
        modified=configuration.last_modified,
        runtime_arn=configuration.runtime_version_config["RuntimeVersionArn"],
        memory_mb=configuration.memory_size,
        timeout_s=configuration.timeout,
        ephemeral_storage_mb=configuration.ephemeral_storage["Size"],
        environment=tuple(sorted(variables.items())),
        layers=tuple(layer.tree for layer in version.layers),
        tracing=cast(Any, configuration.tracing_config["Mode"]),
        architecture=configuration.architectures[0],
    )


def own_tls(settings: Settings) -> ssl.SSLContext | None:
    """For what functions say to the cloud where its port speaks TLS: whoever shows our own certificate there is us."""
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(settings.tls_certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def _start(cloud: Cloud) -> None:
    runtime = cloud.part(Execution).runtime
    await runtime.start()
    for used in {version.configuration.runtime for _, version in VERSIONS.scan(cloud.store)}:
        runtime.prepare(used)
    cloud.isolation = runtime.isolation
    provisioned = {key[:3] for key, version in VERSIONS.scan(cloud.store) if version.provisioned}
    provisioned |= {key[:3] for key, alias in ALIASES.scan(cloud.store) if alias.provisioned}
    for account, region, name in provisioned:
        cloud.part(Execution).provision_soon(FunctionName(str(account), str(region), str(name)))


async def _stop(cloud: Cloud) -> None:
    await cloud.part(Execution).runtime.close()
    await cloud.part(LogDelivery).flush()
    await cloud.part(Metrics).flush()
    await cloud.part(Recordings).flush()


service.on_start.append(_start)
service.on_stop.append(_stop)
