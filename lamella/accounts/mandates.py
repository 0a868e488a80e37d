"""What sessions of roles may do: the policies of the role, of its boundary and of the session.

They are read when a session first asks, and then remembered until a role or a policy changes, so
that a request costs a look into memory. What of a policy cannot be read denies everything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import orjson

from lamella.accounts import aws_managed, managed, policy
from lamella.accounts.limits import Kind, Limits, Part
from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.policy import Policy
from lamella.accounts.roles import Role, Roles
from lamella.accounts.sessions import Session, role_named
from lamella.errors import InvalidInput, NoSuchEntity, Refused

MOST = 4_096

_Asked = tuple[str, str, str, tuple[str, ...]]
_NOTHING = policy.read({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})


class Mandates:
    """What limits each session of a role; for any thread.

    With ``enforced`` a session may do what its role's policies allow, which is nothing where there
    is no such role (any more); without, all that its account may. Policies that were given for one
    session limit it in either case.
    """

    def __init__(self, roles: Roles, managed: ManagedPolicies, *, enforced: bool) -> None:
        self._roles = roles
        self._managed = managed
        self._enforced = enforced
        self._known: dict[_Asked, Limits] = {}
        self._changes = 0
        self._lock = threading.Lock()

    def limited(self, session: Session) -> bool:
        """Whether anything limits a session beside what limits its parent."""
        return bool(session.role) and (self._enforced or _is_narrowed(session))

    def known(self, session: Session) -> Limits | None:
        """The limits of a session, if they are remembered."""
        return self._known.get(_asked(session))

    def read(self, session: Session) -> Limits:
        """The limits of a session, from the records; it blocks."""
        changes = self._changes
        limits = Limits(tuple(self._parts(session)), session.role)
        with self._lock:
            # What a change overtook is for this caller, who asked before it, and nobody else.
            if changes == self._changes:
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[_asked(session)] = limits
        return limits

    def forget(self) -> None:
        """A role or a policy changed."""
        with self._lock:
            self._changes += 1
            self._known.clear()

    def _parts(self, session: Session) -> Iterable[Part]:
        if self._enforced:
            role = self._role(session)
            own = () if role is None else self._own(role)
            yield Part(Kind.IDENTITY, tuple(own))
            if role is not None and role.boundary is not None:
                yield Part(Kind.BOUNDARY, (self._text_of(role.account, role.boundary),))
        if _is_narrowed(session):
            texts = [session.policy] if session.policy else []
            given = [_read(text) for text in texts]
            given += [self._text_of(session.account, arn) for arn in session.policy_arns]
            yield Part(Kind.SESSION, tuple(given))

    def _role(self, session: Session) -> Role | None:
        """The session's role, if it is there under the very ARN that it was given by."""
        named = role_named(session.role)
        if named is None or named[0] != session.account:
            return None
        role = self._roles.find(*named)
        return role if role is not None and role.arn == session.role else None

    def _own(self, role: Role) -> Iterable[Policy]:
        yield from (_read(text) for text in (role.inline or {}).values())
        yield from (self._text_of(role.account, arn) for arn in role.attached)

    def _text_of(self, account: str, arn: str) -> Policy:
        """What a managed policy says; one that is not known here says nothing."""
        found = aws_managed.find(arn)
        if found is not None:
            return found
        try:
            kept = self._managed.get(account, arn)
        except (InvalidInput, NoSuchEntity):
            return Policy(())
        return _read(managed.version(kept, f"v{kept.default}").text)


def _asked(session: Session) -> _Asked:
    return session.account, session.role, session.policy, session.policy_arns


def _is_narrowed(session: Session) -> bool:
    return bool(session.policy or session.policy_arns)


def _read(text: str) -> Policy:
    try:
        return policy.read(orjson.loads(text))
    except (orjson.JSONDecodeError, Refused):
        return _NOTHING
