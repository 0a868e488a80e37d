"""Requests and durations as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from lamella.api.metrics import RequestMetrics


def test_requests_are_counted_by_operation_and_status() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    metrics.observe("Invoke", 200, 0.0009)
    metrics.observe("Invoke", 200, 0.003)
    metrics.observe("Invoke", 404, 70)
    count = registry.get_sample_value
    assert count("lamella_requests_total", {"operation": "Invoke", "status": "200"}) == 2
    assert count("lamella_requests_total", {"operation": "Invoke", "status": "404"}) == 1


def test_durations_are_a_cumulative_histogram() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    for seconds in (0.0009, 0.003, 70):
        metrics.observe("Invoke", 200, seconds)
    found = {
        bound: registry.get_sample_value(
            "lamella_request_seconds_bucket", {"operation": "Invoke", "le": bound}
        )
        for bound in ("0.0005", "0.001", "0.005", "60.0", "+Inf")
    }
    assert found == {"0.0005": 0, "0.001": 1, "0.005": 2, "60.0": 2, "+Inf": 3}
    total = registry.get_sample_value("lamella_request_seconds_sum", {"operation": "Invoke"})
    assert total == 70.0039


def test_the_page_is_prometheus_text() -> None:
    metrics = RequestMetrics(CollectorRegistry())
    metrics.observe("Invoke", 200, 0.001)
    assert b'lamella_requests_total{operation="Invoke",status="200"} 1.0' in metrics.page()
