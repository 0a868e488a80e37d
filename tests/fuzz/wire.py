"""Requests as they go over the wire, by the model's rules, whatever their values are."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from tests.fuzz.values import plain

SECONDS = 60
EVENTS = "application/vnd.amazon.eventstream"
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    method: str
    target: str
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    @property
    def written(self) -> bytes:
        """The request's bytes; nothing of it is checked."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in self.headers):
            lines.append("Host: 127.0.0.1")
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1", "replace") + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def json11(operation: Any, params: dict[str, Any], credential: Header) -> Sent:
    """A request of the protocol JSON 1.1."""
    target = f"{operation.service_model.metadata['targetPrefix']}.{operation.name}"
    headers = (credential, ("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.1"))
    return Sent("POST", "/", headers, orjson.dumps(plain(params)))


def form(operation: Any, params: dict[str, Any], credential: Header) -> Sent:
    """A request of the query protocol."""
    asked = [("Action", operation.name), ("Version", operation.service_model.api_version)]
    asked += [pair for name, value in params.items() for pair in _parameters(name, value)]
    body = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in asked)
    headers = (credential, ("Content-Type", "application/x-www-form-urlencoded"))
    return Sent("POST", "/", headers, body.encode())


def _parameters(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value in the parameters that stand for it, each named by its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _parameters(f"{name}.{key}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _parameters(f"{name}.member.{number}", inner)
    if value in ({}, []) or not isinstance(value, dict | list):
        yield name, "" if value in ({}, []) else _text(value)


def rest(operation: Any, params: dict[str, Any], credential: Header) -> Sent:
    """A request of the REST protocol for JSON (an ``OperationModel`` and its input)."""
    path, _, fixed = operation.http["requestUri"].partition("?")
    query = [fixed] if fixed else []
    headers = [credential]
    shape, body, rest_of = operation.input_shape, b"", {}
    for name, value in params.items():
        inner = shape.members[name]
        location, named = inner.serialization.get("location"), inner.serialization.get("name", name)
        if location == "uri":
            path = path.replace(f"{{{named}}}", quote(_text(value), safe=""))
        elif location == "querystring":
            values = value if isinstance(value, list) else [value]
            query += [f"{named}={quote(_text(each), safe='')}" for each in values]
        elif location == "header":
            headers.append((named, _text(value)))
        elif shape.serialization.get("payload") == name:
            body = value if isinstance(value, bytes) else orjson.dumps(plain(value))
        else:
            rest_of[named] = value
    if rest_of:
        body = orjson.dumps(plain(rest_of))
    target = path + ("?" + "&".join(query) if query else "")
    return Sent(operation.http["method"], target, tuple(headers), body)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


class Client:
    """One connection, opened again where the server has closed it."""

    def __init__(self, endpoint: str) -> None:
        split = urlsplit(endpoint)
        self._address = (split.hostname or "", split.port or 0)
        self._socket: socket.socket | None = None

    def ask(self, sent: Sent) -> Answer:
        """OSError or ValueError if there is no answer that is HTTP."""
        kept = self._socket is not None
        try:
            return self._ask(sent)
        except ConnectionError:
            self.close()
            if not kept:
                raise
        return self._ask(sent)

    def _ask(self, sent: Sent) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=SECONDS)
        self._socket.sendall(sent.written)
        response = HTTPResponse(self._socket, method=sent.method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        if headers.get("content-type") == EVENTS:  # it may have no end: the client goes away
            response.close()
            self.close()
            return Answer(response.status, headers)
        body = response.read()
        if response.will_close:
            self.close()
        return Answer(response.status, headers, body)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
