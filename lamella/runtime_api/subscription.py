"""What an extension asks of the Telemetry API, or of the older Logs API: read and checked. Pure.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html,
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-logs-api.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import orjson

from lamella.runtime_api.extensions import Said, refused

HOSTS = ("sandbox.localdomain", "sandbox", "localhost", "127.0.0.1")
"""The names of the environment itself: telemetry goes nowhere else."""
TYPES = ("platform", "function", "extension")
TELEMETRY_VERSIONS = ("2022-07-01", "2022-12-13", "2025-01-29")
LOGS_VERSIONS = ("2020-08-15", "2021-03-18")
_RESERVED_PORT = 9001


class Face(StrEnum):
    """Which of the two APIs was asked."""

    TELEMETRY = "Telemetry"
    LOGS = "Logs"


@dataclass(frozen=True, slots=True)
class Bounds:
    """A member of ``buffering``: its default and its least and most."""

    default: int
    least: int
    most: int


_BUFFERING: Mapping[str, Bounds] = {
    "maxItems": Bounds(10_000, 1_000, 10_000),
    "maxBytes": Bounds(262_144, 262_144, 1_048_576),
    "timeoutMs": Bounds(1_000, 25, 30_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where telemetry goes: HTTP with a path, or TCP; what, and in how large portions."""

    name: str
    face: Face
    version: str
    types: tuple[str, ...]
    protocol: str
    port: int
    path: str
    items: int
    size: int
    seconds: float


def read(name: str, face: Face, body: bytes) -> Subscription | Said:
    """The subscription of extension ``name``, or the refusal."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return _refused(face, str(error))
    if not isinstance(asked, dict):
        return _refused(face, "the request is not a JSON object")
    versions = TELEMETRY_VERSIONS if face is Face.TELEMETRY else LOGS_VERSIONS
    version = asked.get("schemaVersion", versions[0])
    if version not in versions:
        return _refused(face, f"schemaVersion must be one of {', '.join(versions)}")
    types = asked.get("types")
    if not isinstance(types, list) or not types or not all(each in TYPES for each in types):
        return _refused(face, f"types must be a list of {', '.join(TYPES)}")
    target = _target(asked.get("destination"))
    if isinstance(target, str):
        return _refused(face, target)
    buffering = _buffering(asked.get("buffering"))
    if isinstance(buffering, str):
        return _refused(face, buffering)
    protocol, port, path = target
    return Subscription(
        name=name,
        face=face,
        version=version,
        types=tuple(dict.fromkeys(types)),
        protocol=protocol,
        port=port,
        path=path,
        items=buffering["maxItems"],
        size=buffering["maxBytes"],
        seconds=buffering["timeoutMs"] / 1000,
    )


def _target(destination: Any) -> tuple[str, int, str] | str:
    """Protocol, port and path, or what is wrong with them."""
    if not isinstance(destination, dict):
        return "destination is missing"
    protocol = destination.get("protocol")
    if protocol == "TCP":
        port = destination.get("port")
        if not isinstance(port, int) or isinstance(port, bool):
            return "destination.port must be a number"
        return _checked("TCP", port, "")
    if protocol != "HTTP":
        return "destination.protocol must be HTTP or TCP"
    if destination.get("method", "POST") not in ("POST", "PUT"):
        return "destination.method must be POST or PUT"
    if destination.get("encoding", "JSON") != "JSON":
        return "destination.encoding must be JSON"
    address = destination.get("URI")
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        port = parts.port or 80
    except ValueError:
        return "destination.URI is not a URL"
    if parts.scheme != "http" or parts.hostname not in HOSTS:
        return "destination.URI must begin with http://sandbox.localdomain:PORT"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        return "destination.URI is not a URL"
    return _checked("HTTP", port, path or "/")


def _checked(protocol: str, port: int, path: str) -> tuple[str, int, str] | str:
    if not 0 < port < 65_536 or port == _RESERVED_PORT:
        return f"destination: port {port} cannot be used"
    return protocol, port, path


def _buffering(asked: Any) -> dict[str, int] | str:
    if asked is None:
        asked = {}
    if not isinstance(asked, dict):
        return "buffering must be an object"
    found = {}
    for name, bounds in _BUFFERING.items():
        value = asked.get(name, bounds.default)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not bounds.least <= value <= bounds.most:
            return f"buffering.{name} must be from {bounds.least} to {bounds.most}"
        found[name] = value
    return found


def _refused(face: Face, why: str) -> Said:
    return refused(400, "ValidationError", f"{face}.ValidationError: {why}")
