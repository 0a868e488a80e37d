"""Wildcards of policies: any text against any pattern, held to a matcher that tries everything."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lamella.accounts.conditions import like

PATTERNS = st.text("ab:*?.", max_size=9)
TEXTS = st.text("ab:.\n", max_size=9)


def matches(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return matches(pattern[1:], text) or (bool(text) and matches(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])


@given(PATTERNS, TEXTS)
def test_a_pattern_matches_what_it_says(pattern: str, text: str) -> None:
    assert (re.fullmatch(like(pattern), text, re.DOTALL) is not None) == matches(pattern, text)


def test_no_pattern_takes_long() -> None:
    """One that were tried in every way would not come to an end."""
    assert re.fullmatch(like("*a" * 200 + "b"), "a" * 2_000) is None
