"""The parts that layers work with, real ones in a folder of the test's."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lamella.blobs.disk import DiskBlobs
from lamella.layers.attach import Attaching
from lamella.layers.collect import Collecting
from lamella.layers.packages import Fetch, Packages, Source
from lamella.layers.policy import Policies
from lamella.layers.publish import Asker, NewVersion, Publishing
from lamella.layers.s3_source import S3Source
from lamella.layers.trees import Trees
from lamella.model import limits
from lamella.model.arn import LayerArn
from lamella.model.layer import LayerStatement, LayerVersion
from lamella.records.sql import SqlRecords
from lamella.records.sqlite import open_records

ACCOUNT, OTHER, REGION = "000000000000", "111111111111", "eu-west-1"
ORGANIZATION = "o-0123456789"
NOW = datetime(2026, 11, 21, 4, 0, 0, 123456, tzinfo=UTC)


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


A_ZIP = zipped({"python/shared.py": "VERSION = 1\n"})


@dataclass(frozen=True, slots=True)
class Shelf:
    """``OTHER`` is a member of ``ORGANIZATION``; the clock stands at ``NOW``."""

    records: SqlRecords
    blobs: DiskBlobs
    trees: Trees
    collecting: Collecting
    packages: Packages
    publishing: Publishing
    policies: Policies
    attaching: Attaching

    def publish(
        self, name: str = "shared", content: Source = A_ZIP, *, account: str = ACCOUNT
    ) -> LayerVersion:
        return self.publishing.publish(
            asker(account), layer(name, account=account), NewVersion(content=content)
        )

    def grant(self, version: LayerVersion, principal: str, organization: str | None = None) -> None:
        statement = LayerStatement(
            sid="grant",
            action="lambda:GetLayerVersion",
            principal=principal,
            organization_id=organization,
        )
        self.policies.add(
            version.account, version.region, version.name, version.version, statement, None
        )


def asker(account: str = ACCOUNT) -> Asker:
    return Asker(account, f"arn:aws:iam::{account}:root")


def layer(name: str = "shared", *, account: str = ACCOUNT, region: str = REGION) -> LayerArn:
    return LayerArn(region, account, name, None)


def organization_of(account: str) -> str | None:
    return ORGANIZATION if account == OTHER else None


@contextmanager
def shelf(root: Path, fetch: Fetch | None = None) -> Iterator[Shelf]:
    root.mkdir(exist_ok=True)
    with closing(open_records(root / "records.db")) as records:
        blobs = DiskBlobs(root / "blobs")
        trees = Trees(root / "trees", blobs, limits.UNZIPPED_BYTES)
        collecting = Collecting(records, blobs, trees)
        packages = Packages(blobs, trees, collecting, fetch or S3Source(None, root).fetch)
        yield Shelf(
            records=records,
            blobs=blobs,
            trees=trees,
            collecting=collecting,
            packages=packages,
            publishing=Publishing(
                records,
                packages,
                collecting,
                clock=lambda: NOW,
                organization_of=organization_of,
            ),
            policies=Policies(records),
            attaching=Attaching(records, organization_of=organization_of),
        )
