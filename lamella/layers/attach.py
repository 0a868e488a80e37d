"""From the layer ARNs that a function names to the layer versions that it keeps.

Owns the rules of attaching
(https://docs.aws.amazon.com/lambda/latest/dg/adding-layers.html); what a function does with
them, and when its list counts as changed, is `lamella.functions`'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamella.errors import AccessDenied, InvalidParameterValue, UnzippedTooLarge
from lamella.layers.policy import ACTION, allows
from lamella.model import arn, limits
from lamella.model.layer import LayerRef, LayerVersion
from lamella.records.base import Records

# the organization an account belongs to, None if to none
OrganizationOf = Callable[[str], str | None]


class Attaching:
    """Resolves layer ARNs, in the order AWS checks them."""

    def __init__(
        self, records: Records, *, organization_of: OrganizationOf = lambda account: None
    ) -> None:
        self._records = records
        self._organization_of = organization_of

    def resolve(
        self,
        account: str,
        region: str,
        arns: Sequence[str],
        *,
        keep: Sequence[LayerRef] = (),
        principal_arn: str | None = None,
    ) -> tuple[LayerRef, ...]:
        """What a function of ``account`` and ``region`` that names ``arns`` is to keep, in order.

        ``keep`` is what the function has now: the same list again is no change, and so stays
        valid after versions in it were deleted or revoked; any other list must do without them.
        Raises InvalidParameterValue, or AccessDenied for another account's version without a grant.
        The caller holds what it got by `Collecting.writing` until its row is stored.
        """
        if arns and tuple(arns) == tuple(ref.arn for ref in keep):
            return tuple(keep)
        check_count(arns)
        who = principal_arn or f"arn:aws:iam::{account}:root"
        refs = tuple(self._one(account, region, text, who) for text in arns)
        check_distinct(arns)
        return refs

    def _one(self, account: str, region: str, text: str, who: str) -> LayerRef:
        named = arn.parse_layer(text)
        if named is None or named.version is None:
            raise _missing(text)
        if named.region != region:
            raise InvalidParameterValue(
                "Layers are not in the same region as the function. "
                f"Layers are expected to be in region {region}."
            )
        key = (named.account, named.region, named.name, named.version)
        version = self._records.layer_version(*key)
        if named.account != account:
            # another account may not learn whether a version exists that it may not use
            granted = version is not None and allows(
                self._records.layer_policy(*key), account, self._organization_of(account)
            )
            if not granted:
                raise denied(who, ACTION, text)
        if version is None:
            raise _missing(text)
        return to_ref(version)


def check_count(arns: Sequence[str]) -> None:
    if len(arns) > limits.LAYERS_PER_FUNCTION:
        raise InvalidParameterValue(
            f"Cannot reference more than {limits.LAYERS_PER_FUNCTION} layers."
        )


def check_distinct(arns: Sequence[str]) -> None:
    """Refuse a layer that is named twice, in one version or in two (AWS has one wording)."""
    seen: dict[str, str] = {}
    for text in arns:
        name = text.rpartition(":")[0]
        if name in seen:
            raise InvalidParameterValue(
                "Two different versions of the same layer are not allowed to be referenced in "
                f"the same function. {seen[name]} and {text} are versions of the same layer."
            )
        seen[name] = text


def check_unzipped(function_bytes: int, layers: Sequence[LayerRef]) -> None:
    """Refuse a function whose code and layers unpack to more than 250 MB together."""
    total = function_bytes + sum(layer.unzipped_size for layer in layers)
    if total > limits.UNZIPPED_BYTES:
        raise UnzippedTooLarge(limits.UNZIPPED_BYTES)


def to_ref(version: LayerVersion) -> LayerRef:
    return LayerRef(
        arn=version.arn,
        digest=version.digest,
        code_size=version.code_size,
        unzipped_size=version.unzipped_size,
    )


def denied(who: str, action: str, resource: str) -> AccessDenied:
    """What IAM says when no policy of the resource grants ``action``."""
    return AccessDenied(
        f"User: {who} is not authorized to perform: {action} on resource: {resource} "
        f"because no resource-based policy allows the {action} action"
    )


def _missing(text: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Layer version {text} does not exist.")
