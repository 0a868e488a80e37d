"""The bytes that an environment's runtime and extensions read: heads, bodies, refusals. Pure.

Error bodies are as AWS's Runtime Interface Emulator sends them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

from lamella.model.invocation import Event, Reply
from lamella.model.lifecycle import RuntimeEvent, RuntimeState
from lamella.model.limits import RESPONSE_BYTES
from lamella.runtime_api.extensions import Said

_TRANSITIONS: Final = {
    RuntimeEvent.NEXT: "Ready",
    RuntimeEvent.RESPONSE: "InvocationResponse",
    RuntimeEvent.ERROR: "InvocationErrorResponse",
    RuntimeEvent.INIT_ERROR: "InitError",
    RuntimeEvent.RESTORE: "RestoreReady",
    RuntimeEvent.RESTORE_ERROR: "RestoreError",
}
_REASONS: Final = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
}


def response(status: int, body: bytes, content_type: str = "application/json") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def error(status: int, error_type: str, message: str) -> bytes:
    return response(status, f'{{"errorMessage":"{message}","errorType":"{error_type}"}}\n'.encode())


ACCEPTED: Final = response(202, b'{"status":"OK"}\n')
UNKNOWN_ID: Final = error(400, "InvalidRequestID", "Invalid request ID")
EXCEEDED: Final = error(
    413,
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes).",
)
NOT_FOUND: Final = response(404, b"404 page not found\n", "text/plain; charset=utf-8")
NOT_ALLOWED: Final = response(405, b"", "text/plain; charset=utf-8")
HEAD_TOO_LARGE: Final = response(431, b"", "text/plain; charset=utf-8")


def illegal(state: RuntimeState, event: RuntimeEvent) -> bytes:
    return error(
        403,
        "InvalidStateTransition",
        f"State transition from {state} to {_TRANSITIONS[event]} failed for runtime. "
        "Error: State transition is not allowed",
    )


def header_value(text: str) -> str:
    """``text`` as one header value: line breaks, which JSON has only between tokens, are blanks."""
    return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")


def invocation_head(event: Event) -> bytes:
    lines = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {event.request_id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {event.deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {event.function_arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {header_value(event.trace_id)}\r\n"
        f"Content-Length: {len(event.payload)}\r\n"
    )
    if event.client_context:
        lines += f"Lambda-Runtime-Client-Context: {header_value(event.client_context)}\r\n"
    if event.cognito_identity:
        lines += f"Lambda-Runtime-Cognito-Identity: {header_value(event.cognito_identity)}\r\n"
    return (lines + "\r\n").encode("utf-8", "replace")


def error_name(value: bytes) -> str:
    return value[:256].decode("latin-1")


def streamed_error(error_type: bytes, body: bytes) -> Reply:
    """The error that a streaming response ended with: its body is base64 in a trailer."""
    try:
        payload = b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        payload = body
    return Reply(payload, error_name(error_type))


def answer_of(said: Said) -> bytes:
    """An answer to an extension."""
    head = f"HTTP/1.1 {said.status} {_REASONS[said.status]}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in said.headers)
    return f"{head}Content-Length: {len(said.body)}\r\n\r\n".encode() + said.body


def closing(response: bytes) -> bytes:
    """The answer to a request after which the connection is closed: clients that pool connections
    would use it again if they were not told."""
    status, _, rest = response.partition(b"\r\n")
    return status + b"\r\nConnection: close\r\n" + rest
