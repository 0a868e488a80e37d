"""Which call of an extension a request is: the routes of the Extensions, Telemetry and Logs APIs.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html,
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from lamella.model.lifecycle import ExtensionEvent
from lamella.runtime_api.extensions import Extensions, Line, Said
from lamella.runtime_api.subscription import Face
from lamella.runtime_api.telemetry import Telemetry

Call = Callable[[Extensions, Telemetry, bytes, Line], Said | None]
"""What a request asks, once its body is there; None if it is answered by an event later."""

FIELD: Final = b"lambda-extension-"
"""What the names of the headers begin with that calls need; they are kept in lower case."""

_EXTENSION: Final = b"/2020-01-01/extension/"
_FACES: Final = {b"/2022-07-01/telemetry": Face.TELEMETRY, b"/2020-08-15/logs": Face.LOGS}
PREFIXES: Final = (_EXTENSION, *_FACES)
_ERRORS: Final = {
    b"init/error": ExtensionEvent.INIT_ERROR,
    b"exit/error": ExtensionEvent.EXIT_ERROR,
}
_NOT_ALLOWED: Final = Said(405, b"")


def route(method: bytes, url: bytes, fields: Mapping[bytes, bytes]) -> Call | Said | None:
    """The call; a refusal of the method; or None if there is no such address."""
    identifier = fields.get(b"lambda-extension-identifier", b"")
    face = _FACES.get(url)
    if face is not None:
        return partial(_subscribe, face, identifier) if method == b"PUT" else _NOT_ALLOWED
    action = url.removeprefix(_EXTENSION)
    if action == b"register":
        return partial(_register, fields) if method == b"POST" else _NOT_ALLOWED
    if action == b"event/next":
        return partial(_next, identifier) if method == b"GET" else _NOT_ALLOWED
    if action in _ERRORS:
        error_type = fields.get(b"lambda-extension-function-error-type", b"")
        call = partial(_fail, _ERRORS[action], identifier, error_type)
        return call if method == b"POST" else _NOT_ALLOWED
    return None


def _register(
    fields: Mapping[bytes, bytes], extensions: Extensions, _: Telemetry, body: bytes, line: Line
) -> Said:
    name = fields.get(b"lambda-extension-name", b"")
    return extensions.register(name, body, fields.get(b"lambda-extension-accept-feature", b""))


def _next(
    identifier: bytes, extensions: Extensions, _: Telemetry, body: bytes, line: Line
) -> Said | None:
    return extensions.next(identifier, line)


def _fail(
    event: ExtensionEvent,
    identifier: bytes,
    error_type: bytes,
    extensions: Extensions,
    _: Telemetry,
    body: bytes,
    line: Line,
) -> Said:
    return extensions.report_error(event, identifier, error_type, body)


def _subscribe(
    face: Face,
    identifier: bytes,
    extensions: Extensions,
    telemetry: Telemetry,
    body: bytes,
    line: Line,
) -> Said:
    found = extensions.identify(identifier)
    return found if isinstance(found, Said) else telemetry.subscribe(found.name, face, body)
