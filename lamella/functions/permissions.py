"""Who else may use a function: its policies, changed by statement or as a whole, and asked.

A function has a policy, and each of its versions and aliases may have one of its own.
AddPermission and PutResourcePolicy change the same policy. Sources:
https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html,
https://docs.aws.amazon.com/lambda/latest/api/API_PutResourcePolicy.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lamella.accounts.conditions import Context
from lamella.errors import InvalidParameterValue, ResourceNotFound
from lamella.functions import access, lookup, revisions, statements
from lamella.functions.access import Principal
from lamella.functions.workshop import not_found
from lamella.layers.attach import OrganizationOf
from lamella.layers.policy import Shown, to_text
from lamella.model import arn
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records

Value = Mapping[str, Any]

NOT_FOR_LATEST = "We currently do not support adding policies for $LATEST."
NO_POLICY = "No policy is associated with the given resource."
NOTHING = "The resource you requested does not exist."


@dataclass(frozen=True, slots=True)
class Place:
    """What a policy belongs to: a function or, with ``qualifier``, a version or an alias of it."""

    account: str
    region: str
    name: str
    qualifier: str | None

    @property
    def where(self) -> tuple[str, str, str]:
        return self.account, self.region, self.name

    @property
    def arn(self) -> str:
        return arn.function(*self.where, self.qualifier)


class Permissions:
    """The policies of this server's functions.

    ``changed`` is told of each function about whose use something else may be decided from now
    on. Every method that changes or shows raises ResourceNotFound without the function, the
    version or the alias.
    """

    def __init__(
        self,
        records: Records,
        changed: Callable[[str, str, str], None],
        *,
        organization_of: OrganizationOf = lambda account: None,
    ) -> None:
        self._records = records
        self._changed = changed
        self._organization_of = organization_of

    def add(self, at: Place, request: Mapping[str, Any]) -> str:
        """Add one statement; its text alone is returned.

        Raises InvalidParameterValue, ResourceConflict, PolicyLengthExceeded, PreconditionFailed.
        """
        check_qualifier(at)
        new = statements.statement(request, at.arn)
        self._change(
            at,
            lambda before: statements.added(before, new),
            request.get("RevisionId"),
        )
        return to_text(new)

    def remove(self, at: Place, sid: str, revision_id: str | None) -> None:
        """Raises ResourceNotFound for a statement that is not there, PreconditionFailed."""
        if self._records.function(*at.where, arn.LATEST) is None:
            raise ResourceNotFound(f"No policy found for: {arn.function(*at.where)}")

        def without(before: str | None) -> str | None:
            if before is None:
                raise ResourceNotFound(NO_POLICY)
            return statements.removed(before, sid)

        self._change(at, without, revision_id)

    def put(self, at: Place, text: str, revision_id: str | None) -> Shown:
        """Put a whole policy in the place of what there was; it is kept as it was written.

        Raises InvalidParameterValue with every fault of it, PolicyLengthExceeded,
        PreconditionFailed.
        """
        check_qualifier(at)
        access.read(text)
        statements.check_length(text)
        return Shown(text, self._change(at, lambda before: text, revision_id))

    def delete(self, at: Place, revision_id: str | None) -> None:
        """Raises ResourceNotFound if there is none, PreconditionFailed."""

        def gone(before: str | None) -> None:
            if before is None:
                raise ResourceNotFound(NOTHING)

        self._change(at, gone, revision_id)

    def get(self, at: Place) -> Shown:
        """Raises ResourceNotFound if there is none."""
        lookup.latest(self._records, *at.where)
        text = self._text(at)
        if text is None:
            raise ResourceNotFound(NOTHING)
        return Shown(text, revisions.current(self._records, at.where, at.qualifier))

    def allows(self, at: Place, who: Principal, action: str, context: Mapping[str, str]) -> bool:
        """Whether the policies of a function let ``who`` do ``action``, as ``lambda:InvokeFunction``.

        The function's own and that of the version or alias are asked together, about the ARN
        with its qualifier. ``context`` has further condition keys and
        values. No own account's caller needs to be asked about.
        """
        keys = {key(replace(at, qualifier=None)), key(at)}
        texts = [found["text"] for found in map(self._records.document, keys) if found]
        if not texts:
            return False
        known = {name.lower(): (value,) for name, value in context.items()}
        return access.allows(texts, who, action, at.arn, {**self._context(at, who, texts), **known})

    def _context(self, at: Place, who: Principal, texts: list[str]) -> Context:
        kind, _, user = (who.arn or "").rpartition(":")[2].partition("/")
        found = {
            "aws:principalaccount": who.account,
            "aws:principalarn": who.arn,
            "aws:requestedregion": at.region,
            "aws:username": user if kind == "user" else None,
        }
        if who.account is not None and access.asks_for_organization(texts):
            found["aws:principalorgid"] = self._organization_of(who.account)
        return {name: (value,) for name, value in found.items() if value is not None}

    def _change(
        self, at: Place, change: Callable[[str | None], str | None], given: str | None
    ) -> str:
        """Make the policy's text what ``change`` makes of it (None: there is none); the revision.

        What is refused is refused before the revision is another, and a change that came between
        is taken in.
        """
        revisions.current(self._records, at.where, at.qualifier)
        change(self._text(at))
        revision = revisions.renew(self._records, at.where, at.qualifier, given)

        def apply(before: Value | None) -> Value | None:
            text = change(None if before is None else before["text"])
            return None if text is None else {"text": text}

        try:
            self._records.change_document(key(at), apply)
        except KeyError:
            raise not_found(*at.where, at.qualifier) from None
        self._changed(*at.where)
        return revision

    def _text(self, at: Place) -> str | None:
        found = self._records.document(key(at))
        return None if found is None else found["text"]


def check_qualifier(at: Place) -> None:
    if at.qualifier == arn.LATEST:
        raise InvalidParameterValue(NOT_FOR_LATEST)


def key(at: Place) -> DocumentKey:
    return DocumentKey(Kind.FUNCTION_POLICY, *at.where, at.qualifier or "")
