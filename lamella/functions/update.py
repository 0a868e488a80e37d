"""UpdateFunctionConfiguration and UpdateFunctionCode.

Sources: https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html,
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamella.functions import configure, rules
from lamella.functions.lookup import latest
from lamella.functions.versions import publish
from lamella.functions.workshop import Workshop, digests
from lamella.layers.attach import check_unzipped
from lamella.model.function import Function


def update_configuration(
    shop: Workshop, account: str, region: str, name: str, request: Mapping[str, Any]
) -> Function:
    """Change the settings that ``request`` names; the others stay. Raises what they are refused with."""
    shop.settled(account, region, name)
    before = latest(shop.records, account, region, name)
    rules.check_revision(request.get("RevisionId"), before.revision_id)
    rules.check_runtime(request.get("Runtime"))
    rules.check_environment((request.get("Environment") or {}).get("Variables"))
    with shop.collecting.writing():

        def change(row: Function) -> dict[str, Any]:
            fields = configure.fields(request, row)
            if "Layers" in request:
                layers = shop.attaching.resolve(account, region, request["Layers"], keep=row.layers)
                check_unzipped(row.code.unzipped_size, layers)
                fields["layers"] = layers
            return fields

        function = shop.change(account, region, name, change, revision=request.get("RevisionId"))
    shop.collecting.collect(digests(before) - digests(function))
    return function


def update_code(
    shop: Workshop, account: str, region: str, name: str, request: Mapping[str, Any]
) -> Function:
    """Replace the code; with ``DryRun`` only check it, with ``Publish`` also publish a version."""
    shop.settled(account, region, name)
    before = latest(shop.records, account, region, name)
    rules.check_revision(request.get("RevisionId"), before.revision_id)
    source = rules.code_source(request)
    with shop.packages.taken_in(source, layer=False) as package:
        code = shop.code(account, region, package)
        fields: dict[str, Any] = {"code": code}
        if "Architectures" in request:
            fields["architecture"] = request["Architectures"][0]
        if request.get("DryRun"):
            check_unzipped(code.unzipped_size, before.layers)
            shop.collecting.collect({code.digest})
            return replace(before, **fields)

        def change(row: Function) -> dict[str, Any]:
            check_unzipped(code.unzipped_size, row.layers)
            return fields

        function = shop.change(account, region, name, change, revision=request.get("RevisionId"))
    shop.collecting.collect(digests(before) - digests(function))
    return publish(shop, account, region, name, {}) if request.get("Publish") else function
