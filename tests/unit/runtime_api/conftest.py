"""Every test of the Runtime API runs on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from tests.unit.runtime_api.stage import (
    Scenario,
    staged,
)


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Run a scenario on either event loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            async with staged() as stage:
                await asyncio.wait_for(scenario(stage), 6)

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    return run
