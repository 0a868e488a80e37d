"""Tags of functions, event source mappings and code signing configurations.

A function's tags are kept with the function, those of other resources in a document of their own.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lamella.errors import InvalidParameterValue, ResourceNotFound
from lamella.functions import network, revisions
from lamella.functions.delete import versions
from lamella.functions.workshop import Workshop, not_found
from lamella.model import arn
from lamella.model.document import DocumentKey, Kind
from lamella.records.base import Records
from lamella.runtimes.forking import TAG as PRELOAD

MOST = 50
RESERVED = "aws:"
TOO_MANY = "Number of tags exceeds resource tag limit."
NOTHING_THERE = "The resource you requested does not exist."

Tags = Mapping[str, str]
_RESOURCE = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"(?P<kind>[a-z-]+):(?P<name>[^:]+)"
)
_KINDS = {
    "event-source-mapping": Kind.EVENT_SOURCE,
    "code-signing-config": Kind.CODE_SIGNING,
}


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be tagged besides functions: ``at`` is its own document, ``arn`` is canonical."""

    at: DocumentKey
    arn: str

    @property
    def tags_at(self) -> DocumentKey:
        return DocumentKey(Kind.TAGS, self.at.account, self.at.region, self.arn)

    @property
    def missing(self) -> ResourceNotFound:
        if self.at.kind is Kind.CODE_SIGNING:
            return ResourceNotFound(
                f"The Lambda code signing configuration {self.arn} can not be found."
            )
        return ResourceNotFound(NOTHING_THERE)


def resource(account: str, region: str, text: str) -> Resource:
    """What an ARN that is no function's means. ResourceNotFound for other accounts and regions."""
    parts = _RESOURCE.fullmatch(text)
    kind = _KINDS.get(parts["kind"]) if parts else None
    if parts is None or kind is None or (parts["account"], parts["region"]) != (account, region):
        raise ResourceNotFound(NOTHING_THERE)
    name = parts["name"].lower() if kind is Kind.EVENT_SOURCE else parts["name"]
    named = f"arn:aws:lambda:{region}:{account}:{parts['kind']}:{name}"
    return Resource(DocumentKey(kind, account, region, name), named)


def of(records: Records, owner: Resource) -> Tags:
    """The tags of a resource. Raises ResourceNotFound."""
    if records.document(owner.at) is None:
        raise owner.missing
    return records.document(owner.tags_at) or {}


def change(records: Records, owner: Resource, changed: Callable[[Tags], Tags]) -> None:
    """Replace the tags of a resource, alone. Raises ResourceNotFound and what ``changed`` raises."""

    def apply(before: Tags | None) -> Tags | None:
        if records.document(owner.at) is None:
            raise owner.missing
        return changed(before or {}) or None

    records.change_document(owner.tags_at, apply)


def forget(records: Records, owner: Resource) -> None:
    """To be called when a resource is deleted."""
    records.change_document(owner.tags_at, lambda before: None)


def of_function(records: Records, account: str, region: str, name: str) -> Tags:
    """The tags of a function. Raises ResourceNotFound."""
    if records.function(account, region, name, arn.LATEST) is None:
        raise not_found(account, region, name)
    return records.function_tags(account, region, name)


def change_function(
    shop: Workshop, account: str, region: str, name: str, changed: Callable[[Tags], Tags]
) -> None:
    """`change` for a function, which gets a new revision with it, and new environments if its
    network is another."""
    records, found = shop.records, []

    def apply(before: Tags) -> Tags:
        after = changed(before)
        found.append(network.differs(before, after) or before.get(PRELOAD) != after.get(PRELOAD))
        return after

    try:
        records.change_function_tags(account, region, name, apply)
        revisions.renew(records, (account, region, name))
    except KeyError:
        raise not_found(account, region, name) from None
    if any(found):
        for version in versions(shop, account, region, name):
            shop.changed(version)


def adding(tags: Tags) -> Callable[[Tags], Tags]:
    """The change that TagResource makes. InvalidParameterValue for no tags or tags of AWS's own."""
    if not tags:
        raise InvalidParameterValue("An error occurred and the request cannot be processed.")
    check_keys(tags)
    network.check(tags)

    def added(before: Tags) -> Tags:
        after = {**before, **tags}
        check_number(after)
        return after

    return added


def removing(keys: Iterable[str]) -> Callable[[Tags], Tags]:
    """The change that UntagResource makes; keys that are not there are passed over."""
    gone = frozenset(keys)
    check_keys(gone)
    return lambda before: {key: value for key, value in before.items() if key not in gone}


def check(tags: Tags) -> None:
    """Tags that something is created with. Raises InvalidParameterValue."""
    check_keys(tags)
    check_number(tags)
    network.check(tags)


def check_number(tags: Tags) -> None:
    if len(tags) > MOST:
        raise InvalidParameterValue(TOO_MANY)


def check_keys(keys: Iterable[str]) -> None:
    """Keys under ``aws:`` are AWS's own, in any case of letters.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
    """
    if any(key.lower().startswith(RESERVED) for key in keys):
        raise InvalidParameterValue("aws: prefixed tag key names are not allowed for external use.")
