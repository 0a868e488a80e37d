"""How many executions a function has a right to, and how many it may have at once."""

from __future__ import annotations

from dataclasses import dataclass


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
