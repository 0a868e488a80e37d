"""Functions: the configuration and code of one version, as a row keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lamella.model import arn, limits
from lamella.model.layer import LayerRef


class State(StrEnum):
    PENDING = "Pending"
    ACTIVE = "Active"
    INACTIVE = "Inactive"
    FAILED = "Failed"


class UpdateStatus(StrEnum):
    SUCCESSFUL = "Successful"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A deployment package: SHA-256 of the zip in lower-case hex, sizes in bytes."""

    digest: str
    size: int
    unzipped_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One version of a function (``$LATEST`` or a published number).

    ``settings`` holds the members of AWS's configuration that Lamella stores and returns as
    they were given but does not itself act on (``VpcConfig``, ``KMSKeyArn`` and the like),
    by their API names. ``memory_size`` and ``ephemeral_storage`` are MB, ``timeout`` seconds.
    """

    account: str
    region: str
    name: str
    version: str
    runtime: str | None
    handler: str | None
    role: str
    code: Code
    last_modified: datetime
    revision_id: str
    description: str = ""
    timeout: int = limits.TIMEOUT_SECONDS_DEFAULT
    memory_size: int = limits.MEMORY_MB_DEFAULT
    ephemeral_storage: int = limits.EPHEMERAL_STORAGE_MB_DEFAULT
    environment: Mapping[str, str] | None = None
    layers: tuple[LayerRef, ...] = ()
    architecture: str = "x86_64"
    package_type: str = "Zip"
    tracing_mode: str = "PassThrough"
    log_format: str = "Text"
    log_group: str | None = None
    application_log_level: str | None = None
    system_log_level: str | None = None
    snap_start: str = "None"
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: State = State.ACTIVE
    state_reason: str | None = None
    state_reason_code: str | None = None
    last_update_status: UpdateStatus = UpdateStatus.SUCCESSFUL
    last_update_status_reason: str | None = None
    last_update_status_reason_code: str | None = None

    @property
    def function_arn(self) -> str:
        """The function's ARN without a qualifier."""
        return arn.function(self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        """The version's own ARN; ``$LATEST`` has no qualifier, as in AWS's answers."""
        qualifier = None if self.version == arn.LATEST else self.version
        return arn.function(self.account, self.region, self.name, qualifier)

    @property
    def qualified_arn(self) -> str:
        """The version's ARN with its qualifier, ``$LATEST`` included."""
        return arn.function(self.account, self.region, self.name, self.version)

    @property
    def has_snapshot(self) -> bool:
        """Whether it is a version whose environments are restored from one that was initialised
        when it was published: SnapStart, for languages of which that is done here (Python)."""
        is_published = self.version != arn.LATEST and self.snap_start == "PublishedVersions"
        return is_published and (self.runtime or "").startswith("python")

    @property
    def runtime_version_arn(self) -> str:
        """An ARN of the shape of AWS's runtime versions, the same for every function of a runtime."""
        version = hashlib.sha256((self.runtime or "").encode()).hexdigest()
        return f"arn:aws:lambda:{self.region}::runtime:{version}"

    @property
    def effective_log_group(self) -> str:
        return self.log_group or f"/aws/lambda/{self.name}"
