"""What the trace header tells of a chain of invocations, whatever somebody writes into it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.invoke.recursion import FUNCTIONS, HEADER_CHARACTERS, follow, mark

A, B = mark("arn:a"), mark("arn:b")
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
WELL_FORMED = re.compile(
    r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]"
    r";Lineage=[0-9a-f]{8}:\d+(\|[0-9a-f]{8}:\d+)*",
    re.IGNORECASE,
)


def test_without_a_header_a_chain_begins() -> None:
    header, before = follow(None, A)
    assert before == 0
    assert WELL_FORMED.fullmatch(header)
    assert header.endswith(f";Sampled=0;Lineage={A}:0")


def test_the_chain_is_followed() -> None:
    assert follow(ROOT, A) == (f"{ROOT};Lineage={A}:0", 0)
    header, before = follow(f"{ROOT};Lineage={A}:0", B)
    assert (header, before) == (f"{ROOT};Lineage={A}:0|{B}:0", 0)
    assert follow(header, A) == (f"{ROOT};Lineage={A}:1|{B}:0", 1)


def test_a_function_is_counted_as_often_as_it_ran() -> None:
    header, counts = None, []
    for _ in range(20):
        header, before = follow(header, A)
        header, _ = follow(header, B)
        counts.append(before)
    assert counts == list(range(20))


def test_a_long_chain_forgets_whom_it_met_first() -> None:
    header: str | None = None
    for number in range(2 * FUNCTIONS):
        header, _ = follow(header, mark(str(number)))
    assert header is not None
    assert header.count("|") == FUNCTIONS - 1
    assert len(header) < HEADER_CHARACTERS
    assert header.endswith(f"{mark(str(2 * FUNCTIONS - 1))}:0")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Root=1-5759e988-bd862e3fe1be46a994272793", "Sampled=0"),
        (f"Sampled=1; Root=1-5759e988-bd862e3fe1be46a994272793;Lineage={A}:3", f"1;Lineage={A}:4"),
        (f"Lineage=1:{A}:15", f"Lineage={A}:16"),
        (f"Lineage={A}:65535", f"Lineage={A}:65535"),
        (f"Lineage={A}:x|zz:1|:|{A}", f"Lineage={A}:0"),
        (f"Lineage={B}:2%7C{A}:3", f"Lineage={B}:2|{A}:4"),
        ("nothing", f"Lineage={A}:0"),
        ("Lineage=" + "a" * HEADER_CHARACTERS, f"Lineage={A}:0"),
        (f"Root=1\r\nHost: x;Lineage={A}:1", f"Lineage={A}:2"),
    ],
)
def test_what_is_not_well_formed_is_made_anew(header: str, expected: str) -> None:
    answer, _ = follow(header, A)
    assert WELL_FORMED.fullmatch(answer)
    assert expected in answer


@given(st.text() | st.from_regex(r"(Root|Lineage|Sampled|Parent)=[0-9a-f:|=;\-\n]{0,80}"))
def test_no_header_gets_through_as_it_is(header: str) -> None:
    answer, before = follow(header, A)
    assert WELL_FORMED.fullmatch(answer)
    assert 0 <= before <= 100_000
