"""Requests signed by botocore, as the app hands them to a checker, and a checker of a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth as Signer
from botocore.auth import SigV4QueryAuth as Presigner
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lamella.accounts import keys
from lamella.accounts.keyring import Keyring
from lamella.accounts.keys import AccessKey
from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.mandates import Mandates
from lamella.accounts.roles import Roles
from lamella.accounts.sessions import Sessions
from lamella.api.auth import Identity, SigV4Auth
from lamella.api.parse import parse_query
from lamella.api.sigv4 import Request
from lamella.errors import ApiError
from lamella.records.sqlite import Changes, open_records

ACCOUNT = "111122223333"
HOST = "lamella.test:4566"
INVOKE = "/2015-03-31/functions/shop/invocations?Qualifier=1"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass
class Sent:
    """A request and its body, to be changed on its way."""

    request: Request
    body: bytes

    def but(self, body: bytes | None = None, **changed: Any) -> Sent:
        return Sent(replace(self.request, **changed), self.body if body is None else body)

    def with_headers(self, **headers: str | None) -> Sent:
        """Other values of headers; None takes one away. ``x_amz_date`` is ``x-amz-date``."""
        known = dict(self.request.headers)
        for name, value in headers.items():
            known.pop(name.replace("_", "-").encode(), None)
            if value is not None:
                known[name.replace("_", "-").encode()] = value.encode("latin-1")
        return self.but(headers=known, raw_headers=list(known.items()))


class Desk:
    """A checker with one root key, whose clock stands where the test puts it."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC).timestamp()
        self.records = open_records(folder / "records.sqlite")
        self._changes = Changes(folder / "records.sqlite")
        self.keyring = Keyring(self.records, self._changes)
        self.sessions = Sessions(b"k" * 32, lambda: self.now)
        roles = Roles(self.records, lambda: datetime.now(UTC))
        managed = ManagedPolicies(self.records, roles, lambda: datetime.now(UTC))
        mandates = Mandates(roles, managed, enforced=False)
        self.checker = SigV4Auth(self.keyring, self.sessions, mandates, lambda: self.now)
        self.key = self.create()
        self.keyring.refresh()

    def close(self) -> None:
        self._changes.close()
        self.records.close()

    def create(self, account: str = ACCOUNT, name: str = "", limits: Any = None) -> AccessKey:
        return keys.create(self.records, account, name, limits, datetime.now(UTC))

    def credentials(self) -> Credentials:
        return Credentials(self.key.id, self.key.secret)

    def signed(
        self,
        path: str = INVOKE,
        *,
        method: str = "POST",
        body: bytes = b'{"n": 1}',
        headers: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        scope: tuple[str, str] = ("lambda", "eu-west-1"),
        expires: int | None = None,
    ) -> Sent:
        """What botocore sends now, in the headers or, with ``expires``, as a presigned URL."""
        if expires is not None:
            body = b""  # botocore would move it to the query
        asked = AWSRequest(
            method, f"http://{HOST}{path}", headers={"Host": HOST, **(headers or {})}, data=body
        )
        whose = credentials or self.credentials()
        if expires is None:
            Signer(whose, *scope).add_auth(asked)
        else:
            Presigner(whose, *scope, expires=expires).add_auth(asked)
        parts = urlsplit(asked.url)
        raw = [
            (name.lower().encode(), str(value).encode()) for name, value in asked.headers.items()
        ]
        raw += [(b"user-agent", b"Boto3/1"), (b"accept-encoding", b"identity")]
        request = Request(
            method, parts.path.encode(), parse_query(parts.query.encode()), dict(raw), raw, "lambda"
        )
        return Sent(request, body)

    def identity(self, sent: Sent) -> Identity:
        return asyncio.run(self.checker.identify(sent.request, sent.body))

    def refusal(self, sent: Sent) -> tuple[int, str, str]:
        with pytest.raises(ApiError) as refused:
            self.identity(sent)
        error = refused.value
        return error.status, error.code, error.message


def invalid(message: str = MISMATCH) -> tuple[int, str, str]:
    return 403, "InvalidSignatureException", message


def incomplete(message: str) -> tuple[int, str, str]:
    return 403, "IncompleteSignatureException", message


UNKNOWN = (
    403,
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
)
