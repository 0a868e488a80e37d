"""From a name to a version that can run here, now. Blocking: it asks the records and may unpack."""

from __future__ import annotations

import logging

from lamella.errors import HostError, InvalidRuntime, RuntimeMissing, ServiceError
from lamella.functions import lookup, recursion
from lamella.functions.ready import Readying, kept, key_of, reason
from lamella.functions.workshop import WAIT_SECONDS, busy
from lamella.invoke.furnish import Furnisher
from lamella.layers.collect import Collecting
from lamella.model.alias import Alias
from lamella.model.function import Function, State
from lamella.records.base import Records

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
        while True:
            function = self._active(account, region, name, qualifier)
            with kept(self._records, self._collecting, function) as current:
                if current:
                    self._prepare(function)
                    return function

    def alias(self, account: str, region: str, name: str, alias: str) -> Alias:
        """What an alias stands for now. Raises ResourceNotFound."""
        return lookup.alias(self._records, account, region, name, alias)

    def may_loop(self, account: str, region: str, name: str) -> bool:
        """Whether a function may run over and over in one chain. Raises ResourceNotFound."""
        return recursion.get(self._records, account, region, name) != recursion.TERMINATE

    def _active(self, account: str, region: str, name: str, qualifier: str | None) -> Function:
        function = lookup.invoked(self._records, account, region, name, qualifier)
        if not self._readying.wait(key_of(function), WAIT_SECONDS):
            raise busy(function)
        function = lookup.invoked(self._records, account, region, name, qualifier)
        if function.state is not State.ACTIVE:
            raise busy(function)
        return function

    def _prepare(self, function: Function) -> None:
        try:
            self._furnisher.prepare(function)
        except RuntimeMissing as error:
            raise InvalidRuntime(str(error)) from error
        except (HostError, OSError, KeyError) as error:
            log.exception("%s cannot be made ready", function.arn)
            raise ServiceError(reason(error)) from error
