"""How far operations reach: which are kept without effect, which are refused, and why.

An operation that is in neither table does what AWS documents.
"""

from __future__ import annotations

from collections.abc import Mapping

COVERAGE_PAGE = "docs/api-coverage.md"

_UNSIGNED = "signatures are not checked"
_ONE_RUNTIME = "the interpreter that the host has is the one that runs"
_NO_INSTANCES = "environments start as callers come and end when they are idle"
_NO_DURABLE = "durable executions are not built: an invocation ends within its function's timeout"
_NO_CAPACITY = "functions run on the machine of this server, so there are no capacity providers"

STORED: Mapping[str, str] = {
    "CreateCodeSigningConfig": _UNSIGNED,
    "PutFunctionCodeSigningConfig": _UNSIGNED,
    "UpdateCodeSigningConfig": _UNSIGNED,
    "PutFunctionScalingConfig": _NO_INSTANCES,
    "PutRuntimeManagementConfig": _ONE_RUNTIME,
}
"""Operations whose input is checked, kept and given back, and what does not come of it."""

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "CheckpointDurableExecution",
            "DeleteDurableExecution",
            "GetDurableExecution",
            "GetDurableExecutionHistory",
            "GetDurableExecutionState",
            "ListDurableExecutionsByFunction",
            "PauseDurableExecution",
            "ResumeDurableExecution",
            "SendDurableExecutionCallbackFailure",
            "SendDurableExecutionCallbackHeartbeat",
            "SendDurableExecutionCallbackSuccess",
            "StopDurableExecution",
        ),
        _NO_DURABLE,
    ),
    **dict.fromkeys(
        (
            "CreateCapacityProvider",
            "DeleteCapacityProvider",
            "GetCapacityProvider",
            "ListCapacityProviders",
            "ListFunctionVersionsByCapacityProvider",
            "UpdateCapacityProvider",
        ),
        _NO_CAPACITY,
    ),
}
"""Operations that are answered with 501, and why."""


STORED_MEMBERS: Mapping[str, str] = {
    "KMSKeyArn": "variables and code are kept as they are",
    "SnapStart": "for Python it is done; versions in Java start as others do, and say "
    "OptimizationStatus Off",
    "SystemLogLevel": "the lines of the platform are written, as text, at every level",
    "TracingConfig": "no segments are sent anywhere; the trace header is passed on",
    "VpcConfig": "the server's settings decide which functions have a network, and which",
}
"""Members of a function's configuration that are checked, kept and given back, and no more."""


def why_not(operation: str) -> str:
    """What a caller is told of an operation that no function serves."""
    reason = REFUSED.get(operation)
    if reason is None:
        return f"{operation} is not served: {COVERAGE_PAGE} lists what is."
    return f"{operation} is not served: {reason}. {COVERAGE_PAGE} lists what is."
