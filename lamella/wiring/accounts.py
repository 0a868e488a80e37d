"""Who may call: what a server checks callers with, and the records for the commands that keep keys."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from lamella import config
from lamella.accounts.assume import Assuming
from lamella.accounts.keyring import Keyring
from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.mandates import Mandates
from lamella.accounts.roles import Roles
from lamella.accounts.sessions import Sessions
from lamella.api.auth import Auth, NoAuth, SigV4Auth
from lamella.config import Settings
from lamella.errors import HostError
from lamella.records.base import Records
from lamella.records.sqlite import Changes, open_records
from lamella.wiring.host import RECORDS

log = logging.getLogger("lamella")


def role_books(
    settings: Settings, records: Records, now: Callable[[], datetime]
) -> tuple[Roles, ManagedPolicies, Mandates]:
    """Roles, policies, and what follows from them for sessions, which forgets what has changed."""

    def changed() -> None:
        mandates.forget()

    roles = Roles(records, now, changed)
    managed = ManagedPolicies(records, roles, now, changed)
    mandates = Mandates(roles, managed, enforced=settings.roles is config.Roles.ENFORCED)
    return roles, managed, mandates


def assuming(settings: Settings, roles: Roles, sessions: Sessions) -> Assuming:
    """Who may have a role's session, by the settings."""
    return Assuming(
        roles,
        sessions,
        checked=settings.auth is not config.Auth.NONE,
        enforced=settings.roles is config.Roles.ENFORCED,
    )


def authenticator(
    settings: Settings,
    root: Path,
    records: Records,
    sessions: Sessions,
    mandates: Mandates,
    stack: contextlib.AsyncExitStack,
) -> Auth:
    """What checks callers, by the setting; ``stack`` ends what it needs, before the records."""
    if settings.auth is config.Auth.NONE:
        return NoAuth(sessions, mandates)
    changes = Changes(root / RECORDS)
    stack.callback(changes.close)
    keyring = Keyring(records, changes)
    keyring.start()
    stack.callback(keyring.close)
    if not len(keyring):
        log.warning(
            "nobody can call yet, for there is no access key. Make one: "
            "lamella keys create --account 111122223333 --data %s",
            root,
        )
    return SigV4Auth(keyring, sessions, mandates, time.time)


def of_boxes(auth: Auth, records: Records, sessions: Sessions, mandates: Mandates) -> Auth:
    """What checks those who call from inside of boxes: they sign, whoever else need not."""
    if isinstance(auth, SigV4Auth):
        return auth
    return SigV4Auth(Keyring(records, lambda: 0), sessions, mandates, time.time)


@contextlib.contextmanager
def account_records(data: Path) -> Iterator[Records]:
    """The records in ``data``, which is made if it is not there; a server may have them open too.

    Raises HostError if they cannot be used, or if they are another user's, whose server could not
    use the files that this one would leave.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = data.stat().st_uid
        if owner != os.geteuid():
            raise HostError(f"The data directory {data} is that of user {owner}: run as that user.")
        data.chmod(0o700)
        records = open_records(data / RECORDS)
    except (OSError, SQLAlchemyError) as error:
        raise HostError(f"The data directory {data} cannot be used: {error}") from error
    try:
        yield records
    finally:
        records.close()
