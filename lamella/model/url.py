"""Function URLs: the address of a function or of an alias, and who may ask it from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lamella.model import arn

NONE = "NONE"
AWS_IAM = "AWS_IAM"
BUFFERED = "BUFFERED"
RESPONSE_STREAM = "RESPONSE_STREAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrl:
    """A URL's configuration.

    ``qualifier`` is an alias, None for the function itself (``$LATEST``); ``id`` has 32 characters
    of ``[a-z0-9]``; ``cors`` has the members of AWS's ``Cors`` as they were given, None where
    there is no such configuration.
    """

    account: str
    region: str
    function: str
    qualifier: str | None
    id: str
    auth_type: str
    invoke_mode: str
    cors: Mapping[str, Any] | None
    created: datetime
    modified: datetime

    @property
    def function_arn(self) -> str:
        """The ARN of the function, or of its alias."""
        return arn.function(self.account, self.region, self.function, self.qualifier)
