"""Which operation a method and a path name. What the operation's input is, is `parse`'s.

Paths are taken apart before they are decoded, so that an ARN may come percent-encoded,
slashes included, or as it is. One trailing slash is forgiven, as AWS does. A known path with
another method is an unknown operation too (404), not a 405.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

Target = TypeVar("Target")
Query = Mapping[str, list[str]]

_LABEL = re.compile(r"\{([A-Za-z]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A ``requestUri`` of the model: segments (None = label), label names, fixed query parts."""

    segments: tuple[str | None, ...]
    labels: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Node(Generic[Target]):
    literals: dict[bytes, _Node[Target]] = field(default_factory=dict)
    label: _Node[Target] | None = None
    targets: dict[str, list[tuple[tuple[tuple[str, str], ...], Target]]] = field(
        default_factory=dict
    )


def template(request_uri: str) -> Template:
    """Read a ``requestUri``. ValueError for a form that the router does not know."""
    path, _, query = request_uri.partition("?")
    segments: list[str | None] = []
    labels: list[str] = []
    for segment in path.strip("/").split("/"):
        label = _LABEL.fullmatch(segment)
        if label:
            labels.append(label[1])
        elif "{" in segment:
            raise ValueError(f"a label of this form is not known: {segment}")
        segments.append(None if label else segment)
    fixed = tuple(
        (name, value) for name, _, value in (part.partition("=") for part in query.split("&"))
    )
    return Template(tuple(segments), tuple(labels), fixed if query else ())


class Router(Generic[Target]):
    """A tree of path segments, made once from all templates."""

    def __init__(self, routes: Iterable[tuple[str, Template, Target]]) -> None:
        self._root: _Node[Target] = _Node()
        for method, path, target in routes:
            self._add(method, path, target)

    def _add(self, method: str, path: Template, target: Target) -> None:
        node = self._root
        for segment in path.segments:
            if segment is None:
                node.label = node.label or _Node()
                node = node.label
            else:
                node = node.literals.setdefault(segment.encode(), _Node())
        here = node.targets.setdefault(method, [])
        here.append((path.fixed, target))
        here.sort(key=lambda entry: -len(entry[0]))  # the most demanding first

    def match(self, method: str, raw_path: bytes, query: Query) -> tuple[Target, list[str]] | None:
        """The target and the values of its labels in order, or None.

        ``raw_path`` is the path as it came over the wire, without the query.
        """
        segments = raw_path.split(b"/")
        if len(segments) > 2 and not segments[-1]:
            segments.pop()
        node = self._root
        values: list[str] = []
        for segment in segments[1:]:
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif node.label is not None:
                node = node.label
                if b"%" in segment:
                    segment = unquote_to_bytes(segment)
                values.append(segment.decode("utf-8", "replace"))
            else:
                return None
        for fixed, target in node.targets.get(method, ()):
            if not fixed or all(value in query.get(name, ()) for name, value in fixed):
                return target, values
        return None
