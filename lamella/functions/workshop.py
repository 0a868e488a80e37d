"""What the operations on functions share: the parts they work with, and how a change is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamella.errors import ResourceConflict, ResourceNotFound
from lamella.functions.ready import Readying, digests, new_revision
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
NOT_NOW = "The operation cannot be performed at this time."


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The parts below; ``now`` is the time in UTC, ``changed`` is told of every change of a row.

    ``wait_seconds`` is how long an operation waits for an earlier one on the same function.
    """

    records: Records
    packages: Packages
    attaching: Attaching
    collecting: Collecting
    readying: Readying
    changed: Callable[[Function], None]
    now: Callable[[], datetime]
    wait_seconds: float = WAIT_SECONDS

    def settled(self, account: str, region: str, name: str) -> None:
        """Wait until ``$LATEST`` is ready: AWS refuses a second change at once, here it follows.

        Raises ResourceConflict, in AWS's words, when it takes too long.
        """
        key = (account, region, name, arn.LATEST)
        if not self.readying.wait(key, self.wait_seconds):
            function = self.records.function(*key)
            if function is not None:
                raise busy(function)

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

        The bytes that it alone used go. Raises ResourceNotFound, PreconditionFailed, and what
        ``change`` raises.
        """
        left: set[str] = set()

        def apply(row: Function) -> Function:
            check_revision(revision, row.revision_id)
            left.update(digests(row))
            return replace(row, **self.in_progress(), **change(row))

        try:
            function = self.records.change_function(account, region, name, arn.LATEST, apply)
        except KeyError:
            raise not_found(account, region, name) from None
        self.changed(function)
        self.readying.begin(function)
        self.collecting.collect(left - digests(function))
        return function

    def code(self, account: str, region: str, package: Package) -> Code:
        """A zip that was taken in, as a function keeps it. Raises CodeStorageExceeded."""
        check_storage(self.records.code_storage(account, region), package.size)
        return Code(digest=package.digest, size=package.size, unzipped_size=package.unzipped_size)

    def in_progress(self) -> dict[str, Any]:
        """The fields of an update that has begun. A function that Failed is so until it ends."""
        return {
            "last_modified": self.now(),
            "revision_id": new_revision(),
            "last_update_status": UpdateStatus.IN_PROGRESS,
            "last_update_status_reason": CREATING,
            "last_update_status_reason_code": CREATING_CODE,
        }


def creating() -> dict[str, Any]:
    """The fields of a version that is new: Pending, and no word of an update."""
    return {
        "revision_id": new_revision(),
        "state": State.PENDING,
        "state_reason": CREATING,
        "state_reason_code": CREATING_CODE,
        "last_update_status": UpdateStatus.SUCCESSFUL,
        "last_update_status_reason": None,
        "last_update_status_reason_code": None,
    }


def not_found(
    account: str, region: str, name: str, qualifier: str | None = None
) -> ResourceNotFound:
    return ResourceNotFound(f"Function not found: {arn.function(account, region, name, qualifier)}")


def busy(function: Function) -> ResourceConflict:
    """What AWS says of a function that is not Active, or is being updated."""
    if function.state is not State.ACTIVE:
        return ResourceConflict(
            f"{NOT_NOW} The function is currently in the following state: {function.state}"
        )
    return ResourceConflict(
        f"{NOT_NOW} An update is in progress for resource: {function.function_arn}"
    )
