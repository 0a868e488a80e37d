"""What is made ahead in figures, read by Prometheus, and cold starts by the way they began."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from lamella.api.metrics import cumulative
from lamella.invoke.snapshot import Snapshots
from lamella.invoke.starts import BUCKETS
from lamella.invoke.worth import Going
from lamella.invoke.zygotes import Zygotes
from lamella.runtimes.forking import Plain


class WarmMetrics(Collector):
    """Zygotes, their forks and memory, why environments began without one, and snapshots."""

    def __init__(self, registry: CollectorRegistry, zygotes: Zygotes, snapshots: Snapshots) -> None:
        self._zygotes = zygotes
        self._snapshots = snapshots
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        zygotes = self._zygotes
        standing = zygotes.standing()
        yield GaugeMetricFamily("lamella_zygotes", "Zygotes that stand.", value=len(standing))
        yield GaugeMetricFamily(
            "lamella_zygote_eggs",
            "Forks of zygotes that wait for a function.",
            value=sum(each.eggs.count for each in standing),
        )
        yield GaugeMetricFamily(
            "lamella_zygotes_memory_bytes",
            "Memory that zygotes and their eggs hold.",
            value=sum(each.held for each in standing),
        )
        yield GaugeMetricFamily(
            "lamella_zygotes_memory_limit_bytes",
            "Memory that zygotes and their eggs may hold.",
            value=zygotes.memory,
        )
        yield CounterMetricFamily(
            "lamella_zygotes_failed", "Zygotes that could not be made.", value=zygotes.failed
        )
        gone = CounterMetricFamily("lamella_zygotes_gone", "Zygotes given up.", labels=("reason",))
        for why in Going:
            gone.add_metric((why.name.lower(),), zygotes.gone[why])
        yield gone
        plain = CounterMetricFamily(
            "lamella_plain_starts", "Environments that were no forks.", labels=("reason",)
        )
        for reason in Plain:
            plain.add_metric((reason.name.lower(),), zygotes.plain[reason])
        yield plain
        yield GaugeMetricFamily(
            "lamella_snapshots",
            "Snapshots of versions, with those that only their environments keep.",
            value=self._snapshots.count,
        )
        yield GaugeMetricFamily(
            "lamella_snapshots_memory_bytes",
            "Memory that snapshots and their forks that wait hold.",
            value=self._snapshots.held,
        )
        yield self._starts()

    def _starts(self) -> Metric:
        family = HistogramMetricFamily(
            "lamella_cold_start_seconds",
            "Time from the wish for an environment to the end of its initialisation.",
            labels=("way",),
        )
        for way, seen in self._zygotes.starts.by_way.items():
            family.add_metric((way.value,), cumulative(BUCKETS, seen.counts), seen.total)
        return family
