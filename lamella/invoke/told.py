"""What a process in a box says of itself by a pipe."""

from __future__ import annotations

import asyncio
import os


async def line(descriptor: int, most: int) -> bytes:
    """The first line that comes out of a pipe, of at most ``most`` bytes. Raises ValueError."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    said = bytearray()

    def hear() -> None:
        part = os.read(descriptor, 65_536)
        said.extend(part)
        if (not part or b"\n" in part or len(said) > most) and not done.done():
            done.set_result(None)

    loop.add_reader(descriptor, hear)
    try:
        await done
    finally:
        loop.remove_reader(descriptor)
    found, end, _ = bytes(said).partition(b"\n")
    if not end:
        raise ValueError("it ended before it had reported")
    return found
