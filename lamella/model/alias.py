"""Aliases: names of a function that stand for one of its versions, or for two by weight."""

from __future__ import annotations

from dataclasses import dataclass

from lamella.model import arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """``name`` of ``function`` stands for ``version``.

    Of all invocations the share ``weight`` (0.0 to 1.0) goes to ``additional``, a second
    version, where there is one.
    """

    account: str
    region: str
    function: str
    name: str
    version: str
    description: str
    revision_id: str
    additional: str | None = None
    weight: float = 0.0

    @property
    def arn(self) -> str:
        return arn.function(self.account, self.region, self.function, self.name)

    @property
    def versions(self) -> tuple[str, ...]:
        """The version, and the second one if there is one."""
        return (self.version,) if self.additional is None else (self.version, self.additional)

    def choose(self, draw: float) -> str:
        """The version for one invocation; ``draw`` is even between 0.0 and 1.0, without 1.0."""
        if self.additional is not None and draw < self.weight:
            return self.additional
        return self.version
