"""The first line that comes out of a pipe."""

from __future__ import annotations

import asyncio
import os

import pytest

from lamella.invoke.told import line


def heard(*parts: bytes, most: int = 100) -> bytes:
    async def main() -> bytes:
        ours, theirs = os.pipe2(os.O_NONBLOCK)
        try:
            coming = asyncio.ensure_future(line(ours, most))
            for part in parts:
                os.write(theirs, part)
                await asyncio.sleep(0)
            os.close(theirs)
            async with asyncio.timeout(5):
                return await coming
        finally:
            os.close(ours)

    return asyncio.run(main())


def test_a_line_may_come_in_parts() -> None:
    assert heard(b'{"a"', b": 1}\nand more") == b'{"a": 1}'


@pytest.mark.parametrize("parts", [(), (b"half a line",), (b"x" * 200,)])
def test_what_is_no_line_is_refused(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="it ended before it had reported"):
        heard(*parts)
