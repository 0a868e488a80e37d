"""Looking after what is made ahead: now and then, and soon when there is a reason to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError

LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)


async def rounds(look: Callable[[], Awaitable[None]], wanted: asyncio.Event, what: str) -> NoReturn:
    """``look`` every `LOOK_SECONDS`, and whenever that is ``wanted``, until this is cancelled.

    What the host or the records refuse is said in the log, of ``what``, and tried again.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await wanted.wait()
        wanted.clear()
        try:
            await look()
        except (OSError, SQLAlchemyError):
            log.exception("%s could not be looked after", what)
