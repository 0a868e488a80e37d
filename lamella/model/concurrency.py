"""How many executions a function has a right to, how many it may have at once, and how many
environments are kept ready for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Share:
    """What is set for one function, all its versions together.

    ``reserved`` is None where nothing is reserved, ``provisioned`` the sum that is provisioned
    for its versions and aliases.
    """

    reserved: int | None = None
    provisioned: int = 0

    @property
    def floor(self) -> int:
        """Executions that no other function can take from it."""
        return self.provisioned if self.reserved is None else self.reserved

    @property
    def cap(self) -> int | None:
        """The most executions at once; None where the account's limit alone counts."""
        return self.reserved


class ProvisionedStatus(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is with provisioned environments.

    ``available`` are initialised, ``allocated`` counts those that are being started too;
    ``fault`` is why no more of them are there, None while all goes well.
    """

    allocated: int = 0
    available: int = 0
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedConfig:
    """What is provisioned for a version or an alias (``qualifier``) of a function.

    ``last_modified`` is written as AWS writes it: ``2026-11-21T08:00:00+0000``.
    """

    qualifier: str
    requested: int
    last_modified: str
    standing: Standing

    @property
    def status(self) -> ProvisionedStatus:
        if self.standing.available >= self.requested:
            return ProvisionedStatus.READY
        if self.standing.fault is not None:
            return ProvisionedStatus.FAILED
        return ProvisionedStatus.IN_PROGRESS
