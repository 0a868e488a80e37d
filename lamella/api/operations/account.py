"""The account: its quotas in a region, and what is used of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.api.caller import Caller
from lamella.api.services import Services
from lamella.functions import account
from lamella.model import limits


def get_account_settings(
    services: Services, caller: Caller, request: Mapping[str, Any]
) -> dict[str, Any]:
    used = account.usage(services.workshop.records, caller.account, caller.region)
    return {
        "AccountLimit": _limit(used, services.concurrency.limit),
        "AccountUsage": {"TotalCodeSize": used.code_size, "FunctionCount": used.functions},
    }


def _limit(used: account.Usage, concurrency: int) -> dict[str, int]:
    return {
        "TotalCodeSize": limits.CODE_STORAGE_BYTES,
        "CodeSizeUnzipped": limits.UNZIPPED_BYTES,
        "CodeSizeZipped": limits.ZIP_BYTES,
        "ConcurrentExecutions": concurrency,
        "UnreservedConcurrentExecutions": account.unreserved(used, concurrency),
    }
