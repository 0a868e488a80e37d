"""`build`: every part of a server, chosen and connected. The only module that names a backend."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import uvicorn
from prometheus_client import CollectorRegistry

from lamella.accounts import organizations
from lamella.accounts.sessions import Sessions
from lamella.api import links, neighbourhood, server
from lamella.api.access import AccessLog
from lamella.api.admission_metrics import AdmissionMetrics
from lamella.api.app import App
from lamella.api.auth import Auth
from lamella.api.contract import Contract
from lamella.api.doors import Doors
from lamella.api.environment_metrics import EnvironmentMetrics
from lamella.api.event_metrics import EventMetrics
from lamella.api.failure_metrics import FailureMetrics
from lamella.api.known_urls import KnownUrls
from lamella.api.metrics import RequestMetrics
from lamella.api.pages import Pages
from lamella.api.registry import modules, registry
from lamella.api.services import Services
from lamella.api.urls import UrlFront
from lamella.api.warm_metrics import WarmMetrics
from lamella.blobs.disk import DiskBlobs
from lamella.config import Settings
from lamella.errors import HostError
from lamella.functions.aliases import Aliases
from lamella.functions.concurrency import Concurrency, Shares
from lamella.functions.event_invoke import EventInvokeConfigs
from lamella.functions.mappings import Mappings
from lamella.functions.permissions import Permissions
from lamella.functions.provisioned import Provisioned, everywhere, plan
from lamella.functions.ready import Readying, key_of
from lamella.functions.urls import Urls
from lamella.functions.workshop import Workshop
from lamella.invoke.admission import Admission
from lamella.invoke.aws import AwsClients
from lamella.invoke.caches import LayerCaches
from lamella.invoke.callback import Callback
from lamella.invoke.compile import BoxRunner
from lamella.invoke.destinations import Senders
from lamella.invoke.dispatch import Dispatcher
from lamella.invoke.environment import Environment
from lamella.invoke.failing import Failing
from lamella.invoke.frost import Frost
from lamella.invoke.furnish import Furnisher
from lamella.invoke.grants import Grants
from lamella.invoke.ground import Ground
from lamella.invoke.java_archives import JavaArchives
from lamella.invoke.java_client import JavaClient
from lamella.invoke.learned import Learned
from lamella.invoke.memory import MemoryWatch
from lamella.invoke.node_caches import NodeCaches
from lamella.invoke.pool import Pool
from lamella.invoke.provision import Provisioner
from lamella.invoke.queue import Queue
from lamella.invoke.resolve import Resolver
from lamella.invoke.sources import Sources
from lamella.invoke.stream import Streams
from lamella.invoke.view import Warmth
from lamella.invoke.ways import Ways
from lamella.layers.attach import Attaching
from lamella.layers.bytecode import BytecodeTrees
from lamella.layers.collect import Collecting
from lamella.layers.mount import Stacks
from lamella.layers.owner import Owners
from lamella.layers.packages import Packages
from lamella.layers.policy import Policies
from lamella.layers.publish import Publishing
from lamella.layers.s3_source import S3Source
from lamella.layers.sets import SetFolders
from lamella.layers.trees import Trees
from lamella.logs.append import LogStreams
from lamella.logs.groups import Groups as LogGroups
from lamella.model.function import Function
from lamella.model.limits import UNZIPPED_BYTES
from lamella.records.sqlite import open_records
from lamella.sandbox import bubblewrap, cgroup, freezer, usage
from lamella.sandbox.cgroup import Groups
from lamella.sandbox.reserve import Reserve
from lamella.sandbox.spawn import FIRST_UID, UIDS, Spawner
from lamella.wiring.accounts import assuming, authenticator, of_boxes, role_books
from lamella.wiring.callers import batches_to, events_to
from lamella.wiring.host import (
    RECORDS,
    Folders,
    data_directory,
    files_for_environments,
    give_memory_back,
    instance,
    uplinks,
)
from lamella.wiring.own_log import set_up_logging
from lamella.wiring.runtimes import interpreters
from lamella.wiring.warm import guarded, prepared, snapped, warmed

THREADS = 32
LOG_SWEEP_SECONDS = 3_600

log = logging.getLogger("lamella")


def build(settings: Settings) -> Server:
    """A server for ``settings``; nothing is touched before it runs."""
    return Server(settings)


class Server:
    """One Lamella server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGINT or SIGTERM; ``ready`` is called with the endpoint.

        Raises HostError when this host or the data directory cannot be used, OSError when the
        address cannot, CancelledError when a SIGTERM comes before it serves.
        """
        starting = asyncio.current_task()
        assert starting is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, starting.cancel)
        give_memory_back()
        with data_directory(self._settings) as root:
            async with contextlib.AsyncExitStack() as stack:
                app, end, lost = await self._assemble(Folders(root), stack)
                await self._serve(app, ready, end, lost)
        if lost.is_set():
            raise HostError("The keeper of the boxes has ended, so the server did too.")

    async def _assemble(
        self, folders: Folders, stack: contextlib.AsyncExitStack
    ) -> tuple[App, Callable[[], object], asyncio.Event]:
        """Build every part, in the order of the house from below; the stack takes it apart."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
        # Nobody writes into the folders any more when they are left, or removed.
        stack.push_async_callback(loop.shutdown_default_executor)
        folders.prepare()
        set_up_logging(settings.log_format)
        name = instance(folders.root, ephemeral=settings.ephemeral)
        blobs = DiskBlobs(folders.root / "blobs")
        records = await asyncio.to_thread(open_records, folders.root / RECORDS)
        stack.callback(records.close)
        organization_of = partial(organizations.of, records)
        sessions = Sessions(links.key_at(folders.root / "session.key"), time.time)
        roles, managed, mandates = role_books(settings, records, utc_now)
        auth = authenticator(settings, folders.root, records, sessions, mandates, stack)

        groups = Groups(cgroup.find(), name)
        groups.prepare()
        groups.clear_abandoned()
        stack.callback(groups.clear)
        warn_of_missing_limits(groups)
        spawner = Spawner(
            bubblewrap.find(),
            [folders.node],
            unique_uids=os.geteuid() == 0,
            first_uid=FIRST_UID
            + UIDS * (int(hashlib.sha256(name.encode()).hexdigest(), 16) % 4096),
            uplinks=await uplinks(settings, stack),
        )
        await spawner.start()
        stack.push_async_callback(spawner.close)
        reserve = Reserve(spawner, groups)
        stack.push_async_callback(reserve.close)
        reserve.fill()

        trees = Trees(folders.node / "trees", blobs, UNZIPPED_BYTES)
        stacks = Stacks(trees, folders.node / "stacks")
        runner = BoxRunner(spawner, groups, reserve, loop)
        bytecode = BytecodeTrees(folders.node / "bytecode", runner)
        sets = SetFolders(folders.node / "sets")
        derived = (trees, stacks, bytecode, sets)
        collecting = Collecting(records, blobs, *derived)
        await asyncio.to_thread(clean, blobs, derived, collecting)

        streams = LogStreams(folders.root / "logs")
        stack.callback(streams.close)
        log_groups = LogGroups(records, folders.root / "logs", lambda: int(time.time() * 1000))
        sweeping = loop.create_task(sweep_logs(log_groups))
        stack.callback(sweeping.cancel)
        watch = MemoryWatch()
        stack.callback(watch.close)
        frost = Frost(freezer.choose(groups.hierarchy, spawner), settings.freeze_after)
        stack.callback(frost.close)
        catalog = await asyncio.to_thread(interpreters, folders.root)
        callback = Callback(sessions, settings.function_endpoint)
        doors = Doors()
        java = JavaArchives(sets, JavaClient(bytecode, runner), catalog, stacks, collecting)
        stack.push_async_callback(java.close)
        ways = Ways(settings.network, settings.network_allow, records.function_tags)
        node = NodeCaches(sets, trees, collecting, runner)
        stack.push_async_callback(asyncio.to_thread, node.close)
        caches = LayerCaches(java, node)
        furnisher = Furnisher(catalog, trees, stacks, bytecode, callback, caches, ways)
        failing = Failing(records, Owners(trees.manifest))
        stack.push_async_callback(failing.close)
        learned = Learned(records)
        stack.push_async_callback(learned.close)
        await asyncio.to_thread(learned.load)
        parts = (groups, spawner, reserve)
        warm = await warmed((settings, stack), parts, furnisher, learned, collecting, records)
        kept = (collecting, failing, doors.open, warm.zygotes.starts)
        ground = Ground(spawner, reserve, warm.zygotes, watch, frost, *kept)
        snapshots = snapped((settings, stack), ground, furnisher, streams, records, warm)
        ground = replace(ground, places=snapshots)

        async def make(name: str, function: Function, provisioned: bool) -> Environment:
            furnished = await asyncio.to_thread(
                furnisher.furnish, function, name, provisioned=provisioned
            )
            furnished = java.ask(function, learned.ask(function, furnished))
            where = (function.account, function.region, function.effective_log_group)
            return Environment(
                name, function, furnished, streams.open(*where, furnished.stream), ground
            )

        most = min(settings.max_environments, files_for_environments())
        admission = Admission(settings.account_concurrency)
        machine = await asyncio.to_thread(usage.machine, groups.hierarchy)
        pool = Pool(
            make,
            admission,
            most=most,
            most_memory=settings.max_memory.of(machine.total),
            idle_seconds=settings.idle_seconds,
        )
        pool.start()
        stack.push_async_callback(pool.close)
        guarded(groups, pool, warm, snapshots, stack)

        def readdressed(account: str, region: str, name: str) -> None:
            loop.call_soon_threadsafe(known_urls.forget, account, region, name)

        def admit(account: str, region: str, shares: Shares) -> None:
            loop.call_soon_threadsafe(admission.share_out, account, region, shares)

        def changed(function: Function) -> None:
            ways.forget(function)
            loop.call_soon_threadsafe(dispatcher.forget, key_of(function))
            loop.call_soon_threadsafe(provisioner.look_again, key_of(function)[:3])
            loop.call_soon_threadsafe(warm.tending.look_soon)
            loop.call_soon_threadsafe(snapshots.look_soon)
            warm.foresight.changed(function)
            concurrency.look_again(key_of(function)[:3])
            regranted(*key_of(function)[:3])

        def rerouted(account: str, region: str, name: str) -> None:
            loop.call_soon_threadsafe(dispatcher.reroute, account, region, name)
            loop.call_soon_threadsafe(provisioner.look_again, (account, region, name))
            concurrency.look_again((account, region, name))
            regranted(account, region, name)

        def regranted(account: str, region: str, name: str) -> None:
            loop.call_soon_threadsafe(grants.forget, account, region, name)
            readdressed(account, region, name)

        permissions = Permissions(records, regranted, organization_of=organization_of)
        grants = Grants(permissions.allows)
        urls = Urls(records, utc_now, readdressed)
        known_urls = KnownUrls(urls, permissions)

        concurrency = Concurrency(
            records,
            admit,
            limit=settings.account_concurrency,
        )
        await asyncio.to_thread(concurrency.start)
        readying = Readying(records, collecting, prepared(furnisher, snapshots), changed)
        resolver = Resolver(records, collecting, readying, furnisher)
        dispatcher = Dispatcher(resolver, resolver.alias, pool, readying.pending, resolver.may_loop)
        stack.push_async_callback(dispatcher.close)
        stack.push_async_callback(asyncio.to_thread, readying.close)
        readying.resume()
        snapshots.resume(records.all_with_snapshots)
        provisioner = Provisioner(pool, dispatcher.shelf, partial(plan, records))
        stack.push_async_callback(provisioner.close)
        provisioned = Provisioned(
            records,
            concurrency,
            changed=lambda where: loop.call_soon_threadsafe(provisioner.changed, where),
            standing=provisioner.standing,
            now=lambda: datetime.now(UTC),
        )
        for where in await asyncio.to_thread(everywhere, records):
            provisioner.changed(where)

        clients = AwsClients(settings.aws_endpoint)
        queue = Queue(
            records,
            events_to(dispatcher),
            Senders(clients),
            permissions.allows,
            retry_seconds=settings.event_retry_seconds,
        )
        stack.push_async_callback(queue.close)
        await queue.start()
        sources = Sources(clients, batches_to(dispatcher))
        stack.push_async_callback(sources.close)
        mappings = Mappings(
            records=records,
            changed=sources.changed,
            look_at=sources.look_at,
            now=lambda: datetime.now(UTC),
        )
        await sources.start(mappings)
        packages = Packages(
            blobs, trees, collecting, S3Source(settings.s3_endpoint, folders.staging).fetch
        )
        link_key = links.key_at(folders.root / "link.key")
        signed = links.Links(link_key, time.time)
        services = Services(
            publishing=Publishing(records, packages, collecting, organization_of=organization_of),
            policies=Policies(records),
            links=signed,
            workshop=Workshop(
                records=records,
                packages=packages,
                attaching=Attaching(records, organization_of=organization_of),
                collecting=collecting,
                readying=readying,
                changed=changed,
                now=utc_now,
            ),
            dispatcher=dispatcher,
            streams=Streams(),
            urls=urls,
            known_urls=known_urls,
            aliases=Aliases(records, rerouted, warm.foresight.moved),
            concurrency=concurrency,
            permissions=permissions,
            grants=grants,
            provisioned=provisioned,
            event_invoke=EventInvokeConfigs(records, utc_now, permissions),
            queue=queue,
            mappings=mappings,
            sources=sources,
            groups=log_groups,
            sessions=sessions,
            roles=roles,
            managed=managed,
            assuming=assuming(settings, roles, sessions),
        )

        def abort() -> None:
            queue.stop()
            pool.abort()
            readying.abort()
            snapshots.abort()
            runner.abort()

        lost = asyncio.Event()
        spawner.on_lost = lost.set
        app = application(
            settings,
            services,
            auth,
            blobs,
            signed,
            environments=(Warmth(pool, warm.ready, warm.zygotes, snapshots), reserve, failing),
        )
        doors.lead_to(app.asked_by(of_boxes(auth, records, sessions, mandates)))
        return app, abort, lost

    async def _serve(
        self,
        app: App,
        ready: Callable[[str], None],
        end: Callable[[], object],
        lost: asyncio.Event,
    ) -> None:
        config = server.config(app, self._settings.host, self._settings.port)
        listener = config.bind_socket()
        web = Web(config)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            end()
            web.should_exit = True

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        host, port = listener.getsockname()[:2]
        web.on_started = lambda: ready(f"http://{host}:{port}")
        watch = loop.create_task(stop_when(lost, stop))
        with listener:
            await web.serve([listener])
        watch.cancel()


def utc_now() -> datetime:
    return datetime.now(UTC)


async def stop_when(lost: asyncio.Event, stop: Callable[[], None]) -> None:
    await lost.wait()
    stop()


class Web(uvicorn.Server):
    """uvicorn without its signal handlers: the server has its own, which end more than HTTP."""

    on_started: Callable[[], None]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()


def application(
    settings: Settings,
    services: Services,
    auth: Auth,
    blobs: DiskBlobs,
    signed: links.Links,
    *,
    environments: tuple[Warmth, Reserve, Failing],
) -> App:
    contract = Contract.of_lambda()
    collectors = CollectorRegistry()
    metrics = RequestMetrics(collectors)
    AdmissionMetrics(collectors, services.dispatcher.admission)
    warmth, reserve, failing = environments
    FailureMetrics(collectors, failing)
    WarmMetrics(collectors, warmth.zygotes, warmth.snapshots)
    EnvironmentMetrics(collectors, warmth.pool, warmth.ready, stuck=lambda: len(reserve.stuck))
    events = EventMetrics(collectors, services.workshop.records.backlog)
    return App(
        contract=contract,
        served=registry(contract.operations, modules()),
        neighbours=neighbourhood.Neighbourhood(neighbourhood.modules()),
        services=services,
        auth=auth,
        pages=Pages(metrics, signed, blobs, warmth.view, events.look),
        access=AccessLog(sys.stderr, settings.log_format),
        metrics=metrics,
        urls=UrlFront(services.known_urls, services.dispatcher, services.streams, contract.error),
    )


def clean(
    blobs: DiskBlobs,
    derived: Iterable[Trees | Stacks | BytecodeTrees | SetFolders],
    collecting: Collecting,
) -> None:
    """Remove what a crash left: half-written files, half-made trees, bytes that nothing uses."""
    gone = blobs.sweep() + sum(each.sweep() for each in derived)
    gone += collecting.collect_all()
    if gone:
        log.info("removed %d leftovers of an earlier server", gone)


async def sweep_logs(groups: LogGroups) -> None:
    """Delete, now and every hour, what log groups keep no longer."""
    while True:
        try:
            await asyncio.to_thread(groups.sweep)
        except OSError:
            log.exception("old logs could not be deleted")
        await asyncio.sleep(LOG_SWEEP_SECONDS)


def warn_of_missing_limits(groups: Groups) -> None:
    missing = groups.hierarchy.missing
    if missing:
        log.warning(
            "this host does not let Lamella limit %s by control groups; limits of single processes "
            "stand in. `lamella doctor` says how to mend it.",
            ", ".join(missing),
        )
