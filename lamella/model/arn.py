"""ARNs of layers and functions: built, and taken apart.

Names follow https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
and the patterns of botocore's service model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LATEST = "$LATEST"

_LAYER = re.compile(
    r"arn:(?:aws[a-zA-Z-]*)?:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<version>[0-9]+))?"
)
_FUNCTION = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


def layer(account: str, region: str, name: str) -> str:
    return f"arn:aws:lambda:{region}:{account}:layer:{name}"


def layer_version(account: str, region: str, name: str, version: int) -> str:
    return f"{layer(account, region, name)}:{version}"


def function(account: str, region: str, name: str, qualifier: str | None = None) -> str:
    """The ARN of a function, or of one of its versions or aliases when ``qualifier`` is given."""
    base = f"arn:aws:lambda:{region}:{account}:function:{name}"
    return base if qualifier is None else f"{base}:{qualifier}"


@dataclass(frozen=True, slots=True)
class LayerArn:
    """A layer's or, with ``version``, a layer version's ARN in its parts."""

    region: str
    account: str
    name: str
    version: int | None


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function as a client may name it; parts that the client left out are None."""

    region: str | None
    account: str | None
    name: str
    qualifier: str | None


def parse_layer(text: str) -> LayerArn | None:
    """The parts of a layer ARN or layer version ARN, or None if ``text`` is neither."""
    match = _LAYER.fullmatch(text)
    if match is None:
        return None
    version = match["version"]
    return LayerArn(
        match["region"], match["account"], match["name"], int(version) if version else None
    )


def parse_function(text: str) -> FunctionName | None:
    """The parts of ``name``, ``name:qualifier``, ``account:function:name`` or a full ARN."""
    match = _FUNCTION.fullmatch(text)
    if match is None:
        return None
    return FunctionName(match["region"], match["account"], match["name"], match["qualifier"])
