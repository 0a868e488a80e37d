"""Rows to keep: layers and functions with every member set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from lamella.model.function import Code, Function
from lamella.model.layer import LayerRef, LayerVersion
from lamella.records.base import Records

ACCOUNT, REGION = "000000000000", "eu-west-1"
CREATED = datetime(2026, 11, 21, 4, 0, 0, 123000, tzinfo=UTC)
Opener = Callable[[], Records]


def a_layer(
    number: int,
    name: str = "shared",
    *,
    account: str = ACCOUNT,
    region: str = REGION,
    digest: str = "a" * 64,
    runtimes: tuple[str, ...] = (),
    architectures: tuple[str, ...] = (),
) -> LayerVersion:
    return LayerVersion(
        account=account,
        region=region,
        name=name,
        version=number,
        description="what it is",
        license_info=None,
        compatible_runtimes=runtimes,
        compatible_architectures=architectures,
        digest=digest,
        code_size=100,
        unzipped_size=300,
        created=CREATED,
    )


def add(records: Records, name: str = "shared", **members: object) -> LayerVersion:
    def build(number: int) -> LayerVersion:
        return replace(a_layer(number, name), **members)  # type: ignore[arg-type]

    return records.add_layer_version(ACCOUNT, REGION, name, build)


def a_function(name: str = "fn", *, layers: tuple[LayerRef, ...] = ()) -> Function:
    return Function(
        account=ACCOUNT,
        region=REGION,
        name=name,
        version="$LATEST",
        runtime="python3.11",
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/r",
        code=Code(digest="c" * 64, size=50, unzipped_size=60),
        last_modified=CREATED,
        revision_id="r-1",
        environment={"KEY": "value"},
        layers=layers,
        settings={"VpcConfig": {"SubnetIds": []}},
    )


def publish(records: Records, name: str = "fn") -> Function:
    return records.publish_function(
        ACCOUNT, REGION, name, lambda latest, number, last: replace(latest, version=str(number))
    )


def ref(version: LayerVersion) -> LayerRef:
    return LayerRef(
        arn=version.arn,
        digest=version.digest,
        code_size=version.code_size,
        unzipped_size=version.unzipped_size,
    )
