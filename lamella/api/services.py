"""What operations work with. `wiring` fills it; an operation takes from it what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from lamella.accounts.assume import Assuming
from lamella.accounts.managed import ManagedPolicies
from lamella.accounts.roles import Roles
from lamella.accounts.sessions import Sessions
from lamella.api.known_urls import KnownUrls
from lamella.api.links import Links
from lamella.functions.aliases import Aliases
from lamella.functions.concurrency import Concurrency
from lamella.functions.event_invoke import EventInvokeConfigs
from lamella.functions.mappings import Mappings
from lamella.functions.permissions import Permissions
from lamella.functions.provisioned import Provisioned
from lamella.functions.urls import Urls
from lamella.functions.workshop import Workshop
from lamella.invoke.dispatch import Dispatcher
from lamella.invoke.grants import Grants
from lamella.invoke.queue import Queue
from lamella.invoke.sources import Sources
from lamella.invoke.stream import Streams
from lamella.layers.policy import Policies
from lamella.layers.publish import Publishing
from lamella.logs.groups import Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts below the API, one field each."""

    publishing: Publishing
    policies: Policies
    links: Links
    workshop: Workshop
    dispatcher: Dispatcher
    streams: Streams
    urls: Urls
    known_urls: KnownUrls
    aliases: Aliases
    concurrency: Concurrency
    permissions: Permissions
    grants: Grants
    provisioned: Provisioned
    event_invoke: EventInvokeConfigs
    queue: Queue
    mappings: Mappings
    sources: Sources
    groups: Groups
    sessions: Sessions
    roles: Roles
    managed: ManagedPolicies
    assuming: Assuming
