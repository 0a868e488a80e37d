"""What a box says of its processes may be written by whatever runs in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.runtimes import crew


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"r 0", (None, 0)),
        (b"r 137", (None, -9)),
        (b"0 3", ("first", 3)),
        (b"1 255", ("second", -127)),
        (b"2 0", None),
        (b"r 256", None),
        (b"r \xb2", None),
        (b"\xb2 0", None),
        (b"r " + b"1" * 5_000, None),
        (b"1" * 5_000 + b" 0", None),
    ],
)
def test_only_what_the_shell_can_say_is_believed(
    line: bytes, said: tuple[str | None, int] | None
) -> None:
    assert crew.ended(line, ("first", "second")) == said


@given(st.binary())
def test_any_line_can_be_read(line: bytes) -> None:
    crew.ended(line, ("only",))
