"""CreateFunction.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.errors import ResourceConflict
from lamella.functions import configure, rules, signing, tags
from lamella.functions.versions import snapshot
from lamella.functions.workshop import Workshop, creating
from lamella.layers.attach import check_unzipped
from lamella.layers.packages import Source
from lamella.model import arn
from lamella.model.function import Function
from lamella.model.layer import LayerRef


def create(
    shop: Workshop,
    account: str,
    region: str,
    name: str,
    request: Mapping[str, Any],
    *,
    principal_arn: str | None = None,
) -> Function:
    """Create a function, Pending; with ``Publish`` also its first version, which is returned.

    ``principal_arn`` is whom a refusal of layers names, the account's root by default. Raises ResourceConflict if the name is taken, and what code, layers or settings are refused
    with; nothing is kept then.
    """
    rules.check_package(request)
    rules.check_configuration(request)
    tags.check(request.get("Tags") or {})
    signed = request.get("CodeSigningConfigArn")
    if signed:
        signing.check(shop.records, account, region, signed)
    if shop.records.function(account, region, name, arn.LATEST) is not None:
        raise taken(name)
    source = rules.code_source(request["Code"])
    with shop.collecting.writing():
        layers = shop.attaching.resolve(
            account, region, request.get("Layers", ()), principal_arn=principal_arn
        )
        function = add(shop, (account, region, name), request, source, layers)
        if signed:
            signing.adopt(shop.records, function, signed)
    shop.changed(function)
    try:
        return snapshot(shop, account, region, name, {}) if request.get("Publish") else function
    finally:
        # Afterwards: the version is Pending, however quickly the function itself gets ready.
        shop.readying.begin(function)


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
        fields = configure.fields(request)
        settings = configure.key_of_code(request["Code"], fields.pop("settings", {}))
        function = Function(
            account=account,
            region=region,
            name=name,
            version=arn.LATEST,
            code=code,
            layers=layers,
            last_modified=shop.now(),
            settings=settings,
            **creating(),
            **fields,
        )
        rules.check_function(function)
        try:
            shop.records.add_function(function, request.get("Tags") or {})
        except KeyError:
            raise taken(name) from None
    return function


def taken(name: str) -> ResourceConflict:
    return ResourceConflict(f"Function already exist: {name}")
