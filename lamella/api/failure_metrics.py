"""Errors of functions by the layer version in which they began, read by Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from lamella.invoke.failing import Failing


class FailureMetrics(Collector):
    """The counts that `lamella.invoke.failing` keeps; it bounds how many there are."""

    def __init__(self, registry: CollectorRegistry, failing: Failing) -> None:
        self._failing = failing
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        errors = CounterMetricFamily(
            "lamella_layer_errors", "Errors that began in a layer version.", labels=("layer",)
        )
        for layer, count in self._failing.by_layer.copy().items():
            errors.add_metric((layer,), count)
        yield errors
        yield CounterMetricFamily(
            "lamella_errors_unseen",
            "Errors of functions that came too fast to be looked into.",
            value=self._failing.unseen,
        )
