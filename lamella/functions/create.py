"""CreateFunction.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.errors import ResourceConflict
from lamella.functions import configure, rules
from lamella.functions.ready import new_revision
from lamella.functions.versions import publish
from lamella.functions.workshop import CREATING, CREATING_CODE, Workshop
from lamella.layers.attach import check_unzipped
from lamella.layers.packages import Source
from lamella.model import arn
from lamella.model.function import Function, State
from lamella.model.layer import LayerRef


def create(
    shop: Workshop, account: str, region: str, name: str, request: Mapping[str, Any]
) -> Function:
    """Create a function, Pending; with ``Publish`` also its version 1, which is returned.

    Raises ResourceConflict if the name is taken, and what code, layers or settings are refused
    with; nothing is kept then.
    """
    rules.check_package(request)
    rules.check_runtime(request["Runtime"])
    rules.check_environment((request.get("Environment") or {}).get("Variables"))
    if shop.records.function(account, region, name, arn.LATEST) is not None:
        raise taken(name)
    source = rules.code_source(request["Code"])
    with shop.collecting.writing():
        layers = shop.attaching.resolve(account, region, request.get("Layers", ()))
        function = add(shop, (account, region, name), request, source, layers)
    shop.changed(function)
    shop.readying.begin(function)
    return publish(shop, account, region, name, {}) if request.get("Publish") else function


def add(
    shop: Workshop,
    where: tuple[str, str, str],
    request: Mapping[str, Any],
    source: Source,
    layers: tuple[LayerRef, ...],
) -> Function:
    """Take the code in and add the row."""
    account, region, name = where
    with shop.packages.taken_in(source, layer=False) as package:
        code = shop.code(account, region, package)
        check_unzipped(code.unzipped_size, layers)
        function = Function(
            account=account,
            region=region,
            name=name,
            version=arn.LATEST,
            code=code,
            layers=layers,
            last_modified=shop.now(),
            revision_id=new_revision(),
            state=State.PENDING,
            state_reason=CREATING,
            state_reason_code=CREATING_CODE,
            **configure.fields(request),
        )
        try:
            shop.records.add_function(function, request.get("Tags") or {})
        except KeyError:
            raise taken(name) from None
    return function


def taken(name: str) -> ResourceConflict:
    return ResourceConflict(f"Function already exist: {name}")
