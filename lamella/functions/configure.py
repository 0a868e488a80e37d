"""What a function is configured to be: requests become fields of a `Function`. Pure.

`fields` serves CreateFunction and UpdateFunctionConfiguration alike: what a request does not
name is left to the defaults or to what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.functions import rules
from lamella.model.function import Function

KEPT = ("VpcConfig", "DeadLetterConfig", "KMSKeyArn")
"""Members that are stored and returned, and on which nothing here acts: functions run without."""

_EMPTY: tuple[object, ...] = ("", {}, {"TargetArn": ""})
"""Values by which AWS's clients remove a setting."""

_PLAIN = {
    "Runtime": "runtime",
    "Handler": "handler",
    "Role": "role",
    "Description": "description",
    "Timeout": "timeout",
    "MemorySize": "memory_size",
}


def fields(request: Mapping[str, Any], before: Function | None = None) -> dict[str, Any]:
    """The fields of `Function` that ``request`` sets, layers and code aside.

    ``before`` is the function that is updated: members that AWS merges are merged with it.
    Raises InvalidParameterValue for log levels where the format has none.
    """
    found = {name: request[member] for member, name in _PLAIN.items() if member in request}
    if "Environment" in request:
        found["environment"] = dict(request["Environment"].get("Variables") or {})
    if "EphemeralStorage" in request:
        found["ephemeral_storage"] = request["EphemeralStorage"]["Size"]
    if "Architectures" in request:
        found["architecture"] = request["Architectures"][0]
    if "TracingConfig" in request:
        found["tracing_mode"] = request["TracingConfig"].get("Mode", "PassThrough")
    if "SnapStart" in request:
        found["snap_start"] = request["SnapStart"].get("ApplyOn", "None")
    if "LoggingConfig" in request:
        found |= _logging(request["LoggingConfig"], before)
    if any(member in request for member in KEPT):
        found["settings"] = _settings(request, before)
    return found


def _settings(request: Mapping[str, Any], before: Function | None) -> dict[str, Any]:
    named = {member: request[member] for member in KEPT if member in request}
    merged = {**(before.settings if before else {}), **named}
    return {member: value for member, value in merged.items() if value not in _EMPTY}


def key_of_code(code: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` with the key that AWS would encrypt new code with; it goes with the old code."""
    kept = {member: value for member, value in settings.items() if member != "SourceKMSKeyArn"}
    given = code.get("SourceKMSKeyArn")
    return {**kept, "SourceKMSKeyArn": given} if given else kept


def _logging(config: Mapping[str, Any], before: Function | None) -> dict[str, Any]:
    """LoggingConfig: JSON has levels, which default to INFO; Text has none.

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_LoggingConfig.html
    """
    was = before.log_format if before else "Text"
    form = config.get("LogFormat", was)
    rules.check_log_levels(config, form)
    found: dict[str, Any] = {"log_format": form}
    if "LogGroup" in config:
        found["log_group"] = config["LogGroup"]
    for member, name in (
        ("ApplicationLogLevel", "application_log_level"),
        ("SystemLogLevel", "system_log_level"),
    ):
        known = getattr(before, name) if before else None
        found[name] = config.get(member, known or "INFO") if form == "JSON" else None
    return found
