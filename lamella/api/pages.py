"""The few addresses beside Lambda's own: health, metrics, and the bytes that links lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lamella.api.links import PREFIX, Links
from lamella.api.metrics import CONTENT_TYPE, RequestMetrics
from lamella.api.serialise import Response
from lamella.blobs.base import Blobs
from lamella.errors import AccessDenied, ResourceNotFound

METRICS = "/metrics"
POOL = "/_lamella/pool"
BAD_LINK = "This link has expired, or its signature does not match."
OPERATOR = "pool"
"""What a link of the operator's to `POOL` is signed for; no digest is written so."""


@dataclass(frozen=True, slots=True)
class File:
    """An answer that is a file's bytes; ``size`` is what will be sent."""

    path: Path
    size: int


class Pages:
    """Answers to GET and HEAD of what is no operation.

    ``view`` tells what an account (None: the operator) may see of what is there and kept warm;
    ``look`` is called, in a thread, before metrics are read.
    """

    def __init__(
        self,
        metrics: RequestMetrics,
        links: Links,
        blobs: Blobs,
        view: Callable[[str | None], Mapping[str, Any]] = lambda account: {},
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._metrics = metrics
        self._view = view
        self._look = look
        self._links = links
        self._blobs = blobs

    def is_operator(self, query: Mapping[str, list[str]]) -> bool:
        """Whether a request comes from somebody who can read the data directory.

        Raises AccessDenied where one says so that does not.
        """
        if "Signature" not in query:
            return False
        if not self._links.is_valid(OPERATOR, query):
            raise AccessDenied(BAD_LINK)
        return True

    async def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], account: str | None = None
    ) -> tuple[str, Response | File] | None:
        """The page's name and the answer, or None if there is no such page. ``account`` is whose
        page of `POOL` it is.

        Raises AccessDenied for a link that is over or was never made, and ResourceNotFound for
        bytes that have gone since.
        """
        if method not in ("GET", "HEAD"):
            return None
        if path == "/healthz":
            return "healthz", Response(200, [(b"content-type", b"text/plain")], b"ok\n")
        if path == METRICS:
            await asyncio.to_thread(self._look)
            page = self._metrics.page()
            return "metrics", Response(200, [(b"content-type", CONTENT_TYPE)], page)
        if path == POOL:
            page = orjson.dumps(self._view(account))
            return "pool", Response(200, [(b"content-type", b"application/json")], page)
        if path.startswith(PREFIX):
            return "content", await self._content(path.removeprefix(PREFIX), query)
        return None

    async def _content(self, digest: str, query: Mapping[str, list[str]]) -> File:
        if not self._links.is_valid(digest, query):
            raise AccessDenied(BAD_LINK)
        try:
            return await asyncio.to_thread(self._file, digest)
        except (KeyError, FileNotFoundError) as error:
            raise ResourceNotFound("The resource you requested does not exist.") from error

    def _file(self, digest: str) -> File:
        path = self._blobs.open(digest)
        return File(path, path.stat().st_size)
