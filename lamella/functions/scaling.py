"""How many environments a function on managed instances would have. Stored: there are none here.

Environments are started as callers come and end when they are idle, whatever this says.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionScalingConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping

from lamella.errors import InvalidParameterValue
from lamella.functions.workshop import not_found
from lamella.model.document import DocumentKey, Kind
from lamella.model.function import Function
from lamella.records.base import Records

LEAST = "MinExecutionEnvironments"
MOST = "MaxExecutionEnvironments"

Scaling = Mapping[str, int]
"""`LEAST` and `MOST`, each where it was given."""


def check(scaling: Scaling) -> None:
    """Raises InvalidParameterValue."""
    if LEAST in scaling and MOST in scaling and scaling[LEAST] > scaling[MOST]:
        raise InvalidParameterValue(f"{LEAST} must be less than or equal to {MOST}.")


def put(records: Records, function: Function, scaling: Scaling) -> None:
    """Store it for one version; an empty one takes it away. Raises InvalidParameterValue."""
    check(scaling)
    try:
        records.change_document(_at(function), lambda before: dict(scaling) or None)
    except KeyError:
        raise not_found(function.account, function.region, function.name) from None


def get(records: Records, function: Function) -> Scaling | None:
    return records.document(_at(function))


def _at(function: Function) -> DocumentKey:
    where = (function.account, function.region, function.name)
    return DocumentKey(Kind.SCALING, *where, function.version)
