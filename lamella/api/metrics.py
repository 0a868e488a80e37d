"""How many requests, with which outcome, how long: counted here, read by Prometheus.

The counts are plain integers that one thread, the event loop's, adds to; prometheus-client's own
counters take a lock and a dictionary for each label, several times an invocation's whole parsing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Durations:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class RequestMetrics(Collector):
    """Requests by operation and status, and their durations by operation, in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._durations: dict[str, _Durations] = {}
        self._registry = registry
        registry.register(self)

    def observe(self, operation: str, status: int, seconds: float) -> None:
        key = (operation, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        durations = self._durations.get(operation)
        if durations is None:
            durations = self._durations[operation] = _Durations()
        durations.counts[bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "lamella_requests", "Requests answered.", labels=("operation", "status")
        )
        for (operation, status), count in self._requests.items():
            requests.add_metric((operation, str(status)), count)
        yield requests
        durations = HistogramMetricFamily(
            "lamella_request_seconds", "Time from request to response.", labels=("operation",)
        )
        for operation, seen in self._durations.items():
            durations.add_metric((operation,), cumulative(BUCKETS, seen.counts), seen.total)
        yield durations

    def page(self) -> bytes:
        """The whole registry in Prometheus's text format."""
        return generate_latest(self._registry)


def cumulative(upper: Sequence[float], counts: list[int]) -> list[tuple[str, float]]:
    """A histogram's counts by their upper bounds, as Prometheus adds them up."""
    bounds = [*(str(float(bound)) for bound in upper), "+Inf"]
    running = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(bounds, counts, strict=True):
        running += count
        buckets.append((bound, running))
    return buckets
