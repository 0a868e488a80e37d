"""What somebody may do whom policies limit: policies of several kinds, all of which must agree. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lamella.accounts.conditions import Context
from lamella.accounts.policy import Decision, Policy


class Kind(StrEnum):
    """What AWS's messages call a kind of policy, with its article."""

    IDENTITY = "an identity-based policy"
    BOUNDARY = "a permissions boundary"
    SESSION = "a session policy"

    @property
    def bare(self) -> str:
        return self.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class Part:
    """The policies of one kind; one of them has to allow what is done. Of none, nothing is."""

    kind: Kind
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits a caller. ``role`` is the ARN of the role whose session it is, or ``""``."""

    parts: tuple[Part, ...]
    role: str = ""

    @classmethod
    def of_key(cls, policy: Policy) -> Limits:
        """The limits of an access key that has a policy."""
        return cls((Part(Kind.IDENTITY, (policy,)),))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What of the policies is not understood, a sentence each."""
        return tuple(
            doubt for part in self.parts for each in part.policies for doubt in each.doubts
        )

    def refusal(self, action: str, resource: str, context: Context) -> str | None:
        """Why ``lambda:Action`` may not be done on an ARN, in AWS's words; None if it may.

        A Deny of any policy wins, and every kind of policy has to allow it.
        """
        silent = None
        for part in self.parts:
            decisions = {each.decide(action, resource, context) for each in part.policies}
            if Decision.DENIED in decisions:
                return f"with an explicit deny in {part.kind}"
            if silent is None and Decision.ALLOWED not in decisions:
                silent = part.kind
        return None if silent is None else f"because no {silent.bare} allows the {action} action"
