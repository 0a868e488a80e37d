"""Settings of all tests.

Generated tests take the same examples each time; ``LAMELLA_FUZZ=1`` lets them look further.
Servers that the tests start keep their compiled modules, whatever the caller's environment says:
without them each would compile all of the source anew.

A test that hangs is ended: after ``timeout`` of pyproject.toml, a slow one after fifteen minutes
(a busy machine takes five times as long as a quiet one), unless it names its own limit.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fuzz", deadline=None)
settings.load_profile("fuzz" if os.environ.get("LAMELLA_FUZZ") else "same")

os.environ["PYTHONDONTWRITEBYTECODE"] = ""

SLOW_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
