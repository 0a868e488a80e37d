"""Event source mappings: which queue or stream feeds which function, as a document keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from lamella.model import arn


class MappingState(StrEnum):
    """Source: https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html"""

    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceMapping:
    """A mapping. ``settings`` are the members of AWS's configuration, by their API names.

    ``source_arn`` is None for a source that is not AWS's own; ``enabled`` is what was asked for,
    ``state`` what has come of it.
    """

    account: str
    region: str
    uuid: str
    function: str
    qualifier: str | None
    source_arn: str | None
    enabled: bool
    state: MappingState
    last_modified: datetime
    settings: Mapping[str, Any]

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:event-source-mapping:{self.uuid}"

    @property
    def function_arn(self) -> str:
        return arn.function(self.account, self.region, self.function, self.qualifier)

    @property
    def service(self) -> str:
        """``sqs``, ``kinesis``, …; ``self-managed`` where the source is not AWS's own."""
        return "self-managed" if self.source_arn is None else self.source_arn.split(":")[2]

    @property
    def is_read(self) -> bool:
        """Whether Lamella reads from this kind of source; others are only stored."""
        return self.service == "sqs"

    @property
    def is_fifo(self) -> bool:
        return self.is_read and str(self.source_arn).endswith(".fifo")

    def settled(self) -> EventSourceMapping:
        """The mapping once its change has been done."""
        state = MappingState.ENABLED if self.enabled else MappingState.DISABLED
        return replace(self, state=state)


def to_document(mapping: EventSourceMapping) -> dict[str, Any]:
    return {
        "function": mapping.function,
        "qualifier": mapping.qualifier,
        "source_arn": mapping.source_arn,
        "enabled": mapping.enabled,
        "state": mapping.state.value,
        "last_modified": mapping.last_modified.isoformat(),
        "settings": dict(mapping.settings),
    }


def from_document(
    account: str, region: str, uuid: str, value: Mapping[str, Any]
) -> EventSourceMapping:
    return EventSourceMapping(
        account=account,
        region=region,
        uuid=uuid,
        function=value["function"],
        qualifier=value["qualifier"],
        source_arn=value["source_arn"],
        enabled=value["enabled"],
        state=MappingState(value["state"]),
        last_modified=datetime.fromisoformat(value["last_modified"]),
        settings=value["settings"],
    )
