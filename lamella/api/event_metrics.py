"""The queue of events in figures, read by Prometheus: what was accepted is waiting, leased or settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lamella.records.base import Backlog


class EventMetrics(Collector):
    """Counts as the records keep them; `look` asks for them, which blocks, before they are read."""

    def __init__(self, registry: CollectorRegistry, backlog: Callable[[], Backlog]) -> None:
        self._backlog = backlog
        self._seen: Backlog | None = None
        registry.register(self)

    def look(self) -> None:
        self._seen = self._backlog()

    def collect(self) -> Iterator[Metric]:
        seen = self._seen
        if seen is None:
            return
        yield CounterMetricFamily(
            "lamella_events_accepted", "Asynchronous events accepted.", value=seen.accepted
        )
        there = GaugeMetricFamily("lamella_events", "Events not settled yet.", labels=("state",))
        there.add_metric(("waiting",), seen.waiting)
        there.add_metric(("leased",), seen.leased)
        yield there
        settled = CounterMetricFamily(
            "lamella_events_settled", "Events that came to their end.", labels=("how",)
        )
        for how, count in seen.settled.items():
            settled.add_metric((how.value,), count)
        yield settled
        yield GaugeMetricFamily(
            "lamella_events_conservation_difference",
            "Accepted, less waiting, leased and settled: 0 unless an event was lost or doubled.",
            value=seen.lost,
        )
