"""How many invocations run and how many were throttled, read by Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lamella.invoke.admission import Admission, Reason


class AdmissionMetrics(Collector):
    """Concurrent executions of each account and region, throttles by reason."""

    def __init__(self, registry: CollectorRegistry, admission: Admission) -> None:
        self._admission = admission
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        running = GaugeMetricFamily(
            "lamella_concurrent_executions",
            "Invocations that run.",
            labels=("account", "region"),
        )
        for account, region, count in self._admission.running():
            running.add_metric((account, region), count)
        yield running
        throttles = CounterMetricFamily(
            "lamella_throttles", "Invocations that were not admitted.", labels=("reason",)
        )
        for reason in Reason:
            throttles.add_metric((reason.value,), self._admission.throttled[reason])
        yield throttles
