"""Code signing configurations, and which function has which.

They are stored and returned, and nothing more: no signature of code is checked, whatever the
configuration says.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamella.errors import CodeSigningConfigNotFound, ResourceConflict
from lamella.functions import tags
from lamella.functions.workshop import not_found
from lamella.model import arn
from lamella.model.document import Document, DocumentKey, Kind
from lamella.model.function import Function
from lamella.records.base import Page, Records

WARN = "Warn"
ID_CHARACTERS = string.ascii_lowercase + string.digits
ID_LENGTH = 17
PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSigningConfig:
    """``publishers`` are ARNs of signing profile versions, ``policy`` is ``Warn`` or ``Enforce``."""

    account: str
    region: str
    id: str
    publishers: tuple[str, ...]
    policy: str
    description: str | None
    last_modified: datetime

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:code-signing-config:{self.id}"


def new_id() -> str:
    return "csc-" + "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))


def create(records: Records, config: CodeSigningConfig, its_tags: tags.Tags) -> None:
    """Keep a new configuration. Raises InvalidParameterValue for its tags."""
    tags.check(its_tags)
    owner = tags.resource(config.account, config.region, config.arn)
    records.change_document(owner.at, lambda before: _value(config))
    if its_tags:
        tags.change(records, owner, lambda before: its_tags)


def get(records: Records, account: str, region: str, its_arn: str) -> CodeSigningConfig:
    """Raises ResourceNotFound."""
    owner = _owner(account, region, its_arn)
    found = records.document(owner.at)
    if found is None:
        raise owner.missing
    return _config(owner.at, found)


def update(
    records: Records, account: str, region: str, its_arn: str, changes: Mapping[str, Any]
) -> CodeSigningConfig:
    """Replace the fields that ``changes`` names. Raises ResourceNotFound."""
    owner = _owner(account, region, its_arn)

    def change(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if before is None:
            raise owner.missing
        return _value(replace(_config(owner.at, before), **changes))

    after = records.change_document(owner.at, change)
    assert after is not None
    return _config(owner.at, after)


def delete(records: Records, account: str, region: str, its_arn: str) -> None:
    """Raises ResourceNotFound, and ResourceConflict while a function has it."""
    owner = _owner(account, region, its_arn)

    def change(before: Mapping[str, Any] | None) -> None:
        if before is None:
            raise owner.missing
        if next(_users(records, account, region, owner.arn), None) is not None:
            raise ResourceConflict(
                f"The code signing configuration {owner.arn} is in use and cannot be deleted. "
                "Remove it from its functions first."
            )

    records.change_document(owner.at, change)
    tags.forget(records, owner)


def listed(
    records: Records, account: str, region: str, *, after: str | None, limit: int
) -> Page[CodeSigningConfig]:
    page = records.documents(Kind.CODE_SIGNING, account, region, after=after, limit=limit)
    return Page(tuple(_config(each.at, each.value) for each in page.rows), page.next)


def functions_of(
    records: Records, account: str, region: str, its_arn: str, *, after: str | None, limit: int
) -> Page[str]:
    """ARNs of the functions that have a configuration, by name. Raises ResourceNotFound."""
    owner = _owner(account, region, its_arn)
    if records.document(owner.at) is None:
        raise owner.missing
    found: list[str] = []
    for each in _users(records, account, region, owner.arn, after):
        if len(found) == limit:
            return Page(tuple(arn.function(account, region, name) for name in found), found[-1])
        found.append(each.at.name)
    return Page(tuple(arn.function(account, region, name) for name in found), None)


def put(records: Records, account: str, region: str, name: str, its_arn: str) -> None:
    """Give a function a configuration. Raises ResourceNotFound, CodeSigningConfigNotFound."""

    def change(before: Mapping[str, Any] | None) -> Mapping[str, Any]:
        check(records, account, region, its_arn)
        return {"arn": its_arn}

    try:
        records.change_document(_of_function(account, region, name), change)
    except KeyError:
        raise not_found(account, region, name) from None


def adopt(records: Records, function: Function, its_arn: str) -> None:
    """`put` for a function that is being created: without its configuration it does not stay."""
    try:
        put(records, function.account, function.region, function.name, its_arn)
    except CodeSigningConfigNotFound:
        records.remove_function(function.account, function.region, function.name)
        raise


def check(records: Records, account: str, region: str, its_arn: str) -> None:
    """Raises CodeSigningConfigNotFound if there is no such configuration."""
    owner = _owner(account, region, its_arn)
    if records.document(owner.at) is None:
        raise CodeSigningConfigNotFound(
            "The code signing configuration cannot be found. Check that the provided "
            f"configuration is not deleted: {its_arn}."
        )


def of_function(records: Records, account: str, region: str, name: str) -> str | None:
    """The ARN of a function's configuration, None without one. Raises ResourceNotFound."""
    if records.function(account, region, name, arn.LATEST) is None:
        raise not_found(account, region, name)
    found = records.document(_of_function(account, region, name))
    return None if found is None else str(found["arn"])


def remove(records: Records, account: str, region: str, name: str) -> None:
    """Take a function's configuration away, if it has one. Raises ResourceNotFound."""
    try:
        records.change_document(_of_function(account, region, name), lambda before: None)
    except KeyError:
        raise not_found(account, region, name) from None


def _owner(account: str, region: str, its_arn: str) -> tags.Resource:
    """The configuration that an ARN names; those of other accounts are not there."""
    named = its_arn.rpartition(":")[2]
    own = f"arn:aws:lambda:{region}:{account}:code-signing-config:{named}"
    at = DocumentKey(Kind.CODE_SIGNING, account, region, named if own == its_arn else "")
    return tags.Resource(at, its_arn)


def _of_function(account: str, region: str, name: str) -> DocumentKey:
    return DocumentKey(Kind.FUNCTION_SIGNING, account, region, name)


def _users(
    records: Records, account: str, region: str, its_arn: str, after: str | None = None
) -> Iterator[Document]:
    """The functions that have a configuration, by name, from beyond the name ``after``."""
    marker = None if after is None else f"{after}|"
    while True:
        page = records.documents(Kind.FUNCTION_SIGNING, account, region, after=marker, limit=PAGE)
        yield from (each for each in page.rows if each.value["arn"] == its_arn)
        marker = page.next
        if marker is None:
            return


def _value(config: CodeSigningConfig) -> Mapping[str, Any]:
    return {
        "publishers": list(config.publishers),
        "policy": config.policy,
        "description": config.description,
        "last_modified": config.last_modified.isoformat(),
    }


def _config(at: DocumentKey, value: Mapping[str, Any]) -> CodeSigningConfig:
    publishers: Sequence[str] = value["publishers"]
    return CodeSigningConfig(
        account=at.account,
        region=at.region,
        id=at.name,
        publishers=tuple(publishers),
        policy=value["policy"],
        description=value["description"],
        last_modified=datetime.fromisoformat(value["last_modified"]),
    )
