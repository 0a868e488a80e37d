"""Reserved concurrency: executions kept for one function, which also are the most it may have.

The records keep what is set; whoever admits invocations is told of every change before the
change is answered, so that it takes effect at once.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lamella.errors import InvalidParameterValue
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.concurrency import Share
from lamella.model.document import Document, DocumentKey, Kind
from lamella.records.base import Records

Where = tuple[str, str, str]
"""Account, region and name of a function."""
Shares = Mapping[str, Share]
"""What is set for the functions of one account and region, by name."""
Admit = Callable[[str, str, Shares], None]

LEAST_UNRESERVED = 100
PAGE = 500


class Concurrency:
    """Changes what is reserved, one change at a time; ``limit`` is each account's in a region.

    ``admit`` is told of an account's shares whenever they may have changed, in that order.
    """

    def __init__(self, records: Records, admit: Admit, *, limit: int) -> None:
        self.limit = limit
        self._records = records
        self._admit = admit
        self._turn = threading.Lock()
        self._known: dict[tuple[str, str], Shares] = {}

    def start(self) -> None:
        """Tell of what was set before the server stopped."""
        kinds = (Kind.CONCURRENCY, Kind.PROVISIONED)
        kept = [each.at for kind in kinds for each in self._records.all_documents(kind)]
        for account, region in {(at.account, at.region) for at in kept}:
            with self.changing(account, region):
                pass

    @contextmanager
    def changing(self, account: str, region: str) -> Iterator[Shares]:
        """The shares as they are, for a change of one of them that nobody else can cross."""
        with self._turn:
            yield shares(self._records, account, region)
            now = self._known[account, region] = shares(self._records, account, region)
            self._admit(account, region, now)

    def put(self, where: Where, reserved: int) -> None:
        """Reserve. Raises ResourceNotFound, and InvalidParameterValue for more than there is."""
        account, region, name = where
        self._has_function(where, arn.LATEST)
        with self.changing(account, region) as now:
            check_reserved(name, reserved, now, self.limit)
            try:
                self._records.change_document(key(where), lambda before: {"reserved": reserved})
            except KeyError:
                raise not_found(*where) from None

    def get(self, where: Where) -> int | None:
        """Raises ResourceNotFound."""
        self._has_function(where)
        found = self._records.document(key(where))
        return None if found is None else int(found["reserved"])

    def delete(self, where: Where) -> None:
        """Reserve nothing; it may have been so. Raises ResourceNotFound."""
        account, region, _ = where
        self._has_function(where)
        with self.changing(account, region):
            try:
                self._records.change_document(key(where), lambda before: None)
            except KeyError:
                raise not_found(*where) from None

    def look_again(self, where: Where) -> None:
        """A function, or a version or alias of it, changed or went: so may what was set for it."""
        account, region, name = where
        if name in self._known.get((account, region), {}):
            with self.changing(account, region):
                pass

    def _has_function(self, where: Where, qualifier: str | None = None) -> None:
        """Refuse what is not there, named with ``qualifier``."""
        if self._records.function(*where, arn.LATEST) is None:
            raise not_found(*where, qualifier)


def key(where: Where) -> DocumentKey:
    return DocumentKey(Kind.CONCURRENCY, *where)


def shares(records: Records, account: str, region: str) -> Shares:
    """Of every function for which something is set."""
    reserved = {
        each.at.name: int(each.value["reserved"])
        for each in documents(records, Kind.CONCURRENCY, account, region)
    }
    provisioned: dict[str, int] = {}
    for each in documents(records, Kind.PROVISIONED, account, region):
        name = each.at.name
        provisioned[name] = provisioned.get(name, 0) + int(each.value["requested"])
    return {
        name: Share(reserved.get(name), provisioned.get(name, 0))
        for name in reserved.keys() | provisioned.keys()
    }


def documents(records: Records, kind: Kind, account: str, region: str) -> Iterator[Document]:
    after: str | None = None
    while True:
        page = records.documents(kind, account, region, after=after, limit=PAGE)
        yield from page.rows
        after = page.next
        if after is None:
            return


def check_reserved(name: str, wanted: int, now: Shares, limit: int) -> None:
    """Raise InvalidParameterValue if ``wanted`` is too little for the function or too much for the
    rest. To reserve nothing at all, which stops a function, is always possible.
    """
    provisioned = now.get(name, Share()).provisioned
    if wanted < provisioned:
        raise InvalidParameterValue(
            f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total "
            f"provisioned concurrency [{provisioned}]."
        )
    if wanted and unreserved(now, limit, without=name) - wanted < LEAST_UNRESERVED:
        raise InvalidParameterValue(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{LEAST_UNRESERVED}]."
        )


def unreserved(now: Shares, limit: int, *, without: str | None = None) -> int:
    """What all functions share, as if ``without`` had nothing of its own."""
    return limit - sum(share.floor for name, share in now.items() if name != without)
