"""The port of rows: one method for each question that is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lamella.model.document import Document, DocumentKey, Kind
from lamella.model.event import QueuedEvent, Settled
from lamella.model.function import Function
from lamella.model.layer import LayerPolicy, LayerVersion

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and where the next page begins (None at the end).

    ``next`` is what the caller passes as ``after`` to go on; it stays valid when rows are
    added or removed between two pages. Text that no page gave as ``next`` raises
    `lamella.errors.InvalidParameterValue` or is taken as a place in the order.
    """

    rows: tuple[Row, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many events there have been and what has become of them; ``lost`` is always 0."""

    accepted: int
    waiting: int
    leased: int
    settled: Mapping[Settled, int]

    @property
    def lost(self) -> int:
        """Accepted events that are neither there nor settled (below 0: settled twice)."""
        return self.accepted - self.waiting - self.leased - sum(self.settled.values())


class Records(Protocol):
    """Everything that is kept about layers, functions and what belongs to them.

    The laws, which ``tests/ports/test_records.py`` executes on every backend:

    - When a method that changes something returns, the change survives a power cut.
    - Each method is one transaction: done whole, or not at all.
    - A version number, of a layer or a function, is never given twice, not even after its
      row (or every row) was deleted: a layer or function that is made anew under the same name
      counts on. ("Version numbers are never reused, even for a function that has been deleted
      and recreated", says https://docs.aws.amazon.com/lambda/latest/dg/versioning-intro.html.)
    - Every account and region is a world of its own.
    - Methods may be called from any thread.
    """

    # layers

    def add_layer_version(
        self, account: str, region: str, name: str, build: Callable[[int], LayerVersion]
    ) -> LayerVersion:
        """Take the layer's next number, add the row that ``build(number)`` gives, return it."""
        ...

    def layer_version(
        self, account: str, region: str, name: str, version: int
    ) -> LayerVersion | None: ...

    def layers(
        self,
        account: str,
        region: str,
        *,
        runtime: str | None,
        architecture: str | None,
        after: str | None,
        limit: int,
    ) -> Page[LayerVersion]:
        """The latest matching version of each layer that has one, ordered by layer name."""
        ...

    def layer_versions(
        self,
        account: str,
        region: str,
        name: str,
        *,
        runtime: str | None,
        architecture: str | None,
        after: str | None,
        limit: int,
    ) -> Page[LayerVersion]:
        """The matching versions of one layer, newest first."""
        ...

    def remove_layer_version(self, account: str, region: str, name: str, version: int) -> None:
        """Remove the row and its policy if they are there."""
        ...

    def layer_policy(
        self, account: str, region: str, name: str, version: int
    ) -> LayerPolicy | None: ...

    def change_layer_policy(
        self,
        account: str,
        region: str,
        name: str,
        version: int,
        change: Callable[[LayerPolicy | None], LayerPolicy | None],
    ) -> LayerPolicy | None:
        """Replace the policy by ``change(policy)``, alone; what ``change`` raises passes through.

        Raises ``KeyError`` if the layer version is not there.
        """
        ...

    # functions

    def add_function(self, function: Function, tags: Mapping[str, str]) -> None:
        """Add ``$LATEST`` of a new function. KeyError if one of that name is there."""
        ...

    def function(self, account: str, region: str, name: str, version: str) -> Function | None: ...

    def change_function(
        self,
        account: str,
        region: str,
        name: str,
        version: str,
        change: Callable[[Function], Function],
    ) -> Function:
        """Replace one version's row by ``change(row)``, alone; what ``change`` raises passes through.

        Raises ``KeyError`` if it is not there.
        """
        ...

    def publish_function(
        self,
        account: str,
        region: str,
        name: str,
        build: Callable[[Function, int, Function | None], Function | None],
    ) -> Function:
        """Publish ``$LATEST`` as a version.

        ``build(latest, next_number, last_published)`` gives the row to add, or None to add
        nothing; then ``last_published`` is returned. ``KeyError`` if there is no function.
        """
        ...

    def functions(
        self, account: str, region: str, *, all_versions: bool, after: str | None, limit: int
    ) -> Page[Function]:
        """``$LATEST`` of every function by name; with ``all_versions`` all their versions too."""
        ...

    def function_versions(
        self, account: str, region: str, name: str, *, after: str | None, limit: int
    ) -> Page[Function]:
        """``$LATEST`` first, then the published versions, oldest first."""
        ...

    def remove_function(self, account: str, region: str, name: str) -> bool:
        """Remove a function with its versions, tags and documents; False if it was not there."""
        ...

    def remove_function_version(
        self,
        account: str,
        region: str,
        name: str,
        version: str,
        check: Callable[[], None] = lambda: None,
    ) -> bool:
        """Remove one published version and its documents; False if it was not there.

        ``check`` is asked first, alone; what it raises leaves everything as it was.
        """
        ...

    def remove_alias(self, account: str, region: str, name: str, alias: str) -> None:
        """Remove an alias, and the other documents of its function that are kept by its name."""
        ...

    def function_tags(self, account: str, region: str, name: str) -> Mapping[str, str]: ...

    def change_function_tags(
        self,
        account: str,
        region: str,
        name: str,
        change: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> Mapping[str, str]:
        """Replace a function's tags by ``change(tags)``, alone; what ``change`` raises passes through.

        Raises ``KeyError`` if there is no function of that name.
        """
        ...

    def function_count(self, account: str, region: str) -> int:
        """How many functions there are; their versions do not count."""
        ...

    # documents

    def document(self, at: DocumentKey) -> Mapping[str, Any] | None:
        """What is kept there, or None."""
        ...

    def document_by_handle(self, kind: Kind, handle: str) -> Document | None: ...

    def change_document(
        self,
        at: DocumentKey,
        change: Callable[[Mapping[str, Any] | None], Mapping[str, Any] | None],
        *,
        handle: str | None = None,
    ) -> Mapping[str, Any] | None:
        """Put what ``change`` makes of the document (None: there is none) in its place; return it.

        Whatever ``change`` raises leaves everything as it was. ``handle`` is kept with the
        document from then on. KeyError if the kind belongs to a function and that is not there.
        """
        ...

    def documents(
        self,
        kind: Kind,
        account: str,
        region: str,
        name: str | None = None,
        *,
        after: str | None,
        limit: int,
    ) -> Page[Document]:
        """By name and key; with ``name`` the documents of that name alone, by key."""
        ...

    def all_documents(self, kind: Kind) -> tuple[Document, ...]:
        """Those of every account and region, in order."""
        ...

    # events

    def add_events(self, accepted: Sequence[QueuedEvent]) -> None:
        """Accept events: they are there, or settled, from now on."""
        ...

    def lease_events(
        self,
        now: float,
        until: float,
        *,
        limit: int,
        each: int,
        busy: Collection[tuple[str, str, str]],
    ) -> tuple[QueuedEvent, ...]:
        """Take up to ``limit`` events that are due, no more than ``each`` of one function and none
        of the functions ``busy``; nobody else gets them before ``until``. Oldest due first."""
        ...

    def release_events(self, now: float) -> int:
        """End every lease, as those who held them are gone; how many there were."""
        ...

    def put_back_event(self, event: QueuedEvent) -> bool:
        """Give a leased event back, due when it says. False if it is settled."""
        ...

    def keep_delivery(self, event: QueuedEvent) -> bool:
        """Keep what of a leased event is to be delivered, under the same lease. False if it is
        settled."""
        ...

    def settle_event(
        self, identifier: str, how: Settled, followers: Sequence[QueuedEvent] = ()
    ) -> bool:
        """End an event, and accept its ``followers`` with that. False if it was settled before:
        then nothing is done."""
        ...

    def backlog(self) -> Backlog: ...

    def next_event_due(self) -> float | None:
        """When the first event that nobody holds is due."""
        ...

    # bytes

    def is_referenced(self, digest: str) -> bool:
        """Whether a layer version or a function (code or layers) still uses these bytes."""
        ...

    def referenced_digests(self) -> set[str]: ...

    def code_storage(self, account: str, region: str) -> int:
        """Bytes of zips that count against the account's 75 GB: layer versions and function code."""
        ...

    # the whole

    def all_pending(self) -> tuple[Function, ...]:
        """Rows whose state or last update a crash left unfinished, of every account and region."""
        ...

    def all_with_snapshots(self) -> tuple[Function, ...]:
        """Published versions with SnapStart that are Active, of every account and region, the newest
        first."""
        ...

    def close(self) -> None: ...
