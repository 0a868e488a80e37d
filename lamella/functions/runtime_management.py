"""When AWS would give a function's version a newer runtime. Stored: the host's interpreter runs.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html
"""

from __future__ import annotations

from dataclasses import dataclass

from lamella.errors import InvalidParameterValue
from lamella.functions.workshop import not_found
from lamella.model.document import DocumentKey, Kind
from lamella.model.function import Function
from lamella.records.base import Records

MANUAL = "Manual"


@dataclass(frozen=True, slots=True)
class RuntimeManagement:
    """``update_on`` is ``Auto``, ``FunctionUpdate`` or ``Manual``, which alone has a version."""

    update_on: str = "Auto"
    version_arn: str | None = None


def check(wanted: RuntimeManagement, region: str) -> None:
    """Raises InvalidParameterValue."""
    if wanted.update_on == MANUAL and wanted.version_arn is None:
        raise InvalidParameterValue(
            "RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual."
        )
    if wanted.update_on != MANUAL and wanted.version_arn is not None:
        raise InvalidParameterValue(
            f"RuntimeVersionArn is not allowed when UpdateRuntimeOn is set to {wanted.update_on}."
        )
    if wanted.version_arn is not None and wanted.version_arn.split(":")[3] != region:
        raise InvalidParameterValue(
            f"The runtime version {wanted.version_arn} is not in the region of the function, "
            f"{region}."
        )


def put(records: Records, function: Function, wanted: RuntimeManagement) -> None:
    """Store it for one version. Raises InvalidParameterValue, ResourceNotFound."""
    check(wanted, function.region)
    value = {"update_on": wanted.update_on, "version_arn": wanted.version_arn}
    try:
        records.change_document(_at(function), lambda before: value)
    except KeyError:
        raise not_found(function.account, function.region, function.name) from None


def get(records: Records, function: Function) -> RuntimeManagement:
    found = records.document(_at(function))
    return RuntimeManagement() if found is None else RuntimeManagement(**found)


def _at(function: Function) -> DocumentKey:
    where = (function.account, function.region, function.name)
    return DocumentKey(Kind.RUNTIME_MANAGEMENT, *where, function.version)
