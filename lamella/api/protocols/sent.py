"""A request to a service beside Lambda: every one of them goes to the path ``/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lamella.api.parse import parse_query
from lamella.errors import MalformedInput

Query = Mapping[str, list[str]]
MOST_PARAMETERS = 1000


@dataclass(frozen=True)
class Sent:
    """What came: the query of the URL, the headers (lower-case names) and the body."""

    query: Query
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def target(self) -> str:
        """The header of JSON 1.1 that names the operation, or ``""``."""
        return self.headers.get(b"x-amz-target", b"").decode("latin-1")

    @cached_property
    def form(self) -> Query:
        """The parameters of the query protocol: from the URL and from the body's form.

        MalformedInput for more than any operation needs: taking them apart costs memory.
        """
        if self.body.count(b"&") >= MOST_PARAMETERS:
            raise MalformedInput(f"A form may have {MOST_PARAMETERS} parameters.")
        return {**self.query, **parse_query(self.body)}

    def parameter(self, name: str) -> str:
        """The last value of a parameter of the form, or ``""``."""
        return self.form.get(name, [""])[-1]
