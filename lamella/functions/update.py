"""UpdateFunctionConfiguration and UpdateFunctionCode.

Updates of one function follow each other: one that comes while an earlier is being made ready
waits for it. Sources:
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html,
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamella.functions import configure, rules
from lamella.functions.lookup import latest
from lamella.functions.versions import snapshot
from lamella.functions.workshop import Workshop
from lamella.layers.attach import check_unzipped
from lamella.model.function import Code, Function


def update_configuration(
    shop: Workshop,
    account: str,
    region: str,
    name: str,
    request: Mapping[str, Any],
    *,
    principal_arn: str | None = None,
) -> Function:
    """Change the settings that ``request`` names; the others stay. Raises what they are refused with.

    ``principal_arn`` is whom a refusal of layers names, the account's root by default.
    """
    rules.check_configuration(request)
    shop.settled(account, region, name)
    before = latest(shop.records, account, region, name)
    rules.check_revision(request.get("RevisionId"), before.revision_id)

    def change(row: Function) -> dict[str, Any]:
        fields = configure.fields(request, row)
        if "Layers" in request:
            fields["layers"] = shop.attaching.resolve(
                account, region, request["Layers"], keep=row.layers, principal_arn=principal_arn
            )
            check_unzipped(row.code.unzipped_size, fields["layers"])
        rules.check_function(replace(row, **fields))
        return fields

    with shop.collecting.writing():
        return shop.change(account, region, name, change, revision=request.get("RevisionId"))


def update_code(
    shop: Workshop, account: str, region: str, name: str, request: Mapping[str, Any]
) -> Function:
    """Replace the code; with ``DryRun`` only check it, with ``Publish`` also publish a version."""
    rules.check_served(request)
    shop.settled(account, region, name)
    before = latest(shop.records, account, region, name)
    source = rules.new_code_source(request)
    rules.check_revision(request.get("RevisionId"), before.revision_id)
    with shop.packages.taken_in(source, layer=False) as package:
        code = shop.code(account, region, package)
        if request.get("DryRun"):
            shop.collecting.collect({code.digest})
            return replace(before, **new_code(code, request, before))
        function = shop.change(
            account,
            region,
            name,
            lambda row: new_code(code, request, row),
            revision=request.get("RevisionId"),
        )
    return snapshot(shop, account, region, name, {}) if request.get("Publish") else function


def new_code(code: Code, request: Mapping[str, Any], row: Function) -> dict[str, Any]:
    """The fields that new code changes. Raises UnzippedTooLarge."""
    check_unzipped(code.unzipped_size, row.layers)
    found: dict[str, Any] = {"code": code, "settings": configure.key_of_code(request, row.settings)}
    if "Architectures" in request:
        found["architecture"] = request["Architectures"][0]
    return found
