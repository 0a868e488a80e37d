"""A function as AWS's answers describe it: FunctionConfiguration and what is around it. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lamella.layers.packages import code_sha256
from lamella.model.function import Function, State


def configuration(function: Function, *, qualified: bool | None = None) -> dict[str, Any]:
    """FunctionConfiguration; for ``qualified`` see `summary`."""
    return {
        **summary(function, qualified=qualified),
        "RuntimeVersionConfig": {"RuntimeVersionArn": function.runtime_version_arn},
        "State": function.state,
        "StateReason": function.state_reason,
        "StateReasonCode": function.state_reason_code,
        **_last_update(function),
    }


def summary(function: Function, *, qualified: bool | None = None) -> dict[str, Any]:
    """FunctionConfiguration as the list operations give it: without states and runtime version.

    ``qualified`` says whether the ARN names the version; None, that it does unless it is
    ``$LATEST``.
    """
    described: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": _arn(function, qualified),
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code.size,
        "Description": function.description,
        "Timeout": function.timeout,
        "MemorySize": function.memory_size,
        "LastModified": moment(function.last_modified),
        "CodeSha256": code_sha256(function.code.digest),
        "Version": function.version,
        "TracingConfig": {"Mode": function.tracing_mode},
        "RevisionId": function.revision_id,
        "PackageType": function.package_type,
        "Architectures": [function.architecture],
        "EphemeralStorage": {"Size": function.ephemeral_storage},
        "SnapStart": {
            "ApplyOn": function.snap_start,
            "OptimizationStatus": "On" if function.has_snapshot else "Off",
        },
        "LoggingConfig": _logging(function),
        **_settings(function),
    }
    if function.environment is not None:
        described["Environment"] = {"Variables": dict(function.environment)}
    if function.layers:
        described["Layers"] = [
            {"Arn": layer.arn, "CodeSize": layer.code_size} for layer in function.layers
        ]
    return described


def moment(when: datetime) -> str:
    """A time in UTC as AWS writes it in texts: ``2026-01-02T03:04:05.678+0000``."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def code(function: Function, location: str) -> dict[str, Any]:
    """FunctionCodeLocation; ``location`` is where the zip can be downloaded for ten minutes."""
    return {
        "RepositoryType": "S3",
        "Location": location,
        "SourceKMSKeyArn": function.settings.get("SourceKMSKeyArn"),
    }


def _arn(function: Function, qualified: bool | None) -> str:
    if qualified is None:
        return function.arn
    return function.qualified_arn if qualified else function.function_arn


def _last_update(function: Function) -> dict[str, Any]:
    """While a version is created AWS says nothing of an update."""
    if function.state is State.PENDING:
        return {}
    return {
        "LastUpdateStatus": function.last_update_status,
        "LastUpdateStatusReason": function.last_update_status_reason,
        "LastUpdateStatusReasonCode": function.last_update_status_reason_code,
    }


def _logging(function: Function) -> dict[str, Any]:
    return {
        "LogFormat": function.log_format,
        "ApplicationLogLevel": function.application_log_level,
        "SystemLogLevel": function.system_log_level,
        "LogGroup": function.effective_log_group,
    }


def _settings(function: Function) -> dict[str, Any]:
    """What is stored and returned; AWS adds members of its own to VpcConfig."""
    found = {name: value for name, value in function.settings.items() if name != "SourceKMSKeyArn"}
    if "VpcConfig" in found:
        found["VpcConfig"] = {
            "SubnetIds": [],
            "SecurityGroupIds": [],
            "VpcId": "",
            "Ipv6AllowedForDualStack": False,
            **found["VpcConfig"],
        }
    return found
