"""Event source mappings: made, changed, listed, deleted. What reads the sources is `lamella.invoke`.

A change is written first and then done: the row says Creating, Updating or Deleting until
whoever reads the source has taken it over, also after a restart.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamella.errors import (
    InvalidParameterValue,
    ResourceConflict,
    ResourceInUse,
    ResourceNotFound,
)
from lamella.functions import lookup, tags
from lamella.functions.mapping_rules import check_batch, service_of, settings
from lamella.model.document import DocumentKey, Kind
from lamella.model.mapping import (
    EventSourceMapping,
    MappingState,
    from_document,
    to_document,
)
from lamella.records.base import Page, Records

_PAGE = 100
_MISSING = "The resource you requested does not exist."


@dataclass(frozen=True, slots=True, kw_only=True)
class Mappings:
    """The mappings of this server; ``changed`` is told of each change of one, by its UUID.

    ``look_at`` is asked about a new source: it raises InvalidParameterValue if it is not there.
    """

    records: Records
    changed: Callable[[str], None]
    look_at: Callable[[EventSourceMapping, int], None]
    now: Callable[[], datetime]

    def create(
        self,
        where: tuple[str, str, str],
        qualifier: str | None,
        request: Mapping[str, Any],
    ) -> EventSourceMapping:
        """Raises InvalidParameterValue, and ResourceConflict if source and function are joined."""
        account, region, name = where
        service = service_of(request)
        enabled = request.get("Enabled", True)
        mapping = EventSourceMapping(
            account=account,
            region=region,
            uuid=str(uuid.uuid4()),
            function=name,
            qualifier=qualifier,
            source_arn=request.get("EventSourceArn") or None,
            enabled=enabled,
            state=MappingState.CREATING,
            last_modified=self.now(),
            settings=settings(service, request),
        )
        its_tags = request.get("Tags") or {}
        tags.check(its_tags)
        self._check(mapping)
        self._check_alone(mapping)
        self._write(mapping, lambda before: mapping)
        if its_tags:
            tags.change(self.records, _tagged(mapping), lambda before: its_tags)
        return mapping

    def get(self, account: str, region: str, identifier: str) -> EventSourceMapping:
        found = self.records.document(_key(account, region, identifier))
        if found is None:
            raise ResourceNotFound(_MISSING)
        return from_document(account, region, identifier, found)

    def update(
        self,
        account: str,
        region: str,
        identifier: str,
        named: tuple[str, str | None] | None,
        request: Mapping[str, Any],
    ) -> EventSourceMapping:
        """``named`` is the function and qualifier it is to feed from now on; None, the same."""
        before = self._free(account, region, identifier, "update")
        function, qualifier = named or (before.function, before.qualifier)
        enabled = request.get("Enabled", before.enabled)
        state = MappingState.UPDATING
        if enabled != before.enabled:
            state = MappingState.ENABLING if enabled else MappingState.DISABLING
        after = replace(
            before,
            function=function,
            qualifier=qualifier,
            enabled=enabled,
            state=state,
            last_modified=self.now(),
            settings=settings(before.service, request, before.settings),
        )
        self._check(after)
        return self._write(after, lambda row: after)

    def delete(self, account: str, region: str, identifier: str) -> EventSourceMapping:
        self._free(account, region, identifier, "delete")

        def deleting(row: EventSourceMapping) -> EventSourceMapping:
            return replace(row, state=MappingState.DELETING, last_modified=self.now())

        before = self.get(account, region, identifier)
        return self._write(before, deleting)

    def list(
        self,
        account: str,
        region: str,
        wanted: Callable[[EventSourceMapping], bool],
        *,
        after: str | None,
        limit: int,
    ) -> Page[EventSourceMapping]:
        """Those that are ``wanted``, by UUID; ``after`` is where the last page ended."""
        found: list[EventSourceMapping] = []
        at = after
        while True:
            page = self.records.documents(Kind.EVENT_SOURCE, account, region, after=at, limit=_PAGE)
            for row in page.rows:
                mapping = from_document(account, region, row.at.name, row.value)
                if not wanted(mapping):
                    continue
                if len(found) == limit:
                    return Page(tuple(found), f"{found[-1].uuid}|")
                found.append(mapping)
            at = page.next
            if at is None:
                return Page(tuple(found), None)

    def everywhere(self) -> tuple[EventSourceMapping, ...]:
        """The mappings of every account and region."""
        return tuple(
            from_document(each.at.account, each.at.region, each.at.name, each.value)
            for each in self.records.all_documents(Kind.EVENT_SOURCE)
        )

    def find(self, identifier: str) -> EventSourceMapping | None:
        """A mapping of whatever account and region."""
        found = self.records.document_by_handle(Kind.EVENT_SOURCE, identifier)
        if found is None:
            return None
        return from_document(found.at.account, found.at.region, found.at.name, found.value)

    def settle(self, done: EventSourceMapping) -> None:
        """The change that ``done`` shows has been done; one that came since is left alone."""

        def settled(value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            if value is None or value["last_modified"] != done.last_modified.isoformat():
                return value
            if done.state is MappingState.DELETING:
                return None
            return to_document(done.settled())

        left = self.records.change_document(_key(done.account, done.region, done.uuid), settled)
        if left is None:
            tags.forget(self.records, _tagged(done))

    def _free(self, account: str, region: str, identifier: str, verb: str) -> EventSourceMapping:
        mapping = self.get(account, region, identifier)
        if mapping.state is MappingState.DELETING:
            raise ResourceInUse(f"Cannot {verb} the event source mapping because it is in use.")
        return mapping

    def _check(self, mapping: EventSourceMapping) -> None:
        """The function is there, the batch suits the queue, and so does the queue itself."""
        where = (mapping.account, mapping.region, mapping.function)
        try:
            function = lookup.resolve(self.records, *where, mapping.qualifier)
        except ResourceNotFound:
            raise InvalidParameterValue("Function does not exist") from None
        if mapping.is_read:
            size = mapping.settings["BatchSize"]
            window = mapping.settings["MaximumBatchingWindowInSeconds"]
            check_batch(size, window, fifo=mapping.is_fifo)
            self.look_at(mapping, function.timeout)

    def _check_alone(self, mapping: EventSourceMapping) -> None:
        if mapping.source_arn is None:
            return

        def clashes(other: EventSourceMapping) -> bool:
            return (other.source_arn, other.function_arn) == (
                mapping.source_arn,
                mapping.function_arn,
            )

        found = self.list(mapping.account, mapping.region, clashes, after=None, limit=1).rows
        if found:
            raise ResourceConflict(
                f'An event source mapping with {mapping.service.upper()} arn (" '
                f'{mapping.source_arn} ") and function (" {mapping.function} ") already exists. '
                f"Please update or delete the existing mapping with UUID {found[0].uuid}"
            )

    def _write(
        self,
        mapping: EventSourceMapping,
        change: Callable[[EventSourceMapping], EventSourceMapping],
    ) -> EventSourceMapping:
        account, region, identifier = mapping.account, mapping.region, mapping.uuid
        creating = mapping.state is MappingState.CREATING

        def apply(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if value is None and not creating:
                raise ResourceNotFound(_MISSING)
            row = mapping if value is None else from_document(account, region, identifier, value)
            return to_document(change(row))

        kept = self.records.change_document(
            _key(account, region, identifier), apply, handle=identifier
        )
        assert kept is not None
        self.changed(identifier)
        return from_document(account, region, identifier, kept)


def _tagged(mapping: EventSourceMapping) -> tags.Resource:
    return tags.resource(mapping.account, mapping.region, mapping.arn)


def _key(account: str, region: str, identifier: str) -> DocumentKey:
    return DocumentKey(Kind.EVENT_SOURCE, account, region, identifier)
