"""Provisioned concurrency of versions and aliases: put, shown, listed, deleted, and shared out.

Source: https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from lamella.errors import (
    InvalidParameterValue,
    ProvisionedConcurrencyConfigNotFound,
    ResourceConflict,
)
from lamella.functions import aliases, lookup
from lamella.functions.concurrency import (
    LEAST_UNRESERVED,
    Concurrency,
    Shares,
    Where,
    unreserved,
)
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.alias import Alias
from lamella.model.concurrency import ProvisionedConfig, Share, Standing
from lamella.model.document import Document, DocumentKey, Kind
from lamella.records.base import Page, Records

PAGE = 500
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
NEITHER = "The function resource provided must be an alias or a published version."
NONE_FOUND = "No Provisioned Concurrency Config found for this function"


class Provisioned:
    """What is provisioned on this server.

    ``changed`` is told of the function for which something else is provisioned; ``standing`` says
    how far it is with one version of it.
    """

    def __init__(
        self,
        records: Records,
        concurrency: Concurrency,
        *,
        changed: Callable[[Where], object],
        standing: Callable[[Where, str], Standing],
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._concurrency = concurrency
        self._changed = changed
        self._standing = standing
        self._now = now

    def put(self, where: Where, qualifier: str, count: int) -> ProvisionedConfig:
        """Provision; it begins at once, and is on its way when this returns.

        Raises ResourceNotFound, InvalidParameterValue for ``$LATEST`` and for more than there is,
        and ResourceConflict where a version would be provisioned by itself and by an alias.
        """
        if qualifier == arn.LATEST:
            raise InvalidParameterValue(UNPUBLISHED)
        shared = self._shared(where, qualifier, 1)
        if arn.LATEST in shared:
            raise InvalidParameterValue(UNPUBLISHED)
        account, region, name = where
        value = {"requested": count, "modified": f"{self._now():%Y-%m-%dT%H:%M:%S+0000}"}
        with self._concurrency.changing(account, region) as now:
            others = [
                each for each in of_function(self._records, where) if each.at.key != qualifier
            ]
            self._check_conflict(where, qualifier, {each.at.key for each in others})
            elsewhere = sum(int(each.value["requested"]) for each in others)
            check(name, count, elsewhere, now, self._concurrency.limit)
            try:
                self._records.change_document(key(where, qualifier), lambda before: value)
            except KeyError:
                raise not_found(*where, qualifier) from None
        self._changed(where)
        return self._shown(Document(key(where, qualifier), value))

    def get(self, where: Where, qualifier: str) -> ProvisionedConfig:
        """Raises ResourceNotFound and ProvisionedConcurrencyConfigNotFound."""
        self._check_qualifier(where, qualifier)
        found = self._records.document(key(where, qualifier))
        if found is None:
            raise ProvisionedConcurrencyConfigNotFound(NONE_FOUND)
        return self._shown(Document(key(where, qualifier), found))

    def delete(self, where: Where, qualifier: str) -> None:
        """Provision nothing; it may have been so. Raises ResourceNotFound."""
        self._check_qualifier(where, qualifier)
        account, region, _ = where
        with self._concurrency.changing(account, region):
            try:
                self._records.change_document(key(where, qualifier), lambda before: None)
            except KeyError:
                raise not_found(*where, qualifier) from None
        self._changed(where)

    def page(self, where: Where, *, after: str | None, limit: int) -> Page[ProvisionedConfig]:
        """Those of one function, by qualifier. Raises ResourceNotFound."""
        lookup.latest(self._records, *where)
        page = self._records.documents(Kind.PROVISIONED, *where, after=after, limit=limit)
        return Page(tuple(self._shown(each) for each in page.rows), page.next)

    def _check_qualifier(self, where: Where, qualifier: str) -> None:
        if qualifier == arn.LATEST:
            raise InvalidParameterValue(NEITHER)
        self._shared(where, qualifier, 0)

    def _shared(self, where: Where, qualifier: str, count: int) -> Mapping[str, int]:
        if lookup.is_alias(qualifier):
            found = aliases.read(self._records, where, qualifier)
            if found is None:
                raise aliases.missing(where, qualifier)
            return split(found, count)
        if self._records.function(*where, qualifier) is None:
            raise not_found(*where, qualifier)
        return {qualifier: count}

    def _check_conflict(self, where: Where, qualifier: str, provisioned: set[str]) -> None:
        """Raise ResourceConflict for a version that has its own already, or an alias's."""
        if lookup.is_alias(qualifier):
            alias = lookup.alias(self._records, *where, qualifier)
            if provisioned.intersection(alias.versions):
                raise ResourceConflict(
                    "Alias can't be used for Provisioned Concurrency configuration on an already "
                    "Provisioned version"
                )
            return
        for alias in aliases.each(self._records, where):
            if alias.name in provisioned and qualifier in alias.versions:
                raise ResourceConflict("Version is pointed by a Provisioned Concurrency alias")

    def _shown(self, found: Document) -> ProvisionedConfig:
        at, requested = found.at, int(found.value["requested"])
        where = (at.account, at.region, at.name)
        wanted = shared_out(self._records, found)
        standings = {version: self._standing(where, version) for version in wanted}
        return ProvisionedConfig(
            qualifier=at.key,
            requested=requested,
            last_modified=found.value["modified"],
            standing=together(wanted, standings),
        )


def key(where: Where, qualifier: str) -> DocumentKey:
    return DocumentKey(Kind.PROVISIONED, *where, qualifier)


def of_function(records: Records, where: Where) -> Iterator[Document]:
    after: str | None = None
    while True:
        page = records.documents(Kind.PROVISIONED, *where, after=after, limit=PAGE)
        yield from page.rows
        after = page.next
        if after is None:
            return


def everywhere(records: Records) -> set[Where]:
    """The functions for which something is provisioned."""
    found = [each.at for each in records.all_documents(Kind.PROVISIONED)]
    return {(at.account, at.region, at.name) for at in found}


def plan(records: Records, where: Where) -> Mapping[str, int]:
    """How many environments each version is to have; those that have none are left out."""
    wanted: dict[str, int] = {}
    for found in of_function(records, where):
        for version, count in shared_out(records, found).items():
            wanted[version] = wanted.get(version, 0) + count
    return wanted


def shared_out(records: Records, found: Document) -> Mapping[str, int]:
    """By version; ``$LATEST``, to which an alias may have been moved since, gets none."""
    at, count = found.at, int(found.value["requested"])
    if not lookup.is_alias(at.key):
        return {at.key: count}
    alias = aliases.read(records, (at.account, at.region, at.name), at.key)
    return {} if alias is None or arn.LATEST in alias.versions else split(alias, count)


def split(alias: Alias, count: int) -> Mapping[str, int]:
    """By weight, where an alias stands for two versions.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
    """
    if alias.additional is None:
        return {alias.version: count}
    second = round(count * alias.weight)
    both = {alias.version: count - second, alias.additional: second}
    return {version: share for version, share in both.items() if share}


def together(wanted: Mapping[str, int], standings: Mapping[str, Standing]) -> Standing:
    """How far one configuration is whose versions may have environments for others too."""
    faults = [standing.fault for standing in standings.values() if standing.fault is not None]
    return Standing(
        allocated=sum(min(n, standings[version].allocated) for version, n in wanted.items()),
        available=sum(min(n, standings[version].available) for version, n in wanted.items()),
        fault=faults[0] if faults else None if wanted else UNPUBLISHED,
    )


def check(name: str, wanted: int, elsewhere: int, now: Shares, limit: int) -> None:
    """Raise InvalidParameterValue for more than the function's reservation, or else the account,
    has left; ``elsewhere`` is what is provisioned for the function's other versions and aliases.
    """
    reserved = now.get(name, Share()).reserved
    if reserved is not None:
        if wanted + elsewhere > reserved:
            raise InvalidParameterValue(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        return
    left = unreserved(now, limit, without=name) - elsewhere
    if wanted > left:
        raise InvalidParameterValue(
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            f"concurrency [{max(0, left)}]."
        )
    if left - wanted < LEAST_UNRESERVED:
        raise InvalidParameterValue(
            "Specified ConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{LEAST_UNRESERVED}]."
        )
