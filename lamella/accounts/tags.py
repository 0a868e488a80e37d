"""Tags of roles and policies. Pure. Keys that differ in case alone are the same key.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamella.errors import InvalidInput, LimitExceeded

MOST = 50
OF_ROLE = "TagsPerRole"
OF_POLICY = "TagsPerPolicy"

Tags = Mapping[str, str]


def tagged(tags: Tags | None, new: Sequence[tuple[str, str]], quota: str) -> dict[str, str]:
    """Tags with new ones; ``quota`` names the limit. InvalidInput, LimitExceeded."""
    replaced = {key.casefold() for key, _ in new}
    if len(replaced) < len(new):
        raise InvalidInput(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    together = {**untagged(tags, replaced), **dict(new)}
    if len(together) > MOST:
        raise LimitExceeded(f"Cannot exceed quota for {quota}: {MOST}")
    return together


def untagged(tags: Tags | None, keys: Sequence[str] | set[str]) -> dict[str, str]:
    """Tags without those of ``keys``; keys that are not there are passed over."""
    gone = {key.casefold() for key in keys}
    return {key: value for key, value in (tags or {}).items() if key.casefold() not in gone}
