"""The life of a layer version: published, shown, listed, deleted.

Owns the rules of https://docs.aws.amazon.com/lambda/latest/dg/creating-deleting-layers.html.
How a zip comes in is `packages`', who else may use a version `policy`'s, when bytes go
`collect`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lamella.errors import InvalidParameterValue, ResourceNotFound
from lamella.layers.attach import OrganizationOf, denied
from lamella.layers.collect import Collecting
from lamella.layers.packages import Package, Packages, Source, check_storage
from lamella.layers.policy import allows
from lamella.model import arn
from lamella.model.arn import LayerArn
from lamella.model.layer import LayerVersion
from lamella.records.base import Page, Records

PAGE = 50
_NOT_THERE = "The resource you requested does not exist."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: an account, and the principal that messages name."""

    account: str
    principal_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """What a layer version is to be, as the request says it."""

    content: Source
    description: str = ""
    license_info: str | None = None
    compatible_runtimes: tuple[str, ...] = ()
    compatible_architectures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which versions a list shows, and which page of it (``after`` is the last page's end)."""

    runtime: str | None = None
    architecture: str | None = None
    after: str | None = None
    limit: int = PAGE


class Publishing:
    """Layer versions, for those who own them; another account may get what a policy grants it.

    A `LayerArn` says which layer is meant, by its account, region and name.
    """

    def __init__(
        self,
        records: Records,
        packages: Packages,
        collecting: Collecting,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        organization_of: OrganizationOf = lambda account: None,
    ) -> None:
        self._records = records
        self._packages = packages
        self._collecting = collecting
        self._clock = clock
        self._organization_of = organization_of

    def publish(self, asker: Asker, layer: LayerArn, new: NewVersion) -> LayerVersion:
        """Store the zip, then the row; when it returns, both survive a power cut.

        Raises what `Packages.taken_in` raises, CodeStorageExceeded, and AccessDenied for a layer
        of another account.
        """
        owned_by(asker, layer, "lambda:PublishLayerVersion")
        with self._packages.taken_in(new.content, layer=True) as package:
            check_storage(self._records.code_storage(layer.account, layer.region), package.size)
            version = self._records.add_layer_version(
                layer.account,
                layer.region,
                layer.name,
                lambda number: self._row(layer, number, new, package),
            )
        for warning in package.warnings:
            log.warning("layer version %s: %s", version.arn, warning)
        return version

    def get(self, asker: Asker, layer: LayerArn, number: int) -> LayerVersion:
        """One version. ResourceNotFound, or AccessDenied where another account has no grant."""
        _check_number(number)
        key = (layer.account, layer.region, layer.name, number)
        version = self._records.layer_version(*key)
        if asker.account != layer.account:
            policy = self._records.layer_policy(*key) if version is not None else None
            if not allows(policy, asker.account, self._organization_of(asker.account)):
                raise denied(asker.principal_arn, "lambda:GetLayerVersion", arn.layer_version(*key))
        if version is None:
            raise ResourceNotFound(_NOT_THERE)
        return version

    def by_arn(self, asker: Asker, layer: LayerArn) -> LayerVersion:
        """The version that an ARN names."""
        if layer.version is None:
            raise ResourceNotFound(_NOT_THERE)
        return self.get(asker, layer, layer.version)

    def layers(self, account: str, region: str, wanted: Filter) -> Page[LayerVersion]:
        """The latest matching version of each layer of an account."""
        return self._records.layers(
            account,
            region,
            runtime=wanted.runtime,
            architecture=wanted.architecture,
            after=wanted.after,
            limit=wanted.limit,
        )

    def versions(self, asker: Asker, layer: LayerArn, wanted: Filter) -> Page[LayerVersion]:
        """The matching versions of a layer, newest first; none of a layer that is not there."""
        owned_by(asker, layer, "lambda:ListLayerVersions")
        return self._records.layer_versions(
            layer.account,
            layer.region,
            layer.name,
            runtime=wanted.runtime,
            architecture=wanted.architecture,
            after=wanted.after,
            limit=wanted.limit,
        )

    def delete(self, asker: Asker, layer: LayerArn, number: int) -> None:
        """Remove a version if it is there; its bytes stay while functions reference them."""
        owned_by(asker, layer, "lambda:DeleteLayerVersion")
        _check_number(number)
        key = (layer.account, layer.region, layer.name, number)
        version = self._records.layer_version(*key)
        if version is None:
            return
        self._records.remove_layer_version(*key)
        self._collecting.collect({version.digest})

    def _row(self, layer: LayerArn, number: int, new: NewVersion, package: Package) -> LayerVersion:
        return LayerVersion(
            account=layer.account,
            region=layer.region,
            name=layer.name,
            version=number,
            description=new.description,
            license_info=new.license_info,
            compatible_runtimes=new.compatible_runtimes,
            compatible_architectures=new.compatible_architectures,
            digest=package.digest,
            code_size=package.size,
            unzipped_size=package.unzipped_size,
            created=self._clock(),
        )


def owned_by(asker: Asker, layer: LayerArn, action: str) -> None:
    """AccessDenied unless the layer is the asker's own: layer policies grant GetLayerVersion alone."""
    if asker.account != layer.account:
        resource = arn.layer(layer.account, layer.region, layer.name)
        raise denied(asker.principal_arn, action, resource)


def _check_number(number: int) -> None:
    if number < 1:
        raise InvalidParameterValue("Layer Version Cannot be less than 1")
