"""From a name to a version that can run here, now. Blocking: it asks the records and may unpack."""

from __future__ import annotations

from lamella.errors import InvalidRuntime, ResourceConflict, RuntimeMissing
from lamella.functions import lookup
from lamella.functions.ready import Readying, key_of
from lamella.functions.workshop import WAIT_SECONDS
from lamella.invoke.furnish import Furnisher
from lamella.model.function import Function, State
from lamella.records.base import Records


class Resolver:
    """What the dispatcher asks once for each version, until something about it changes."""

    def __init__(self, records: Records, readying: Readying, furnisher: Furnisher) -> None:
        self._records = records
        self._readying = readying
        self._furnisher = furnisher

    def __call__(self, account: str, region: str, name: str, qualifier: str | None) -> Function:
        """The version, ready to run on this node.

        Raises ResourceNotFound, ResourceConflict while it is not active, and InvalidRuntime when
        this host has no interpreter for it.
        """
        function = lookup.resolve(self._records, account, region, name, qualifier)
        if not self._readying.wait(key_of(function), WAIT_SECONDS):
            raise not_active(function)
        function = lookup.resolve(self._records, account, region, name, qualifier)
        if function.state is not State.ACTIVE:
            raise not_active(function)
        try:
            self._furnisher.prepare(function)
        except RuntimeMissing as error:
            raise InvalidRuntime(str(error)) from error
        return function


def not_active(function: Function) -> ResourceConflict:
    return ResourceConflict(
        "The operation cannot be performed at this time. The function is currently in the "
        f"following state: {function.state}"
    )
