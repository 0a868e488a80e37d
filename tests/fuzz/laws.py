"""What holds of every answer, whatever was asked."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tests.fuzz.faults import Fault
from tests.fuzz.strings import matches
from tests.fuzz.wire import Answer

NOT_AWS = "text/plain"
WHOLE = ("integer", "long")
JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "list": (list,),
    "map": (dict,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}
SAID_BY_AWS: Mapping[str, tuple[str, ...]] = {"LastUpdateStatusReasonCode": ("Creating",)}
"""Values that AWS answers though its model does not have them.

Nor does it answer what the model requires where there is nothing to tell: GetFunctionCodeSigningConfig
of a function without one has an empty result.
"""
FRONT = {
    "AccessDeniedException",
    "NotImplementedException",
    "SerializationException",
    "ValidationException",
}
BEYOND = ("startingPosition",)
"""Members of which AWS says the same as of a broken constraint, by a rule that is not the model's."""


def told(answer: Answer) -> tuple[str, str] | None:
    """Code and message of an error in any of the protocols; None if it is not well formed."""
    code = answer.headers.get("x-amzn-errortype", "")
    if answer.body.startswith(b"<"):
        return _told_xml(answer)
    try:
        body = json.loads(answer.body)
    except ValueError:
        return None
    message = body.get("message", body.get("Message")) if isinstance(body, dict) else None
    return (code, message) if code and isinstance(message, str) and message else None


def _told_xml(answer: Answer) -> tuple[str, str] | None:
    try:
        root = ET.fromstring(answer.body)
    except ET.ParseError:
        return None
    code, message = root.findtext("{*}Error/{*}Code"), root.findtext("{*}Error/{*}Message")
    return (code, message) if code and message else None


def any_answer(
    answer: Answer,
    operation: str = "",
    *,
    refused: Collection[str] | None = None,
    head: bool = False,
) -> str | None:
    """The law of all answers: what is wrong with this one, or None. An answer to HEAD has no body.

    ``operation`` is the one that was asked: only those of ``refused`` may say that they are not
    there. None: nobody knows which was asked.
    """
    if answer.status < 400:
        return None
    if _was_not_http(answer):
        return None
    if "x-amzn-requestid" not in answer.headers:
        return "no request id"
    if head:
        return None if answer.status in (*range(500), 501, 502) else "a fault of the server"
    error = told(answer)
    if error is None:
        return "not a well-formed error"
    if answer.status >= 500 and not _foreseen(answer, error, operation, refused):
        return "a fault of the server"
    return None


def _foreseen(
    answer: Answer, error: tuple[str, str], operation: str, refused: Collection[str] | None
) -> bool:
    code, message = error
    if answer.status == 501:
        named = refused is None or (operation in refused and operation in message)
        return code == "NotImplementedException" and named
    return answer.status == 502 and code == "InvalidRuntimeException"


def of_url(answer: Answer) -> str | None:
    """The law of function URLs: a function's answer, or an error in the form that URLs have."""
    if answer.status in (500, 503, 504):
        return "a fault of the server"
    known = "x-amzn-requestid" in answer.headers or _was_not_http(answer)
    return None if known else "no request id"


def _was_not_http(answer: Answer) -> bool:
    """Whether the request was none at all, and never got to an operation."""
    text = answer.headers.get("content-type", "").startswith(NOT_AWS)
    return answer.status == 400 and text


def valid(answer: Answer) -> str | None:
    """Nothing is said against a request of which every constraint holds."""
    error = told(answer) if answer.status == 400 else None
    if error is None:
        return None
    if any(f"at '{member}' failed" in error[1] for member in BEYOND):
        return None
    if error[0] == "SerializationException" or "failed to satisfy constraint" in error[1]:
        return "a valid request is called invalid"
    return None


def invalid(answer: Answer, fault: Fault) -> str | None:
    """A request that breaks one constraint is told which, and where."""
    if answer.status != 400:
        return "an invalid request is not refused with 400"
    code, message = told(answer) or ("", "")
    if not fault.at:
        wanted = code in ("SerializationException", "MalformedInput")
        return None if wanted else "a value of the wrong type is not called that"
    if f"at '{fault.at}'" not in message or fault.says not in message:
        return "the message does not name the member and its constraint"
    return None


def documented(answer: Answer, operation: Any) -> str | None:
    """An error is one of those that the model has for the operation, or one of AWS's front."""
    error = told(answer) if answer.status >= 400 else None
    known = {shape.name for shape in operation.error_shapes} | FRONT
    return None if error is None or error[0] in known else f"{error[0]} is not an error of it"


def result_in_xml(answer: Answer, model: Any) -> str | None:
    """`result` in the query protocol."""
    if answer.status >= 300:
        return None
    try:
        root = ET.fromstring(answer.body)
    except ET.ParseError:
        return "a result that is not XML"
    return None if root.tag.endswith(f"}}{model.name}Response") else "a result of another name"


def result(answer: Answer, model: Any) -> str | None:
    """A success has a body that the model's shape reads."""
    if answer.status >= 300 or model is None or model.output_shape is None:
        return None
    if model.output_shape.serialization.get("payload") or model.has_event_stream_output:
        return None
    if answer.status == 204:
        return None if answer.body == b"" else "a body with status 204"
    try:
        found = json.loads(answer.body or b"{}")
    except ValueError:
        return "a result that is not JSON"
    return next(_misfits(model.output_shape, found, model.name), None) if found != {} else None


def _misfits(shape: Any, value: Any, at: str) -> Iterator[str]:
    """Where a result is not what the model says of it."""
    kind = shape.type_name
    is_one: bool = isinstance(value, JSON_TYPES[kind])
    if not is_one or (kind in WHOLE and isinstance(value, bool)):
        yield f"{at} is not a {kind}: {value!r}"
    elif kind == "structure":
        yield from _misfits_of_members(shape, value, at)
    elif kind == "list":
        for item in value:
            yield from _misfits(shape.member, item, f"{at}[]")
    elif kind == "map":
        for item in value.values():
            yield from _misfits(shape.value, item, f"{at}{{}}")
    elif kind == "string":
        enum, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
        if enum and value not in (*enum, *SAID_BY_AWS.get(shape.name, ())):
            yield f"{at} is none of {enum}: {value!r}"
        if pattern and not matches(pattern, value):
            yield f"{at} is not like {pattern}: {value!r}"


def _misfits_of_members(shape: Any, value: dict[str, Any], at: str) -> Iterator[str]:
    members = {
        inner.serialization.get("name", name): (name, inner)
        for name, inner in shape.members.items()
        if inner.serialization.get("location") is None
    }
    for key in sorted(set(value) - set(members)):
        yield f"{at} has no {key} in the model"
    for key, (name, inner) in members.items():
        if key in value:
            yield from _misfits(inner, value[key], f"{at}.{key}")
        elif name in shape.required_members:
            yield f"{at} lacks {key}"
