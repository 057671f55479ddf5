"""Python functions: the official runtime client, warmed before the fork."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from typing import Any

from pileus.runtime.sandbox import root

_WARM_SERVICES = ("lambda", "dynamodb", "s3", "sts", "cognito-identity", "logs")
_LIBRARIES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "simplejson")
_before: frozenset[str] = frozenset()


def preload() -> None:
    """Imports the runtime client and boto3 and fills botocore's caches, in the launcher."""
    global _before
    sys.path[:] = [path for path in sys.path if not path.endswith(("site-packages", "dist-packages"))]
    sys.path.append(root.RUNTIME)
    os.environ["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:9001"
    for module in ("bootstrap", "lambda_config", "lambda_literals"):
        importlib.import_module(f"awslambdaric.{module}")
    _before = frozenset(sys.modules)
    boto3 = importlib.import_module("boto3")
    _share_models(importlib.import_module("botocore.loaders"))
    with _quiet_credentials():
        session = boto3.session.Session(region_name="us-east-1")
        for service in _WARM_SERVICES:
            session.client(service, aws_access_key_id="-", aws_secret_access_key="-", endpoint_url="http://127.0.0.1")  # noqa: S106
        session.resource("dynamodb", aws_access_key_id="-", aws_secret_access_key="-", endpoint_url="http://127.0.0.1")  # noqa: S106
    # Not used yet, it has read no variable, file or credential: those it looks up for its first client.
    boto3.setup_default_session()
    del os.environ["AWS_LAMBDA_RUNTIME_API"]


@contextlib.contextmanager
def _quiet_credentials() -> Any:
    """No look at files or the network for credentials while warming."""
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    try:
        yield
    finally:
        del os.environ["AWS_EC2_METADATA_DISABLED"]


def _share_models(loaders: Any) -> None:
    """What botocore loads it keeps by session; sessions made later share it here, as clients of one session already
    do, unless they look for models in places of their own."""
    initialise = loaders.Loader.__init__
    kept: dict[Any, Any] = {}
    usual = loaders.Loader().search_paths

    def initialise_and_share(self: Any, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **options)
        if self.search_paths == usual:
            self._cache = kept

    loaders.Loader.__init__ = initialise_and_share


def run(environment: dict[str, str], own: list[str], layers: str) -> None:
    """Runs the handler until the environment ends. `layers` is the directory of the layers; `own` are names of modules
    and packages in the function's code and layers: what was warmed under such a name is forgotten, as the function's
    own comes first."""
    task, runtime = environment["LAMBDA_TASK_ROOT"], environment["LAMBDA_RUNTIME_DIR"]
    os.environ.clear()
    os.environ.update(environment)
    # Log records go through the same pipe as what is printed, in frames that keep their lines together.
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(os.dup(1))
    time.tzset()
    layers += "/python"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    user = environment.get("PYTHONPATH", "").split(":")
    first = [task, *(path for path in user if path and path != runtime)]
    first += [f"{layers}/lib/python{version}/site-packages", layers, runtime]
    sys.path[:] = [*first, *(path for path in sys.path if path not in first)]
    sys.argv = ["bootstrap", environment["_HANDLER"]]
    _forget(own)
    sys.path_importer_cache.clear()
    bootstrap = importlib.import_module("awslambdaric.bootstrap")
    provider = importlib.import_module("awslambdaric.lambda_config").LambdaConfigProvider(sys.argv)
    if environment.get("AWS_LAMBDA_LOG_FORMAT") or environment.get("AWS_LAMBDA_LOG_LEVEL"):
        importlib.reload(bootstrap)  # it reads them as it is imported
    client = importlib.import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
    # From Python 3.12 on it would wait for each invocation in a thread of its own, so that the main thread sees signals
    # while the compiled transport blocks. Ours waits in Python, where signals are seen.
    bootstrap.run(provider.handler, client(provider.api_address, use_thread_for_polling_next=False))


def _forget(own: list[str]) -> None:
    if "AWS_DATA_PATH" in os.environ and "boto3" in sys.modules:
        # Models in places of its own are looked for when a session is made.
        vars(sys.modules["boto3"])["DEFAULT_SESSION"] = None
    names = {name for name in own if name in sys.modules and name not in _before}
    if names & set(_LIBRARIES):
        names.update(_LIBRARIES)
    for module in list(sys.modules):
        if module.startswith("pileus") or (names and module.partition(".")[0] in names):
            del sys.modules[module]
