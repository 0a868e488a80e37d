"""Environments in figures, read by Prometheus: how many, what they hold, why they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lamella.invoke.endings import Ending
from lamella.invoke.pool import Pool
from lamella.invoke.ready import ReadyBoxes


class EnvironmentMetrics(Collector):
    """Environments by state, their memory as it was counted last, and their ends by reason.

    Those that are ready are boxes that no function was put in yet; ``stuck`` tells how many boxes have processes that outlive being killed.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        pool: Pool,
        ready: ReadyBoxes,
        stuck: Callable[[], int],
    ) -> None:
        self._ready = ready
        self._pool = pool
        self._stuck = stuck
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        there = GaugeMetricFamily(
            "lamella_environments", "Execution environments.", labels=("state",)
        )
        for state, count in self._pool.states().items():
            there.add_metric((state,), count)
        there.add_metric(("ready",), self._ready.count)
        there.add_metric(("stuck",), self._stuck())
        yield there
        yield CounterMetricFamily(
            "lamella_ready_boxes_taken",
            "Environments that began in a box that was kept ready.",
            value=self._ready.taken,
        )
        budget = self._pool.budget
        yield GaugeMetricFamily(
            "lamella_environments_memory_bytes",
            "Memory that environments hold together.",
            value=budget.held,
        )
        yield GaugeMetricFamily(
            "lamella_environments_memory_limit_bytes",
            "Memory that environments may hold together.",
            value=budget.most,
        )
        ended = CounterMetricFamily(
            "lamella_environments_ended", "Environments that ended.", labels=("reason",)
        )
        for reason in Ending:
            ended.add_metric((reason.value,), self._pool.ended[reason])
        yield ended
