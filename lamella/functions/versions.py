"""PublishVersion: ``$LATEST`` as it is now, under a number that is never given again.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamella.errors import InvalidParameterValue
from lamella.functions import revisions
from lamella.functions.ready import new_revision
from lamella.functions.rules import check_revision, check_served
from lamella.functions.workshop import Workshop, creating, not_found
from lamella.layers.packages import code_sha256
from lamella.model.function import Function, State, UpdateStatus

_NOT_COMPARED = (
    "version",
    "revision_id",
    "last_modified",
    "state",
    "state_reason",
    "state_reason_code",
    "last_update_status",
    "last_update_status_reason",
    "last_update_status_reason_code",
)


def publish(
    shop: Workshop, account: str, region: str, name: str, request: Mapping[str, Any]
) -> Function:
    """Publish; unchanged code and configuration give the last version again.

    Raises ResourceNotFound, PreconditionFailed, and InvalidParameterValue for another CodeSha256.
    """
    check_served(request)
    shop.settled(account, region, name)
    return snapshot(shop, account, region, name, request)


def snapshot(
    shop: Workshop, account: str, region: str, name: str, request: Mapping[str, Any]
) -> Function:
    """`publish` without waiting for ``$LATEST``: while that is not ready the version is Pending and
    gets ready by itself, and so is one that is initialised once for all of its environments."""
    revision = new_revision()

    def build(latest: Function, number: int, last: Function | None) -> Function | None:
        check_revision(request.get("RevisionId"), latest.revision_id)
        check_sha(request.get("CodeSha256"), latest)
        if last is not None and same(latest, last):
            return None
        described = request.get("Description", latest.description)
        version = replace(latest, version=str(number), description=described)
        is_pending = version.has_snapshot or not is_ready(latest)
        fresh = {**(creating() if is_pending else {}), "revision_id": revision}
        return replace(version, **fresh)

    try:
        version = shop.records.publish_function(account, region, name, build)
    except KeyError:
        raise not_found(account, region, name) from None
    if version.revision_id == revision:
        revisions.renew(shop.records, (account, region, name))
        if not is_ready(version):
            shop.readying.begin(version)
    return version


def is_ready(function: Function) -> bool:
    """What is published of it is ready, too: it is the same code with the same layers."""
    successful = function.last_update_status is UpdateStatus.SUCCESSFUL
    return function.state is State.ACTIVE and successful


def same(latest: Function, published: Function) -> bool:
    """Whether ``published`` is what publishing ``latest`` would give.

    Its description may be PublishVersion's own, so it counts only if there was an update since. What
    failed is tried again under the next number.
    """
    if published.state is State.FAILED:
        return False
    if latest.last_modified == published.last_modified:
        return True
    kept = {name: getattr(latest, name) for name in _NOT_COMPARED}
    return replace(published, **kept) == latest


def check_sha(given: str | None, latest: Function) -> None:
    current = code_sha256(latest.code.digest)
    if given and given != current:
        raise InvalidParameterValue(
            f"CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
