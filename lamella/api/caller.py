"""Who asks: the account, region and address a request came to. How that is found out is `auth`'s."""

from __future__ import annotations

from dataclasses import dataclass

from lamella.accounts.limits import Limits


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's caller.

    ``endpoint`` is the address the client used (``http://host:port``), for links in answers;
    ``request_id`` is a UUID, sent back as ``x-amzn-RequestId``; ``access_key`` is the id of the
    key that vouches for the caller, "" where none does; ``limits`` the policies that limit what
    the caller may do, None where nothing does; ``trace_id`` is the header ``X-Amzn-Trace-Id`` if one
    was sent.
    """

    account: str
    region: str
    endpoint: str
    request_id: str
    principal_arn: str
    access_key: str = ""
    limits: Limits | None = None
    trace_id: str | None = None
