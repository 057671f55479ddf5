"""The environment variables of a function.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

from collections.abc import Mapping

from pileus.runtime.interface import FunctionVersion
from pileus.runtime.languages.language import LAYERS, RUNTIME, TASK, Language


def variables(
    function: FunctionVersion,
    language: Language,
    credentials: Mapping[str, str],
    *,
    api: str,
    endpoint: str,
    log_stream: str,
    provisioned: bool,
) -> dict[str, str]:
    """The function's own first, so that it cannot replace the reserved ones."""
    values = {
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "TZ": ":UTC",
        "PATH": f"/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:{LAYERS}/bin",
        "LD_LIBRARY_PATH": f"/var/lang/lib:/lib64:/usr/lib64:{RUNTIME}:{RUNTIME}/lib:{TASK}:{TASK}/lib:{LAYERS}/lib",
        **language.variables(function),
        "AWS_ENDPOINT_URL": endpoint,
        **dict(function.environment),
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if provisioned else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logging.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": api,
        "LAMBDA_TASK_ROOT": TASK,
        "LAMBDA_RUNTIME_DIR": RUNTIME,
        "_HANDLER": function.handler,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "PWD": TASK,
        "SHLVL": "0",
        **credentials,
    }
    if not function.runtime.startswith("provided"):
        values["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{function.runtime}"
    if function.logging.format == "JSON":
        values["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        values["AWS_LAMBDA_LOG_LEVEL"] = function.logging.application_level or "INFO"
    return values
