"""Why environments end, as metrics tell it."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    AGE = "age"
    """It was idle for as long as it may be, or its credentials end soon."""
    ROOM = "room"
    """It was idle longest when another needed its place."""
    MEMORY = "memory"
    """It was idle while all together held more than they may."""
    HOST = "host"
    """It was idle while the host had too little memory."""
    CHANGED = "changed"
    """Its version changed or was deleted."""
    SURPLUS = "surplus"
    """It was provisioned, and fewer are to be."""
    FAILED = "failed"
    """It could not start, or its runtime ended while it was provisioned."""
    STOPPED = "stopped"
    """The server stopped."""
