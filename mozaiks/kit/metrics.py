"""The one metrics registry: counters, gauges and histograms of every room register here."""

import os

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
ASKED: list[Collector] = []


def ask_at_scrape(collector: Collector) -> None:
    """Let ``collector`` be asked at every scrape: for what no process knows by itself."""
    ASKED.append(collector)
    REGISTRY.register(collector)


def exposition() -> bytes:
    """The metrics in Prometheus' text format; of all processes where ``PROMETHEUS_MULTIPROC_DIR`` is set."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    for collector in ASKED:
        together.register(collector)
    return generate_latest(together)
