"""How asynchronous invocations of a function are retried, and who is told of them.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lamella.errors import InvalidParameterValue, ResourceNotFound
from lamella.functions import lookup
from lamella.functions.access import Principal
from lamella.functions.permissions import Permissions, Place
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.document import DocumentKey, Kind
from lamella.model.function import Function
from lamella.records.base import Page, Records

Allows = Callable[[Place, Principal, str, Mapping[str, str]], bool]
"""`lamella.functions.permissions.Permissions.allows`."""

ATTEMPTS = 2
AGE_SECONDS = 21_600
PAGE = 50
NO_FUNCTION = "The function doesn't exist."
SERVICES = ("lambda", "sqs", "sns", "events")
"""What may be told of an event; the service of the destination's ARN."""

_ARN = re.compile(r"arn:aws[a-zA-Z-]*:([a-z0-9-]+):([a-z0-9-]*):(\d{12})?:(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvokeConfig:
    """What is set for a function, version or alias; None where nothing is, so that AWS's default
    holds. The destinations are ARNs."""

    attempts: int | None = None
    age_seconds: int | None = None
    on_success: str | None = None
    on_failure: str | None = None
    modified: str = ""


@dataclass(frozen=True, slots=True)
class EventInvokeConfigs:
    """Every configuration of the kind; ``now`` is the time in UTC, and ``permissions`` say
    whether a function of another account may be told."""

    records: Records
    now: Callable[[], datetime]
    permissions: Permissions

    def put(
        self, where: tuple[str, str, str], qualifier: str | None, request: Mapping[str, Any]
    ) -> EventInvokeConfig:
        """Replace what is set. Raises InvalidParameterValue and ResourceNotFound."""
        return self._change(where, qualifier, request, EventInvokeConfig())

    def update(
        self, where: tuple[str, str, str], qualifier: str | None, request: Mapping[str, Any]
    ) -> EventInvokeConfig:
        """Change what the request names. Raises InvalidParameterValue and ResourceNotFound."""
        self._resolve(where, qualifier)
        return self._change(where, qualifier, request, self.get(where, qualifier))

    def get(self, where: tuple[str, str, str], qualifier: str | None) -> EventInvokeConfig:
        """What is set. Raises ResourceNotFound if nothing is."""
        found = self.find(where, qualifier)
        if found is None:
            raise missing(where, qualifier)
        return found

    def find(self, where: tuple[str, str, str], qualifier: str | None) -> EventInvokeConfig | None:
        document = self.records.document(_key(where, qualifier))
        return None if document is None else EventInvokeConfig(**document)

    def delete(self, where: tuple[str, str, str], qualifier: str | None) -> None:
        """Raises ResourceNotFound if nothing is set."""
        self.get(where, qualifier)
        self.records.change_document(_key(where, qualifier), lambda before: None)

    def list(
        self, where: tuple[str, str, str], *, after: str | None, limit: int
    ) -> Page[tuple[str, EventInvokeConfig]]:
        """Qualifiers with what is set for them. Raises ResourceNotFound."""
        self._resolve(where, None)
        page = self.records.documents(Kind.EVENT_INVOKE, *where, after=after, limit=limit)
        return Page(
            tuple((row.at.key, EventInvokeConfig(**row.value)) for row in page.rows), page.next
        )

    def _change(
        self,
        where: tuple[str, str, str],
        qualifier: str | None,
        request: Mapping[str, Any],
        before: EventInvokeConfig,
    ) -> EventInvokeConfig:
        function = self._resolve(where, qualifier)
        made = changed(before, request, modified=self.now().isoformat())
        targets = [each for each in (made.on_success, made.on_failure) if each is not None]
        if any(service_of(target) not in SERVICES for target in targets):
            raise InvalidParameterValue(
                f"The provided destination config {_worded(made)} is invalid."
            )
        for target in targets:
            self._check(where, target, function.role)
        try:
            self.records.change_document(_key(where, qualifier), lambda _: _to_document(made))
        except KeyError:
            raise ResourceNotFound(NO_FUNCTION) from None
        return made

    def _resolve(self, where: tuple[str, str, str], qualifier: str | None) -> Function:
        try:
            return lookup.resolve(self.records, *where, qualifier)
        except ResourceNotFound:
            raise ResourceNotFound(NO_FUNCTION) from None

    def _check(self, where: tuple[str, str, str], target: str, role: str) -> None:
        """A function as destination is there and, if it is another account's, may be invoked by
        ``role``; which of these fails is not told."""
        if service_of(target) != "lambda":
            return
        named = arn.parse_function(target)
        if named is None or named.account is None or named.region is None:
            raise InvalidParameterValue(f"The destination ARN {target} is invalid.")
        if (named.account, named.region, named.name) == where:
            raise InvalidParameterValue(
                "You can't specify the function as a destination for itself."
            )
        at = Place(named.account, named.region, named.name, named.qualifier)
        try:
            lookup.resolve(self.records, *at.where, at.qualifier)
            if not may_tell(self.permissions.allows, at, where[0], role):
                raise not_found(*at.where, at.qualifier)
        except ResourceNotFound:
            raise InvalidParameterValue(f"The destination ARN {target} is invalid.") from None


def changed(
    before: EventInvokeConfig, request: Mapping[str, Any], *, modified: str
) -> EventInvokeConfig:
    """``before`` with what the request names. Pure. Raises InvalidParameterValue for nothing."""
    named = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    if not any(request.get(member) is not None for member in named):
        raise InvalidParameterValue(
            "You must specify at least one of error handling or destination setting."
        )
    destinations = request.get("DestinationConfig") or {}
    return EventInvokeConfig(
        attempts=request.get("MaximumRetryAttempts", before.attempts),
        age_seconds=request.get("MaximumEventAgeInSeconds", before.age_seconds),
        on_success=_target(destinations, "OnSuccess", before.on_success),
        on_failure=_target(destinations, "OnFailure", before.on_failure),
        modified=modified,
    )


def may_tell(allows: Allows, at: Place, account: str, role: str | None) -> bool:
    """Whether a function of ``account``, which runs as ``role``, may have another invoked."""
    if at.account == account:
        return True
    return allows(at, Principal(account, role), "lambda:InvokeFunction", {})


def service_of(target: str) -> str | None:
    """``sqs``, ``lambda``, …: the service of an ARN, or None."""
    match = _ARN.fullmatch(target)
    return match[1] if match else None


def missing(where: tuple[str, str, str], qualifier: str | None) -> ResourceNotFound:
    return ResourceNotFound(
        f"The function {arn.function(*where, qualifier or arn.LATEST)} doesn't have an "
        "EventInvokeConfig"
    )


def _worded(config: EventInvokeConfig) -> str:
    """The destinations as AWS's refusals print them."""

    def one(name: str, target: str | None) -> str:
        return "null" if target is None else f"{name}(destination={target})"

    success, failure = one("OnSuccess", config.on_success), one("OnFailure", config.on_failure)
    return f"DestinationConfig(onSuccess={success}, onFailure={failure})"


def _target(destinations: Mapping[str, Any], member: str, before: str | None) -> str | None:
    if member not in destinations:
        return before
    return destinations[member].get("Destination") or None


def _to_document(config: EventInvokeConfig) -> dict[str, Any]:
    return {
        "attempts": config.attempts,
        "age_seconds": config.age_seconds,
        "on_success": config.on_success,
        "on_failure": config.on_failure,
        "modified": config.modified,
    }


def _key(where: tuple[str, str, str], qualifier: str | None) -> DocumentKey:
    return DocumentKey(Kind.EVENT_INVOKE, *where, qualifier or arn.LATEST)
