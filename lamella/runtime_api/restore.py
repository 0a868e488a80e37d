"""What the Runtime API has for SnapStart: the calls around a snapshot, and credentials to be fetched.

What is in a snapshot is in every environment that is made of it, and credentials end; so such an
environment has none in its variables, but the address that AWS's SDKs fetch them from. A runtime
asks ``restore/next`` when its initialisation is done, and says ``restore/error`` if what is to run
after the restore has failed.

Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-credentials
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from lamella.runtime_api.extensions import Said

NEXT: Final = b"/2018-06-01/runtime/restore/next"
ERROR: Final = b"/2018-06-01/runtime/restore/error"
CREDENTIALS: Final = b"/2021-04-23/credentials"
CALLS: Final = frozenset({NEXT, ERROR, CREDENTIALS})
NOT_FOUND: Final = Said(404, b"404 page not found\n")
"""Also for a token that is not the box's: what is there is nobody else's business."""


class Stage(StrEnum):
    """What a runtime of a version with SnapStart is: about to be the snapshot, made of one, or one
    that goes all the way by itself."""

    SNAPSHOT = "snapshot"
    RESTORED = "restored"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Restore:
    """A runtime of a version with SnapStart. ``credentials`` gives new ones, in the form of AWS's
    container credentials, to those who know ``token``."""

    stage: Stage
    token: str
    credentials: Callable[[], Mapping[str, str]]

    def answer(self, authorization: bytes) -> Said:
        """What is said to somebody who fetches credentials."""
        if not hmac.compare_digest(authorization, self.token.encode()):
            return NOT_FOUND
        return Said(200, orjson.dumps(self.credentials()))
