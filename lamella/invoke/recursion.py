"""Chains of invocations: the trace header tells how often each function has run in one. Pure.

``Lineage=`` in the header holds a pair for each function of the chain, joined by ``|``: a mark of
the function and how often it had been run before. AWS's SDKs hand the header of the invocation
they run in on to what they call, so that a function that calls itself, through whatever it may
be, meets its own count.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html,
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from urllib.parse import unquote

MOST = 16
"""So often a function may run in one chain."""
HEADER_CHARACTERS = 2_048
FUNCTIONS = 32
"""How many functions of a chain are remembered: the last that joined it."""
COUNTED_TO = 65_535

LOOP = (
    "Lambda has detected your function being invoked in a recursive loop with other Amazon Web "
    "Services resources and stopped your function's invocation."
)

_LINEAGE = re.compile(r"(?:^|;)\s*Lineage=([^;]*)", re.IGNORECASE)
_RUN = re.compile(r"\b([0-9a-f]{8}):(\d{1,5})\b")
_ROOT = re.compile(r"(?:^|;)\s*Root=(1-[0-9a-f]{8}-[0-9a-f]{24})\s*(?:;|$)", re.IGNORECASE)
_PARENT = re.compile(r"(?:^|;)\s*Parent=([0-9a-f]{16})\s*(?:;|$)", re.IGNORECASE)
_SAMPLED = re.compile(r"(?:^|;)\s*Sampled=([01])\s*(?:;|$)", re.IGNORECASE)


def mark(function_arn: str) -> str:
    """What stands for a function in a lineage: eight hexadecimal digits of its ARN's digest."""
    return hashlib.sha256(function_arn.encode()).hexdigest()[:8]


def follow(header: str | None, own: str) -> tuple[str, int]:
    """The trace header of an invocation of the function ``own`` marks, and how often that
    function ran before in the chain.

    ``header`` is the caller's, None if it sent none; what is not well formed in it is made anew.
    """
    if header is None or len(header) > HEADER_CHARACTERS:
        return f"{_new_root()};Lineage={own}:0", 0
    if "%" in header:  # botocore quotes it: the bar between two functions comes as %7C
        header = unquote(header)
    ran = _runs(header)
    before = ran.get(own, -1) + 1
    ran[own] = min(before, COUNTED_TO)
    lineage = "|".join(f"{each}:{count}" for each, count in list(ran.items())[-FUNCTIONS:])
    return f"{_root(header)};Lineage={lineage}", before


def _runs(header: str) -> dict[str, int]:
    found = _LINEAGE.search(header)
    if found is None:
        return {}
    return {each: int(count) for each, count in _RUN.findall(found[1])}


def _root(header: str) -> str:
    root = _ROOT.search(header)
    if root is None:
        return _new_root()
    parent = _PARENT.search(header)
    sampled = _SAMPLED.search(header)
    return (
        f"Root={root[1]};Parent={os.urandom(8).hex() if parent is None else parent[1]};"
        f"Sampled={'0' if sampled is None else sampled[1]}"
    )


def _new_root() -> str:
    """As Lambda makes one for a request that brings none; not sampled."""
    random = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{random[:24]};Parent={random[24:]};Sampled=0"
