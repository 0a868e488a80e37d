"""The network that a function asks for: a tag, as AWS's API has no field for it.

What it gets is for the server's settings to say (see `lamella.invoke.ways`).
"""

from __future__ import annotations

from collections.abc import Mapping

from lamella.errors import InvalidParameterValue

TAG = "lamella:network"
NONE, HOST_NAT = "none", "host-nat"


def check(tags: Mapping[str, str]) -> None:
    """Raise InvalidParameterValue for a network that there is not."""
    if TAG in tags and tags[TAG] not in (NONE, HOST_NAT):
        raise InvalidParameterValue(f"The tag {TAG} must be {NONE} or {HOST_NAT}.")


def differs(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether a change of tags is one of the network."""
    return before.get(TAG) != after.get(TAG)
