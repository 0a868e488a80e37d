"""Answers that are sent piece by piece, as their parts come.

An operation gives its parts as an async generator; here they become the body of a response. A
client that reads slowly slows the generator down, and one that goes away closes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from lamella.api.serialise import Header

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Parts = AsyncGenerator[bytes, None]

log = logging.getLogger(__name__)


class BrokenOff(Exception):
    """Raised by the parts of a response that cannot be finished: the connection is cut."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response whose body is sent in chunks, one for each part, until ``parts`` ends.

    ``parts`` is closed (GeneratorExit, or CancelledError where it waits) when the client goes
    away. What it raises after the head was sent can no longer become an answer, so the
    connection is cut, which HTTP clients report as an incomplete body.
    """

    status: int
    headers: list[Header]
    parts: Parts


async def send(
    streamed: Streamed, request_id: Header, receive: Receive, send: Send, *, head: bool
) -> None:
    """Send the response; with ``head`` its head alone."""
    async with aclosing(streamed.parts):
        headers = [*streamed.headers, request_id]
        await send({"type": "http.response.start", "status": streamed.status, "headers": headers})
        if head or await _send_parts(streamed.parts, receive, send):
            await send({"type": "http.response.body", "body": b""})


async def _send_parts(parts: Parts, receive: Receive, send: Send) -> bool:
    """Whether all of them were sent; False when the client went away or they broke off."""
    sending = asyncio.ensure_future(_pump(parts, send))
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        return sending.done() and sending.result()
    except asyncio.CancelledError:
        # The server stops while the client reads on, or does not: its answer is cut off.
        return False
    finally:
        gone.cancel()
        sending.cancel()
        await asyncio.wait((sending, gone))


async def _pump(parts: Parts, send: Send) -> bool:
    try:
        async for part in parts:
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                # Neither has to wait for anything, and others want their turn.
                await asyncio.sleep(0)
    except BrokenOff:
        return False
    except Exception:  # the boundary: the head is sent, so the answer can only be cut off
        log.exception("a streamed answer broke off")
        return False
    return True


async def _gone(receive: Receive) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
