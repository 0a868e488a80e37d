"""Aliases of functions: made, shown, changed, listed, deleted.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html,
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lamella.errors import (
    InvalidParameterValue,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
)
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.alias import Alias
from lamella.model.document import Document, DocumentKey, Kind
from lamella.records.base import Page, Records

Where = tuple[str, str, str]
"""Account, region and name of a function."""

PAGE = 500
STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the "
    "GetFunction/GetAlias API to retrieve the latest Revision Id"
)


class Aliases:
    """The aliases of this server's functions.

    ``rerouted`` is told of each function whose invocations may go elsewhere from now on, ``moved``
    of the alias that they come by.
    """

    def __init__(
        self,
        records: Records,
        rerouted: Callable[[str, str, str], None],
        moved: Callable[[Alias], None] = lambda alias: None,
    ) -> None:
        self._records = records
        self._rerouted = rerouted
        self._moved = moved

    def create(self, where: Where, request: Mapping[str, Any]) -> Alias:
        """Raises ResourceNotFound for a version that is not there, ResourceConflict for a name that is
        taken, and InvalidParameterValue for a routing that is none.
        """
        name = request["Name"]
        account, region, function = where
        made = Alias(
            account=account,
            region=region,
            function=function,
            name=name,
            version=request["FunctionVersion"],
            description=request.get("Description", ""),
            revision_id=_new_revision(),
            **routing(request),
        )

        def change(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if before is not None:
                raise ResourceConflict(f"Alias already exists: {made.arn}")
            self._check(made)
            return to_document(made)

        try:
            self._records.change_document(key(where, name), change)
        except KeyError:
            raise not_found(*where, made.version) from None
        # a URL or an invocation may have been refused for want of it
        self._rerouted(*where)
        self._moved(made)
        return made

    def get(self, where: Where, name: str) -> Alias:
        """Raises ResourceNotFound."""
        found = read(self._records, where, name)
        if found is None:
            raise self._missing(where, name)
        return found

    def update(self, where: Where, name: str, request: Mapping[str, Any]) -> Alias:
        """Change what ``request`` names; an empty routing takes the second version away.

        Raises what `create` and `get` raise, and PreconditionFailed for another revision.
        """

        def change(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if before is None:
                raise self._missing(where, name)
            alias = from_document(Document(key(where, name), before))
            after = changed(alias, request)
            self._check(after)
            return to_document(after)

        try:
            after = self._records.change_document(key(where, name), change)
        except KeyError:
            raise not_found(*where) from None
        self._rerouted(*where)
        alias = from_document(Document(key(where, name), after or {}))
        self._moved(alias)
        return alias

    def delete(self, where: Where, name: str) -> None:
        """Delete an alias with what was set for it; it may be gone already.

        Raises ResourceNotFound if there is no such function.
        """
        self._has_function(where)
        self._records.remove_alias(*where, name)
        self._rerouted(*where)

    def page(
        self, where: Where, version: str | None, *, after: str | None, limit: int
    ) -> Page[Alias]:
        """By name; with ``version`` those alone that may send an invocation to it."""
        self._has_function(where)
        found: list[Alias] = []
        for alias in each(self._records, where, after=after):
            if version is not None and version not in alias.versions:
                continue
            if len(found) == limit:
                return Page(tuple(found), found[-1].name)
            found.append(alias)
        return Page(tuple(found), None)

    def _check(self, alias: Alias) -> None:
        """The rules that need the versions. It is asked inside the change, so that none of them
        can go meanwhile."""
        check_routing(alias)
        for version in alias.versions:
            if self._records.function(alias.account, alias.region, alias.function, version) is None:
                raise not_found(alias.account, alias.region, alias.function, version)

    def _missing(self, where: Where, name: str) -> ResourceNotFound:
        self._has_function(where)
        return missing(where, name)

    def _has_function(self, where: Where) -> None:
        if self._records.function(*where, arn.LATEST) is None:
            raise not_found(*where)


def read(records: Records, where: Where, name: str) -> Alias | None:
    found = records.document(key(where, name))
    return None if found is None else from_document(Document(key(where, name), found))


def each(records: Records, where: Where, *, after: str | None = None) -> Iterator[Alias]:
    """The aliases of a function by name, from the one behind ``after``."""
    while True:
        page = records.documents(Kind.ALIAS, *where, after=after, limit=PAGE)
        yield from map(from_document, page.rows)
        after = page.next
        if after is None:
            return


def check_unused(records: Records, where: Where, version: str) -> None:
    """Raise ResourceConflict if an alias may send an invocation to ``version``."""
    names = [alias.name for alias in each(records, where) if version in alias.versions]
    if names:
        raise ResourceConflict(
            f"Unable to delete version because the following aliases reference it: "
            f"[{', '.join(names)}]"
        )


def missing(where: Where, name: str) -> ResourceNotFound:
    return ResourceNotFound(f"Cannot find alias arn: {arn.function(*where, name)}")


def changed(alias: Alias, request: Mapping[str, Any]) -> Alias:
    """The alias after an update. Raises PreconditionFailed."""
    given = request.get("RevisionId")
    if given is not None and given != alias.revision_id:
        raise PreconditionFailed(STALE)
    return replace(
        alias,
        version=request.get("FunctionVersion", alias.version),
        description=request.get("Description", alias.description),
        revision_id=_new_revision(),
        **(routing(request) if "RoutingConfig" in request else {}),
    )


def routing(request: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that RoutingConfig sets. Raises InvalidParameterValue for more than one version."""
    weights = (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    if len(weights) > 1:
        raise InvalidParameterValue(
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        )
    for version, weight in weights.items():
        return {"additional": version, "weight": weight}
    return {"additional": None, "weight": 0.0}


def check_routing(alias: Alias) -> None:
    if alias.additional is None:
        return
    if alias.additional == alias.version:
        raise InvalidParameterValue(
            f"Invalid function version {alias.version}. Function version {alias.version} is "
            "already included in routing configuration."
        )
    if arn.LATEST in alias.versions:
        raise InvalidParameterValue(
            "$LATEST is not supported for an alias pointing to more than 1 version"
        )


def key(where: Where, name: str) -> DocumentKey:
    return DocumentKey(Kind.ALIAS, *where, name)


def to_document(alias: Alias) -> dict[str, Any]:
    return {
        "version": alias.version,
        "description": alias.description,
        "revision_id": alias.revision_id,
        "additional": alias.additional,
        "weight": alias.weight,
    }


def from_document(found: Document) -> Alias:
    at = found.at
    return Alias(account=at.account, region=at.region, function=at.name, name=at.key, **found.value)


def _new_revision() -> str:
    return str(uuid.uuid4())
