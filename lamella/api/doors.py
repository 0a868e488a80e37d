"""The API inside of boxes: the server's own application, on a listener in each box's network.

What comes from a box is signed, whatever the server asks of others, and is not taken for a call
from this machine. What a box can make the server hold is bounded: `CONNECTIONS` connections and
`BODY_BYTES` of bodies that are not answered yet. What it does wrong costs it a connection, and
leaves no line in the server's log.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from lamella.api.app import Scope
from lamella.api.server import KEEP_ALIVE_SECONDS, BoundedProtocol
from lamella.api.streamed import Receive, Send

CONNECTIONS = 32
BODY_BYTES = 83_886_080
"""A little more than the largest request there is."""

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Doors:
    """Serves the listeners of boxes; one for a server, made in its event loop."""

    def __init__(self) -> None:
        self._app: asyncio.Future[Application] = asyncio.get_running_loop().create_future()
        self.state = ServerState()
        self.log = logging.Logger("doors", logging.CRITICAL)
        self.config = uvicorn.Config(
            self,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )

    def lead_to(self, app: Application) -> None:
        """Answer with ``app``, also what was asked before it was there."""
        self._app.set_result(app)

    async def open(self, listener: socket.socket) -> Door:
        """Answer on ``listener`` (bound, in whichever network namespace) until it is closed."""
        listener.setblocking(False)
        door = Door()
        loop = asyncio.get_running_loop()
        door.server = await loop.create_server(lambda: DoorProtocol(self, door), sock=listener)
        return door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._app)(scope, receive, send)


class Door:
    """One box's connections, and the bytes of bodies that they brought."""

    server: asyncio.Server

    def __init__(self) -> None:
        self.connections: set[DoorProtocol] = set()
        self.held = 0

    def close(self) -> None:
        """Close the listener and every connection at once."""
        self.server.close()
        for connection in tuple(self.connections):
            connection.transport.abort()


class DoorProtocol(BoundedProtocol):
    """One connection from inside of a box."""

    def __init__(self, doors: Doors, door: Door) -> None:
        super().__init__(doors.config, doors.state, {})
        self.logger = doors.log
        self._door = door
        self._held = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.client = None  # its address would be that of this machine
        if len(self._door.connections) >= CONNECTIONS:
            transport.abort()
        else:
            self._door.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.connections.discard(self)
        self._let_go()
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        self._held += len(body)
        self._door.held += len(body)
        if self._door.held <= BODY_BYTES:
            super().on_body(body)
        elif not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_response_complete(self) -> None:
        self._let_go()
        super().on_response_complete()

    def _let_go(self) -> None:
        self._door.held -= self._held
        self._held = 0
