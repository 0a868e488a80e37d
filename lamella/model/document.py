"""Documents: the small things that are kept beside layers and functions, each a JSON object.

An alias, a URL's configuration, a role: they are asked for by name, listed in order and changed
one at a time, and nothing else is asked of them; so one table keeps them all. The noun's own
module knows what its document holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

GLOBAL = "aws-global"
"""The region of what belongs to an account in all of them."""


class Kind(StrEnum):
    """What a document is. Beside each: what ``name`` and ``key`` of its `DocumentKey` are."""

    ALIAS = "alias"  # function, alias
    FUNCTION_POLICY = "function-policy"  # function, qualifier or ""
    CONCURRENCY = "concurrency"  # function, ""
    PROVISIONED = "provisioned-concurrency"  # function, qualifier
    EVENT_INVOKE = "event-invoke-config"  # function, qualifier
    URL = "function-url"  # function, alias or ""; handle: the URL's id
    RUNTIME_MANAGEMENT = "runtime-management"  # function, qualifier
    RECURSION = "recursion"  # function, ""
    SCALING = "scaling"  # function, qualifier
    FAILURES = "failures"  # function, ""
    FUNCTION_SIGNING = "function-code-signing"  # function, ""
    CODE_SIGNING = "code-signing-config"  # id, ""
    EVENT_SOURCE = "event-source-mapping"  # uuid, ""; handle: the uuid
    TAGS = "tags"  # ARN of the resource, ""; functions have a table of their own
    ACCESS_KEY = "access-key"  # access key id, ""; handle: the access key id
    ORGANIZATION = "organization"  # organization id, ""; a member: its account; handle: the account
    ROLE = "role"  # role, ""
    MANAGED_POLICY = "managed-policy"  # policy, ""
    LOG_GROUP = "log-group"  # log group, ""
    LEARNED = "learned-imports"  # runtime, digest of the layers' digests


OF_FUNCTION = frozenset(
    {
        Kind.ALIAS,
        Kind.FUNCTION_POLICY,
        Kind.CONCURRENCY,
        Kind.PROVISIONED,
        Kind.EVENT_INVOKE,
        Kind.URL,
        Kind.RUNTIME_MANAGEMENT,
        Kind.RECURSION,
        Kind.SCALING,
        Kind.FAILURES,
        Kind.FUNCTION_SIGNING,
    }
)
"""Kinds whose ``name`` is a function: they can only be made while it is there and go with it."""


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """Where a document is kept. ``key`` is empty where a name has one document of the kind."""

    kind: Kind
    account: str
    region: str
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its place; ``handle`` finds it without its place, and is unique in a kind."""

    at: DocumentKey
    value: Mapping[str, Any]
    handle: str | None = None
