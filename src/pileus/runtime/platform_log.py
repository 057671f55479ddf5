"""The lines that Lambda itself writes into a function's log, as text and as JSON.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html and …/telemetry-schema-reference.html
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from pileus.runtime.interface import FunctionVersion, LogLine

# Which platform events a system log level lets through.
_RANK = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "ERROR": 4, "FATAL": 5}


_RUNTIME = re.compile(r"^([a-z]+)\.?(.*?)(?:\.x)?$")


@dataclass(frozen=True, slots=True)
class Report:
    request_id: str
    duration_ms: float
    billed_ms: int
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None = None
    status: str = "success"
    """`success`, `error` or `timeout`."""
    error_type: str = ""
    trace: str = ""


def init_start(function: FunctionVersion, how: str, at: float) -> list[LogLine]:
    """`how` is the initialisation type."""
    version = _RUNTIME.sub(r"\1:\2.v1", function.runtime)  # Pileus has one version of each runtime
    if function.logging.format == "JSON":
        record = {
            "initializationType": how, "phase": "init", "runtimeVersion": version,
            "runtimeVersionArn": function.runtime_arn,
        }  # fmt: skip
        return _json(function, at, "initStart", "INFO", record)
    text = f"INIT_START Runtime Version: {version}\tRuntime Version ARN: {function.runtime_arn}\n"
    return [(int(at * 1000), text)]


def start(function: FunctionVersion, request_id: str, at: float) -> list[LogLine]:
    if function.logging.format == "JSON":
        return _json(function, at, "start", "INFO", {"requestId": request_id, "version": function.version})
    return [(int(at * 1000), f"START RequestId: {request_id} Version: {function.version}\n")]


def end(function: FunctionVersion, report: Report, at: float) -> list[LogLine]:
    """END and REPORT."""
    if function.logging.format == "JSON":
        return _end_json(function, report, at)
    milliseconds = int(at * 1000)
    failed = "" if report.status == "success" else f"Status: {report.status}\t"
    kind = f"Error Type: {report.error_type}\t" if report.status == "error" and report.error_type else ""
    init = f"Init Duration: {report.init_ms:.2f} ms\t" if report.init_ms is not None else ""
    trace = ""
    if report.trace:
        fields = dict(part.partition("=")[::2] for part in report.trace.split(";"))
        trace = f"\nXRAY TraceId: {fields.get('Root', '')}\tSegmentId: {fields.get('Parent', '')}\tSampled: true\t"
    text = (
        f"REPORT RequestId: {report.request_id}\tDuration: {report.duration_ms:.2f} ms\t"
        f"Billed Duration: {report.billed_ms} ms\tMemory Size: {report.memory_mb} MB\t"
        f"Max Memory Used: {report.max_memory_mb} MB\t{init}{failed}{kind}{trace}\n"
    )
    return [(milliseconds, f"END RequestId: {report.request_id}\n"), (milliseconds, text)]


def timed_out(function: FunctionVersion, request_id: str, seconds: float, at: float) -> list[LogLine]:
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"
    return [(int(at * 1000), f"{stamp} {request_id} Task timed out after {seconds:.2f} seconds\n\n")]


def exited(request_id: str, message: str, error_type: str, at: float) -> list[LogLine]:
    return [(int(at * 1000), f"RequestId: {request_id} Error: {message}\n{error_type}\n")]


def init_report(
    function: FunctionVersion, milliseconds: float, phase: str, status: str, error_type: str
) -> list[LogLine]:
    """Written where an init phase fails."""
    now = time.time()
    if function.logging.format == "JSON":
        record = {
            "initializationType": "on-demand", "phase": phase, "status": status, "errorType": error_type,
            "metrics": {"durationMs": round(milliseconds, 3)},
        }  # fmt: skip
        return _json(function, now, "initReport", "WARN", {name: value for name, value in record.items() if value})
    kind = f"\tError Type: {error_type}" if error_type else ""
    return [
        (int(now * 1000), f"INIT_REPORT Init Duration: {milliseconds:.2f} ms\tPhase: {phase}\tStatus: {status}{kind}\n")
    ]


def record_of(report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """What runtimeDone and report say, and the metrics of the latter."""
    kind = {"errorType": report.error_type} if report.error_type else {}
    metrics: dict[str, Any] = {
        "durationMs": round(report.duration_ms, 3), "billedDurationMs": report.billed_ms,
        "memorySizeMB": report.memory_mb, "maxMemoryUsedMB": report.max_memory_mb,
    }  # fmt: skip
    if report.init_ms is not None:
        metrics["initDurationMs"] = round(report.init_ms, 3)
    return {"requestId": report.request_id, "status": report.status, **kind}, metrics


def _end_json(function: FunctionVersion, report: Report, at: float) -> list[LogLine]:
    level = "INFO" if report.status == "success" else "WARN"
    done, metrics = record_of(report)
    lines = _json(
        function, at, "runtimeDone", "DEBUG" if report.status == "success" else "WARN",
        {**done, "metrics": {"durationMs": round(report.duration_ms, 3)}},
    )  # fmt: skip
    return lines + _json(function, at, "report", level, {**done, "metrics": metrics})


def _json(function: FunctionVersion, at: float, kind: str, level: str, record: dict[str, Any]) -> list[LogLine]:
    if _RANK[level] < _RANK[function.logging.system_level or "INFO"]:
        return []
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"
    event = {"time": stamp, "type": f"platform.{kind}", "record": record}
    return [(int(at * 1000), msgspec.json.encode(event).decode() + "\n")]
