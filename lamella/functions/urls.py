"""Function URLs: made, shown, changed, listed, deleted. How one is answered is `lamella.api.urls`'s.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from lamella.errors import ResourceConflict, ResourceNotFound
from lamella.functions import aliases
from lamella.model import arn
from lamella.model.document import Document, DocumentKey, Kind
from lamella.model.url import BUFFERED, FunctionUrl
from lamella.records.base import Page, Records

Where = tuple[str, str, str]
"""Account, region and name of a function."""

NO_FUNCTION = "Function does not exist"
NO_URL = "The resource you requested does not exist."
ID_CHARACTERS = string.ascii_lowercase + string.digits
ID_LENGTH = 32


class Urls:
    """The URLs of this server's functions.

    ``now`` gives the time in UTC; ``changed`` is told of each function one of whose URLs changed.
    """

    def __init__(
        self,
        records: Records,
        now: Callable[[], datetime],
        changed: Callable[[str, str, str], None],
    ) -> None:
        self._records = records
        self._now = now
        self._changed = changed

    def create(
        self, where: Where, qualifier: str | None, request: Mapping[str, Any]
    ) -> FunctionUrl:
        """Raises ResourceNotFound without the function or the alias, ResourceConflict if it has one."""
        account, region, function = where
        now = self._now()
        made = FunctionUrl(
            account=account,
            region=region,
            function=function,
            qualifier=qualifier,
            id=new_id(),
            auth_type=request["AuthType"],
            invoke_mode=request.get("InvokeMode") or BUFFERED,
            cors=request.get("Cors") or None,
            created=now,
            modified=now,
        )

        def change(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if before is not None:
                raise ResourceConflict(
                    "Failed to create function url config for [functionArn = "
                    f"{made.function_arn}]. Error message:  FunctionUrlConfig exists for this "
                    "Lambda function"
                )
            self._has_function(where, qualifier)
            return to_value(made)

        try:
            self._records.change_document(key(where, qualifier), change, handle=made.id)
        except KeyError:
            raise ResourceNotFound(NO_FUNCTION) from None
        return made

    def get(self, where: Where, qualifier: str | None) -> FunctionUrl:
        """Raises ResourceNotFound."""
        found = self._records.document(key(where, qualifier))
        if found is None:
            raise ResourceNotFound(NO_URL)
        return from_document(Document(key(where, qualifier), found))

    def update(
        self, where: Where, qualifier: str | None, request: Mapping[str, Any]
    ) -> FunctionUrl:
        """Change what ``request`` names; ``Cors`` is replaced as a whole. Raises ResourceNotFound."""
        self._has_function(where, qualifier)
        at, before = key(where, qualifier), self.get(where, qualifier)

        def change(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
            if value is None or value["id"] != before.id:
                raise ResourceNotFound(NO_URL)
            return to_value(changed(from_document(Document(at, value)), request, self._now()))

        try:
            after = self._records.change_document(at, change, handle=before.id)
        except KeyError:
            raise ResourceNotFound(NO_FUNCTION) from None
        self._changed(*where)
        return from_document(Document(at, after or {}))

    def delete(self, where: Where, qualifier: str | None) -> None:
        """Raises ResourceNotFound."""

        def gone(before: Mapping[str, Any] | None) -> None:
            if before is None:
                raise ResourceNotFound(NO_URL)

        try:
            self._records.change_document(key(where, qualifier), gone)
        except KeyError:
            raise ResourceNotFound(NO_URL) from None
        self._changed(*where)

    def page(self, where: Where, *, after: str | None, limit: int) -> Page[FunctionUrl]:
        """That of the function itself, then those of its aliases by name. Raises ResourceNotFound."""
        self._has_function(where)
        # An empty marker would mean the first page.
        after = "" if after == arn.LATEST else after
        page = self._records.documents(Kind.URL, *where, after=after, limit=limit)
        marker = arn.LATEST if page.next == "" else page.next
        return Page(tuple(from_document(row) for row in page.rows), marker)

    def find(self, url_id: str) -> FunctionUrl | None:
        """The URL with this id, whoever's it is."""
        found = self._records.document_by_handle(Kind.URL, url_id)
        return None if found is None else from_document(found)

    def _has_function(self, where: Where, qualifier: str | None = None) -> None:
        """Refuse a function or, with ``qualifier``, an alias that is not there."""
        if self._records.function(*where, arn.LATEST) is None:
            raise ResourceNotFound(NO_FUNCTION)
        if qualifier is not None and aliases.read(self._records, where, qualifier) is None:
            raise ResourceNotFound(NO_FUNCTION)


def changed(before: FunctionUrl, request: Mapping[str, Any], now: datetime) -> FunctionUrl:
    """``before`` as ``request`` changes it; an empty ``Cors`` takes it away."""
    return replace(
        before,
        auth_type=request.get("AuthType") or before.auth_type,
        invoke_mode=request.get("InvokeMode") or before.invoke_mode,
        cors=(request["Cors"] or None) if "Cors" in request else before.cors,
        modified=now,
    )


def new_id() -> str:
    """An id that nobody can guess: 165 bits."""
    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))


def key(where: Where, qualifier: str | None) -> DocumentKey:
    return DocumentKey(Kind.URL, *where, qualifier or "")


def to_value(url: FunctionUrl) -> Mapping[str, Any]:
    return {
        "id": url.id,
        "auth_type": url.auth_type,
        "invoke_mode": url.invoke_mode,
        "cors": url.cors,
        "created": url.created.isoformat(),
        "modified": url.modified.isoformat(),
    }


def from_document(document: Document) -> FunctionUrl:
    at, value = document.at, document.value
    return FunctionUrl(
        account=at.account,
        region=at.region,
        function=at.name,
        qualifier=at.key or None,
        id=value["id"],
        auth_type=value["auth_type"],
        invoke_mode=value["invoke_mode"],
        cors=value["cors"],
        created=datetime.fromisoformat(value["created"]),
        modified=datetime.fromisoformat(value["modified"]),
    )
