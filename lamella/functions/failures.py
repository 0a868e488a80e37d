"""The last errors of a function, and the layer versions that they came from.

One document a function: its newest errors and, for each layer version, how many came from it
since the function has been there. It goes with the function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from lamella.model import arn
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records

KEPT: Final = 100
"""Errors kept of a function, the newest."""
COUNTED: Final = 100
"""Layer versions counted of a function."""


@dataclass(frozen=True, slots=True)
class Blamed:
    """A layer version in an error's trace: ``file`` below ``/opt``, ``line`` 0 if it is not known,
    ``hides`` the layer versions whose file that one hides. ``is_raised``: the error began there."""

    layer: str
    file: str
    line: int = 0
    hides: tuple[str, ...] = ()
    is_raised: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An invocation that ended in an error. ``time`` is Unix seconds, ``version`` the version that
    ran, ``qualifier`` what the caller asked for (empty: nothing)."""

    time: float
    request_id: str
    version: str
    qualifier: str
    error_type: str
    message: str
    layers: tuple[Blamed, ...] = ()

    @property
    def raised_in(self) -> str | None:
        """The layer version in which the error began."""
        return next((each.layer for each in self.layers if each.is_raised), None)


@dataclass(frozen=True, slots=True)
class Failures:
    """What is kept of a function: errors, the newest first, and how many each layer version
    brought about. ``arn`` is the function's."""

    arn: str
    errors: tuple[Failure, ...]
    by_layer: Mapping[str, int]

    def since(self, moment: float, qualifier: str | None = None) -> Failures:
        """The errors from ``moment`` on and of one qualifier, with the counts of these alone."""
        errors = tuple(
            each
            for each in self.errors
            if each.time >= moment and qualifier in (None, each.version, each.qualifier)
        )
        counts: dict[str, int] = {}
        for each in errors:
            if each.raised_in is not None:
                counts[each.raised_in] = counts.get(each.raised_in, 0) + 1
        return replace(self, errors=errors, by_layer=counts)


def add(records: Records, where: tuple[str, str, str], failures: Sequence[Failure]) -> None:
    """Keep errors of the function ``where`` (account, region, name), the oldest first; nothing if
    it is gone."""

    def change(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
        kept = [asdict(failure) for failure in failures[-KEPT:]]
        counts: dict[str, int] = dict((before or {}).get("by_layer", {}))
        for failure in failures:
            layer = failure.raised_in
            if layer is not None:
                counts[layer] = counts.pop(layer, 0) + 1
        errors = [*(before or {}).get("errors", ()), *kept][-KEPT:]
        return {"errors": errors, "by_layer": dict(list(counts.items())[-COUNTED:])}

    try:
        records.change_document(DocumentKey(Kind.FAILURES, *where), change)
    except KeyError:
        return


def found(
    records: Records, name: str, account: str | None = None, region: str | None = None
) -> list[Failures]:
    """What is kept of the functions of that name, of every account and region or of one."""
    return [
        _from_document(document.at, document.value)
        for document in records.all_documents(Kind.FAILURES)
        if document.at.name == name
        and account in (None, document.at.account)
        and region in (None, document.at.region)
    ]


def _from_document(at: DocumentKey, value: Mapping[str, Any]) -> Failures:
    errors = tuple(_failure(each) for each in reversed(value["errors"]))
    return Failures(arn.function(at.account, at.region, at.name), errors, value["by_layer"])


def _failure(value: Mapping[str, Any]) -> Failure:
    layers = tuple(Blamed(**{**each, "hides": tuple(each["hides"])}) for each in value["layers"])
    return Failure(**{**value, "layers": layers})
