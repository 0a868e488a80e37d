"""What a function is configured to be: requests become fields of a `Function`. Pure.

`fields` serves CreateFunction and UpdateFunctionConfiguration alike: what a request does not
name is left to the defaults or to what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.model.function import Function

KEPT = ("VpcConfig", "DeadLetterConfig", "KMSKeyArn", "FileSystemConfigs", "ImageConfig")
"""Members that are stored and returned, and on which nothing here acts."""

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
    settings = {member: request[member] for member in KEPT if member in request}
    if settings:
        found["settings"] = {**(before.settings if before else {}), **settings}
    return found


def _logging(config: Mapping[str, Any], before: Function | None) -> dict[str, Any]:
    """LoggingConfig: JSON has levels, which default to INFO; Text has none."""
    was = before.log_format if before else "Text"
    form = config.get("LogFormat", was)
    found: dict[str, Any] = {"log_format": form}
    if "LogGroup" in config:
        found["log_group"] = config["LogGroup"] or None
    for member, name in (
        ("ApplicationLogLevel", "application_log_level"),
        ("SystemLogLevel", "system_log_level"),
    ):
        known = getattr(before, name) if before and form == was else None
        found[name] = config.get(member, known or "INFO") if form == "JSON" else None
    return found
