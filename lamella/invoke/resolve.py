"""From a name to a version that can run here, now. Blocking: it asks the records and may unpack."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from lamella.errors import HostError, InvalidRuntime, RuntimeMissing, ServiceError
from lamella.functions import lookup, recursion
from lamella.functions.ready import Readying, digests, key_of, reason
from lamella.functions.workshop import busy
from lamella.invoke.furnish import Furnisher
from lamella.layers.collect import Collecting
from lamella.model.alias import Alias
from lamella.model.function import Function, State, UpdateStatus
from lamella.records.base import Records

RACE_SECONDS = 1.0
"""How long a thread is held by a version that is not ready; whoever asks has waited without one."""

log = logging.getLogger(__name__)


class Resolver:
    """What the dispatcher asks once for each version, until something about it changes."""

    def __init__(
        self, records: Records, collecting: Collecting, readying: Readying, furnisher: Furnisher
    ) -> None:
        self._records = records
        self._collecting = collecting
        self._readying = readying
        self._furnisher = furnisher

    def __call__(self, account: str, region: str, name: str, qualifier: str | None) -> Function:
        """The version, ready to run on this node.

        Raises ResourceNotFound, ResourceConflict while it is not active, InvalidRuntime when
        this host has no interpreter for it, and ServiceError when it cannot be unpacked here.
        """
        waited = False
        while True:
            with self._kept(account, region, name, qualifier) as function:
                if waited or function.last_update_status is not UpdateStatus.IN_PROGRESS:
                    if function.state is State.ACTIVE:
                        self._prepare(function)
                        return function
                    if waited:
                        raise busy(function)
            if not self._readying.wait(key_of(function), RACE_SECONDS):
                raise busy(function)
            waited = True

    def alias(self, account: str, region: str, name: str, alias: str) -> Alias:
        """What an alias stands for now. Raises ResourceNotFound."""
        return lookup.alias(self._records, account, region, name, alias)

    def may_loop(self, account: str, region: str, name: str) -> bool:
        """Whether a function may run over and over in one chain. Raises ResourceNotFound."""
        return recursion.get(self._records, account, region, name) != recursion.TERMINATE

    @contextmanager
    def _kept(
        self, account: str, region: str, name: str, qualifier: str | None
    ) -> Iterator[Function]:
        """The version as it is now; while inside, its bytes stay."""
        with self._collecting.writing():
            function = lookup.invoked(self._records, account, region, name, qualifier)
            held = digests(function)
            self._collecting.hold(held)
        try:
            yield function
        finally:
            self._collecting.release(held)

    def _prepare(self, function: Function) -> None:
        try:
            self._furnisher.prepare(function)
        except RuntimeMissing as error:
            raise InvalidRuntime(str(error)) from error
        except (HostError, OSError, KeyError) as error:
            log.exception("%s cannot be made ready", function.arn)
            raise ServiceError(reason(error)) from error
