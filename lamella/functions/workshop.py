"""What the operations on functions share: the parts they work with, and how a change is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamella.errors import ResourceConflict, ResourceNotFound
from lamella.functions.ready import Readying, new_revision
from lamella.functions.rules import check_revision
from lamella.layers.attach import Attaching
from lamella.layers.collect import Collecting
from lamella.layers.packages import Package, Packages, check_storage
from lamella.model import arn
from lamella.model.function import Code, Function, State, UpdateStatus
from lamella.records.base import Records

WAIT_SECONDS = 30.0
CREATING = "The function is being created."
CREATING_CODE = "Creating"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The parts below; ``now`` is the time in UTC, ``changed`` is told of every change of a row."""

    records: Records
    packages: Packages
    attaching: Attaching
    collecting: Collecting
    readying: Readying
    changed: Callable[[Function], None]
    now: Callable[[], datetime]

    def settled(self, account: str, region: str, name: str, version: str = arn.LATEST) -> None:
        """Wait until an update that is under way is done.

        Raises ResourceConflict, as AWS does at once, when it takes too long.
        """
        if not self.readying.wait((account, region, name, version), WAIT_SECONDS):
            raise ResourceConflict(
                "The operation cannot be performed at this time. An update is in progress for "
                f"resource: {arn.function(account, region, name)}"
            )

    def change(
        self,
        account: str,
        region: str,
        name: str,
        change: Callable[[Function], dict[str, Any]],
        *,
        revision: str | None,
    ) -> Function:
        """Replace ``$LATEST`` by itself with the fields that ``change`` gives, and ready it.

        Raises ResourceNotFound, PreconditionFailed, and what ``change`` raises.
        """

        def apply(row: Function) -> Function:
            check_revision(revision, row.revision_id)
            return replace(row, **self.in_progress(), **change(row))

        try:
            function = self.records.change_function(account, region, name, arn.LATEST, apply)
        except KeyError:
            raise not_found(account, region, name) from None
        self.changed(function)
        self.readying.begin(function)
        return function

    def code(self, account: str, region: str, package: Package) -> Code:
        """A zip that was taken in, as a function keeps it. Raises CodeStorageExceeded."""
        check_storage(self.records.code_storage(account, region), package.size)
        return Code(digest=package.digest, size=package.size, unzipped_size=package.unzipped_size)

    def in_progress(self) -> dict[str, Any]:
        """The fields of an update that has begun."""
        return {
            "last_modified": self.now(),
            "revision_id": new_revision(),
            "state": State.ACTIVE,
            "state_reason": None,
            "state_reason_code": None,
            "last_update_status": UpdateStatus.IN_PROGRESS,
            "last_update_status_reason": CREATING,
            "last_update_status_reason_code": CREATING_CODE,
        }


def not_found(
    account: str, region: str, name: str, qualifier: str | None = None
) -> ResourceNotFound:
    return ResourceNotFound(f"Function not found: {arn.function(account, region, name, qualifier)}")


def digests(function: Function) -> set[str]:
    """The bytes that a version uses: its code and its layers."""
    return {function.code.digest, *(layer.digest for layer in function.layers)}
