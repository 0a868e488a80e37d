"""What is known of function URLs, kept in memory until something about their function changes.

A request to a URL that was asked before asks no database and changes no thread.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lamella.functions.access import ANYBODY, Principal
from lamella.functions.permissions import Permissions, Place
from lamella.functions.urls import Urls
from lamella.model.url import NONE, FunctionUrl

ACTION = "lambda:InvokeFunctionUrl"


@dataclass(frozen=True, slots=True)
class Known:
    """A URL's configuration, and whether its function's policy lets everybody ask it."""

    url: FunctionUrl
    public: bool


class KnownUrls:
    """The URLs that were asked; all of it is for the event loop."""

    def __init__(self, urls: Urls, permissions: Permissions) -> None:
        self._urls = urls
        self._permissions = permissions
        self._known: dict[str, Known] = {}
        self._changes = 0

    def forget(self, account: str, region: str, name: str) -> None:
        """Something about a function changed: its URLs are read anew."""
        self._changes += 1
        where = (account, region, name)
        gone = [
            url_id
            for url_id, each in self._known.items()
            if (each.url.account, each.url.region, each.url.function) == where
        ]
        for url_id in gone:
            del self._known[url_id]

    async def find(self, url_id: str) -> Known | None:
        known = self._known.get(url_id)
        if known is None and url_id:
            changes = self._changes
            known = await asyncio.to_thread(self._read, url_id)
            # What changed while it was read was forgotten before it was known.
            if known is not None and changes == self._changes:
                self._known[url_id] = known
        return known

    async def allows(self, url: FunctionUrl, who: Principal) -> bool:
        """Whether the policy of the URL's function lets ``who`` ask it."""
        return await asyncio.to_thread(self._allows, url, who)

    def _read(self, url_id: str) -> Known | None:
        url = self._urls.find(url_id)
        if url is None:
            return None
        return Known(url, url.auth_type == NONE and self._allows(url, ANYBODY))

    def _allows(self, url: FunctionUrl, who: Principal) -> bool:
        place = Place(url.account, url.region, url.function, url.qualifier)
        context = {"lambda:FunctionUrlAuthType": url.auth_type}
        return self._permissions.allows(place, who, ACTION, context)
