"""Which files an error names, and which of them brought it about. Pure.

What a function reports of an error is its own text and may be anything: the work is bounded by
size, and no pattern goes back over what it has read. Known are the traces of Python, Node.js and
Ruby, as their runtimes send them and as they print them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson

from lamella.functions.failures import Blamed
from lamella.layers.owner import Owner
from lamella.model.function import Function

MOST_BYTES: Final = 1_048_576
"""A longer report is not looked into."""
MOST_LINES: Final = 400
LINE_CHARACTERS: Final = 2_000
MESSAGE_CHARACTERS: Final = 500
TYPE_CHARACTERS: Final = 200
FRAMES: Final = 50
"""Frames, from the innermost outwards, that are looked up."""
OPT: Final = "/opt/"

_OWN = r"/(?:opt|var/task)/"
_PYTHON = re.compile(rf'\s*File "({_OWN}[^"]+)",? [Ll]ine (\d{{1,9}})')
_NUMBER = re.compile(r"[0-9]{1,9}")
_PLACE = re.compile(rf"(?:from )?(file://)?({_OWN}[^:]+):(\d{{1,9}})(?=:|$)")
_REQUIRED = re.compile(rf"- ({_OWN}.+)$")
_NAMED = re.compile(rf"(?<![\w./-])(file://)?({_OWN}[^\s\"'():,;<>]+)(?::(\d{{1,9}}))?")
_TRACES: Final = ("stackTrace", "trace", "stack")
_EXTENSION = re.compile(r" \(extension (\S{1,200}) of (arn:\S{1,300})\)$")


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in a file of the function (``/var/task``) or of a layer (``/opt``). ``line`` is 0
    where only the file is known."""

    path: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """An error as its body tells it; ``frames`` from the innermost outwards."""

    error_type: str
    message: str
    frames: tuple[Frame, ...] = ()


def read(payload: bytes, error_type: str, log_tail: bytes = b"") -> Report:
    """What the body of an error, and where that has no trace the log before it, tell.

    ``error_type`` stands in for a body that names none.
    """
    body = _body(payload)
    kind = body.get("errorType")
    message = body.get("errorMessage")
    kind = kind if isinstance(kind, str) and kind else error_type
    message = message if isinstance(message, str) else ""
    for name in _TRACES:
        lines = _lines(body.get(name))
        if lines:
            found = _frames(lines)
            return Report(kind[:TYPE_CHARACTERS], message[:MESSAGE_CHARACTERS], found)
    # Only where there is no trace: a message may name any file, also one that is not to blame.
    found = _named(message[:LINE_CHARACTERS]) or _frames(_printed(log_tail))
    return Report(kind[:TYPE_CHARACTERS], message[:MESSAGE_CHARACTERS], found)


def extension(payload: bytes, error_type: str) -> tuple[str, str] | None:
    """The name and the layer version of the extension that failed, as
    `lamella.invoke.report.extension_failed` words it."""
    if not error_type.startswith("Extension."):
        return None
    message = _body(payload).get("errorMessage")
    match = _EXTENSION.search(message) if isinstance(message, str) else None
    return (match[1], match[2]) if match else None


def _body(payload: bytes) -> dict[str, Any]:
    if len(payload) > MOST_BYTES:
        return {}
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _lines(trace: Any) -> list[str]:
    """The lines of a trace: a list of frames, of which the first line counts, or a text."""
    if isinstance(trace, str):
        return _ends(trace[: MOST_LINES * LINE_CHARACTERS].split("\n"))
    if not isinstance(trace, list):
        return []
    lines = [each.lstrip("\n")[:LINE_CHARACTERS] for each in _ends(trace) if isinstance(each, str)]
    return [line.partition("\n")[0] for line in lines]


def _printed(log_tail: bytes) -> list[str]:
    return _ends(log_tail.decode("utf-8", "replace").replace("\r", "\n").split("\n"))


def _ends(lines: Sequence[Any]) -> list[Any]:
    """The first and the last lines: of a recursion without end, both ends tell."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    half = MOST_LINES // 2
    return [*lines[:half], *lines[-half:]]


def _frames(lines: Iterable[str]) -> tuple[Frame, ...]:
    """Python tells the innermost frame last, the others first."""
    outer_first: list[Frame] = []
    inner_first: list[Frame] = []
    for text in lines:
        line = text[:LINE_CHARACTERS].strip()
        match = _PYTHON.match(line)
        if match is not None:
            outer_first.append(Frame(match[1], int(match[2])))
        else:
            inner_first.extend(_frame(line))
    return (*reversed(outer_first), *inner_first)


def _frame(line: str) -> Iterator[Frame]:
    if line.startswith("at "):
        yield from _of_node(line)
        return
    match = _PLACE.match(line)
    if match is not None:
        yield Frame(_path(match[1], match[2]), int(match[3]))
        return
    match = _REQUIRED.match(line)
    if match is not None:
        yield Frame(match[1])


def _of_node(line: str) -> Iterator[Frame]:
    """``at name (/opt/file.js:1:2)`` or ``at file:///opt/file.mjs:1:2``."""
    place, _, column = line.rstrip(")").rpartition(":")
    place, _, number = place.rpartition(":")
    if not (_NUMBER.fullmatch(column) and _NUMBER.fullmatch(number)):
        return
    starts = [at for at in (place.find(root) for root in (OPT, "/var/task/")) if at > 0]
    if not starts:
        return
    at = min(starts)
    is_url = place.endswith("file://", 0, at)
    if is_url or place[at - 1] in " (":
        yield Frame(_path("file" if is_url else None, place[at:]), int(number))


def _named(message: str) -> tuple[Frame, ...]:
    """The files that a message names, as those of failed imports do."""
    return tuple(
        Frame(_path(url, path), int(line or 0)) for url, path, line in _NAMED.findall(message)
    )


def _path(url: str | None, path: str) -> str:
    return unquote(path) if url else path


def attributed(
    report: Report, function: Function, owner: Callable[[str], Owner | None]
) -> tuple[Blamed, ...]:
    """The layer versions that an error went through, the innermost first, each once.

    ``owner`` tells whose a path below ``/opt`` is in the function's layer set. An error was
    *raised* in a layer if no file of the function's own lies further in: a layer that wraps the
    handler is in the trace of each of its errors, and is not to blame for them.
    """
    found: dict[str, Blamed] = {}
    for at, frame in enumerate(report.frames[:FRAMES]):
        if not frame.path.startswith(OPT):
            continue
        owned = owner(frame.path)
        if owned is None:
            continue
        arn = function.layers[owned.layer].arn
        hides = tuple(function.layers[each].arn for each in owned.hidden)
        path, line = f"{OPT}{owned.path}", frame.line
        found.setdefault(arn, Blamed(arn, path, line, hides, is_raised=at == 0))
    return tuple(found.values())


def of_extension(
    named: tuple[str, str] | None, function: Function, owner: Callable[[str], Owner | None]
) -> tuple[Blamed, ...]:
    """The layer version of an extension that failed."""
    if named is None or all(layer.arn != named[1] for layer in function.layers):
        return ()
    path = f"{OPT}extensions/{named[0]}"
    owned = owner(path)
    hidden = owned.hidden if owned is not None else ()
    hides = tuple(function.layers[each].arn for each in hidden)
    return (Blamed(named[1], path, 0, hides, is_raised=True),)


def line(request_id: str, blamed: Blamed) -> str:
    """The line of the function's log, in Lamella's own words."""
    text = (
        f"LAYER_ERROR RequestId: {request_id}\tLayer: {blamed.layer}\tFile: {_plain(blamed.file)}"
    )
    if blamed.line:
        text += f"\tLine: {blamed.line}"
    if blamed.hides:
        text += f"\tHides: {', '.join(blamed.hides)}"
    return text + "\n"


def _plain(path: str) -> str:
    """A path on one line: a layer's names may hold line ends, and would forge lines of the log."""
    return path if path.isprintable() else path.encode("unicode_escape").decode("ascii")


def record(request_id: str, blamed: Blamed) -> dict[str, Any]:
    """The same for a log in JSON."""
    told: dict[str, Any] = {
        "requestId": request_id,
        "layer": blamed.layer,
        "file": blamed.file,
    }
    if blamed.line:
        told["line"] = blamed.line
    if blamed.hides:
        told["hides"] = list(blamed.hides)
    return told
