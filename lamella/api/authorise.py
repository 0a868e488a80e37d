"""What a caller must be allowed to do for a request: IAM's actions, on the ARNs the request names.

Asked of callers whom policies limit: those of their access key, or of the role whose session they
are; `lamella.accounts.limits` decides. Which action and which resource an operation is about is AWS's:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamella.accounts.conditions import Context
from lamella.accounts.identity import session_role
from lamella.accounts.limits import Limits
from lamella.api.caller import Caller
from lamella.errors import AccessDenied
from lamella.model import arn

Request = Mapping[str, Any]
Need = tuple[str, str]
"""An action (``lambda:InvokeFunction``) and the ARN it is about, ``*`` where it is about none."""
RoleArn = Callable[[str, str], str | None]
"""The ARN of an account's role by its name, None if there is no such role; blocking."""

# Operations that go by the permission of another.
_ACTIONS = {
    "Invoke": "InvokeFunction",
    "InvokeWithResponseStream": "InvokeFunction",
    "GetLayerVersionByArn": "GetLayerVersion",
}
# Operations about no resource, although they may name one to filter by.
_ABOUT_NONE = frozenset(
    {
        "CreateCodeSigningConfig",
        "CreateEventSourceMapping",
        "ListEventSourceMappings",
        "ListLayerVersions",
    }
)
_FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
_PASS_ROLE = "iam:PassRole"
_PASSED: Context = {"iam:passedtoservice": ("lambda.amazonaws.com",)}
_PARTITION = re.compile(r"\Aarn:(?:aws[a-zA-Z-]*)?:")
_BY_ARN = (
    "CodeSigningConfigArn",
    "Arn",
    "Resource",
    "ResourceArn",
    "DurableExecutionArn",
    "resourceArn",
    "PolicyArn",
    "RoleArn",
)


def check(
    caller: Caller,
    service: str,
    operation: str,
    request: Request,
    role_arn: RoleArn = lambda account, name: None,
) -> None:
    """AccessDenied unless the caller may send ``request`` (by member name) to ``operation``."""
    if caller.limits is None or f"{service}:{operation}" in _FREE:
        return
    context = _context(caller, request)
    for action, resource in needs(caller, service, operation, request, role_arn):
        if action == _PASS_ROLE:
            _check(caller, caller.limits, action, resource, {**context, **_PASSED})
        else:
            _check(caller, caller.limits, action, resource, context)


def check_one(caller: Caller, action: str, resource: str) -> None:
    """AccessDenied unless the caller may do ``action`` (``lambda:InvokeFunctionUrl``) there."""
    if caller.limits is not None:
        _check(caller, caller.limits, action, resource, _context(caller, {}))


def unlimited(caller: Caller, what: str) -> None:
    """AccessDenied for callers whom a policy limits, as no action of IAM covers ``what``, and for
    sessions of roles, which are functions for the most part."""
    if caller.limits is not None or session_role(caller.principal_arn) is not None:
        raise AccessDenied(
            f"{what} is not for access keys with a policy, nor for sessions of roles."
        )


def needs(
    caller: Caller,
    service: str,
    operation: str,
    request: Request,
    role_arn: RoleArn = lambda account, name: None,
) -> Iterator[Need]:
    """All that a request takes."""
    if service == "lambda":
        yield from _of_lambda(caller, operation, request)
    elif service == "iam":
        yield f"iam:{operation}", _of_iam(caller, request, role_arn)
    else:
        for resource in _NEIGHBOURS[service](caller, request):
            yield f"{service}:{operation}", resource


def _of_lambda(caller: Caller, operation: str, request: Request) -> Iterator[Need]:
    action = f"lambda:{_ACTIONS.get(operation, operation)}"
    yield action, "*" if operation in _ABOUT_NONE else _resource(caller, request)
    if "FunctionName" in request and "CodeSigningConfigArn" in request:
        yield action, _function(caller, request)
    for layer in request.get("Layers", ()):
        yield "lambda:GetLayerVersion", _canonical(layer)
    if "Role" in request:
        yield _PASS_ROLE, request["Role"]


def _resource(caller: Caller, request: Request) -> str:
    place = f"{caller.region}:{caller.account}"
    if "UUID" in request:
        return f"arn:aws:lambda:{place}:event-source-mapping:{request['UUID']}"
    if "LayerName" in request:
        return _layer(caller, request)
    named = _by_arn(caller, request)
    return _function(caller, request) if named == "*" and "FunctionName" in request else named


def _function(caller: Caller, request: Request) -> str:
    text = str(request["FunctionName"])
    named = arn.parse_function(text) or arn.FunctionName(None, None, text, None)
    return arn.function(
        named.account or caller.account,
        named.region or caller.region,
        named.name,
        request.get("Qualifier") or named.qualifier,
    )


def _layer(caller: Caller, request: Request) -> str:
    text = str(request["LayerName"])
    named = arn.parse_layer(text) or arn.LayerArn(caller.region, caller.account, text, None)
    base = arn.layer(named.account, named.region, named.name)
    version = request.get("VersionNumber")
    return base if version is None else f"{base}:{version}"


def _by_arn(caller: Caller, request: Request) -> str:
    return next((_canonical(str(request[name])) for name in _BY_ARN if request.get(name)), "*")


def _canonical(text: str) -> str:
    """An ARN as policies write it: what is understood in several spellings is decided about in one."""
    layer = arn.parse_layer(text)
    if layer is not None:
        base = arn.layer(layer.account, layer.region, layer.name)
        return base if layer.version is None else f"{base}:{layer.version}"
    return _PARTITION.sub("arn:aws:", text)


def _of_logs(caller: Caller, request: Request) -> Iterator[str]:
    """Log groups by name or ARN; operations about none of them are about the group of no name."""
    groups = [request.get("logGroupName") or request.get("logGroupIdentifier")]
    groups = [*(request.get("logGroupIdentifiers") or groups)]
    named = _by_arn(caller, request)
    for group in groups if named == "*" else [named]:
        if str(group).startswith("arn:"):
            yield str(group)
        else:
            stream = request.get("logStreamName") or ""
            place = f"{caller.region}:{caller.account}"
            yield f"arn:aws:logs:{place}:log-group:{group or ''}:log-stream:{stream}"


def _of_iam(caller: Caller, request: Request, role_arn: RoleArn) -> str:
    """What is named by name alone is meant with the path that it has, or is to have."""
    path = str(request.get("Path") or "/")
    for member, kind in (("RoleName", "role"), ("UserName", "user"), ("PolicyName", "policy")):
        if request.get(member):
            name = str(request[member])
            kept = (
                role_arn(caller.account, name) if kind == "role" and "Path" not in request else None
            )
            return kept or f"arn:aws:iam::{caller.account}:{kind}{path}{name}"
    return _by_arn(caller, request)


def _of_sts(caller: Caller, request: Request) -> Iterator[str]:
    yield _by_arn(caller, request)


_NEIGHBOURS = {"logs": _of_logs, "sts": _of_sts}


def _context(caller: Caller, request: Request) -> Context:
    """The condition keys of `lamella.accounts.conditions.KEYS` that apply to a request."""
    role = caller.limits.role if caller.limits else ""  # whose ARN stands for all of its sessions
    found: dict[str, tuple[str, ...]] = {
        "aws:principalaccount": (caller.account,),
        "aws:principalarn": (role or caller.principal_arn,),
        "aws:requestedregion": (caller.region,),
    }
    kind, _, name = caller.principal_arn.rpartition(":")[2].partition("/")
    if kind == "user":
        found["aws:username"] = (name,)
    if request.get("Layers"):
        found["lambda:layer"] = tuple(map(_canonical, request["Layers"]))
    if "Principal" in request:
        found["lambda:principal"] = (str(request["Principal"]),)
    return found


def _check(caller: Caller, limits: Limits, action: str, resource: str, context: Context) -> None:
    why = limits.refusal(action, resource, context)
    if why is not None:
        raise AccessDenied(
            f"User: {caller.principal_arn} is not authorized to perform: {action} on resource: "
            f"{resource} {why}"
        )
