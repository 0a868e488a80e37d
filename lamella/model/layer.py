"""Layer versions and what functions keep of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lamella.model import arn


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerVersion:
    """One immutable version of a layer.

    ``digest`` is the SHA-256 of the zip as it was uploaded, in lower-case hex; sizes are bytes.
    """

    account: str
    region: str
    name: str
    version: int
    description: str
    license_info: str | None
    compatible_runtimes: tuple[str, ...]
    compatible_architectures: tuple[str, ...]
    digest: str
    code_size: int
    unzipped_size: int
    created: datetime

    @property
    def layer_arn(self) -> str:
        return arn.layer(self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        return arn.layer_version(self.account, self.region, self.name, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRef:
    """A layer version as a function keeps it: enough to run it after its row is gone."""

    arn: str
    digest: str
    code_size: int
    unzipped_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStatement:
    """One statement of a layer version's policy.

    ``principal`` is a 12-digit account, ``*`` or an account-root ARN, as it was given.
    """

    sid: str
    action: str
    principal: str
    organization_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPolicy:
    """A layer version's policy: its statements in the order they were added."""

    revision_id: str
    statements: tuple[LayerStatement, ...]
