"""A bucket for zips that are too large for a request, served to one's own server alone.

It answers the one call of S3 that Lamella makes, for keys that nobody can guess.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

NAME: Final = "profile"


class Bucket:
    """Objects in memory; `serving` makes them available at ``endpoint``."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._objects: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Keep ``content``; its key."""
        key = secrets.token_hex(16)
        self._objects[f"/{NAME}/{key}"] = content
        return key

    def at(self, path: str) -> bytes | None:
        return self._objects.get(path.partition("?")[0])


@contextlib.contextmanager
def serving() -> Iterator[Bucket]:
    """A bucket that is served on loopback until the block ends."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = bucket.at(self.path)
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody wants to hear of it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        bucket = Bucket(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join()
