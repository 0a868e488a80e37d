"""The statements that AddPermission writes: what may be asked for, and how AWS words it. Pure.

Sources: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html,
https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lamella.errors import (
    InvalidParameterValue,
    PolicyLengthExceeded,
    ResourceConflict,
    ResourceNotFound,
)
from lamella.layers.policy import to_text
from lamella.model import limits

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com)")
_IDENTITY = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:(root|[a-z-]+/[^\s:*]+)", re.ASCII)

_EQUALS = {
    "FunctionUrlAuthType": "lambda:FunctionUrlAuthType",
    "PrincipalOrgID": "aws:PrincipalOrgID",
    "SourceAccount": "AWS:SourceAccount",
    "EventSourceToken": "lambda:EventSourceToken",
}
"""Members that become a condition StringEquals, by the key that AWS gives them."""


def statement(request: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """What an AddPermission on ``resource`` (an ARN) adds. Raises InvalidParameterValue."""
    action = request["Action"]
    if "FunctionUrlAuthType" in request and action != "lambda:InvokeFunctionUrl":
        raise InvalidParameterValue(
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
        )
    if "InvokedViaFunctionUrl" in request and action != "lambda:InvokeFunction":
        raise InvalidParameterValue(
            "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action"
        )
    shown: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal(request["Principal"]),
        "Action": action,
        "Resource": resource,
    }
    conditions = _conditions(request)
    return {**shown, "Condition": conditions} if conditions else shown


def principal(given: str) -> str | dict[str, str]:
    """The element Principal: an account becomes its root. Raises InvalidParameterValue."""
    if given == "*":
        return given
    if _ACCOUNT.fullmatch(given):
        return {"AWS": f"arn:aws:iam::{given}:root"}
    if _IDENTITY.fullmatch(given):
        return {"AWS": given}
    if _SERVICE.fullmatch(given):
        return {"Service": given}
    raise InvalidParameterValue(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _conditions(request: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    equals = {key: request[member] for member, key in _EQUALS.items() if request.get(member)}
    if equals:
        found["StringEquals"] = equals
    if request.get("SourceArn"):
        found["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if "InvokedViaFunctionUrl" in request:
        via = "true" if request["InvokedViaFunctionUrl"] else "false"
        found["Bool"] = {"lambda:InvokedViaFunctionUrl": via}
    return found


def added(policy: str | None, new: Mapping[str, Any]) -> str:
    """A policy's text with one more statement.

    Raises ResourceConflict for an id that is taken, PolicyLengthExceeded over 20,480 bytes.
    """
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Id": "default"}
    before = listed(document)
    if any(each.get("Sid") == new["Sid"] for each in before):
        raise ResourceConflict(
            f"The statement id ({new['Sid']}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    text = to_text({**document, "Statement": [*before, new]})
    check_length(text)
    return text


def removed(policy: str, sid: str) -> str | None:
    """A policy's text with one statement less, None when that was the last.

    Raises ResourceNotFound for an id that is not there.
    """
    document = json.loads(policy)
    before = listed(document)
    after = [each for each in before if each.get("Sid") != sid]
    if len(after) == len(before):
        raise ResourceNotFound(f"Statement {sid} is not found in resource policy.")
    return to_text({**document, "Statement": after}) if after else None


def listed(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements; a policy of one may have it without a list."""
    found = document.get("Statement", [])
    return [found] if isinstance(found, dict) else found


def check_length(text: str) -> None:
    size = len(text.encode())
    if size > limits.POLICY_BYTES:
        raise PolicyLengthExceeded(
            f"The final policy size ({size}) is bigger than the limit ({limits.POLICY_BYTES})."
        )
