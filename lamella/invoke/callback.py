"""How functions call back: with which credentials, and to which address.

Each environment has credentials of its own, which are a session of its function's role in its
function's account. They outlive it: an environment is given up before they end.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html

The address is a variable that AWS's SDKs know, which a function's own configuration may set anew:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial

from lamella.accounts.sessions import Sessions
from lamella.model.function import Function
from lamella.runtime_api.restore import Restore, Stage

CREDENTIALS_SECONDS = 43_200
LIFE_SECONDS = CREDENTIALS_SECONDS - 3_600
"""How long an environment serves; an invocation that begins at the end still has an hour."""

SELF = "self"
PORT = 9002
"""Where the server's API is inside of a box, on its loopback."""


class Callback:
    """What functions are given to call back with.

    ``endpoint`` is the URL that they are told of: `SELF` for this server, which then listens
    inside of every box; None for none.
    """

    def __init__(self, sessions: Sessions, endpoint: str | None = None) -> None:
        self._sessions = sessions
        inside = endpoint == SELF
        url = f"http://127.0.0.1:{PORT}" if inside else endpoint
        self.ports: tuple[int, ...] = (PORT,) if inside else ()
        self.endpoint: Mapping[str, str] = {"AWS_ENDPOINT_URL": url} if url else {}

    def restore(self, function: Function) -> Restore | None:
        """How the environment of a version with SnapStart gets credentials: it fetches them, as what
        was begun long ago needs new ones. None for other versions."""
        if not function.has_snapshot:
            return None
        return Restore(Stage.PLAIN, secrets.token_urlsafe(32), partial(self._fetched, function))

    def _fetched(self, function: Function) -> Mapping[str, str]:
        issued = self._sessions.issue(
            function.account, function.role, function.name, CREDENTIALS_SECONDS
        )
        return {
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret,
            "Token": issued.session_token,
            "Expiration": issued.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def credentials(self, function: Function) -> Mapping[str, str]:
        """The variables of a new environment's credentials: the session is named by the function.

        The account is the function's, whatever its role's ARN says.
        """
        issued = self._sessions.issue(
            function.account, function.role, function.name, CREDENTIALS_SECONDS
        )
        return {
            "AWS_ACCESS_KEY_ID": issued.access_key_id,
            "AWS_SECRET_ACCESS_KEY": issued.secret,
            "AWS_SESSION_TOKEN": issued.session_token,
        }
