"""What the inbox tells of itself: counters of this process, and what waits in the database, for ``/metrics`` and ``/health``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing.payments import inbox
from mozaiks.kit import clock
from mozaiks.kit.metrics import REGISTRY

log = structlog.get_logger("billing.webhooks")

RECEIVED = Counter(
    "billing_webhooks_received_total", "Verified events; repeats are known already.", ["provider", "known"],
    registry=REGISTRY,
)  # fmt: skip
REFUSED = Counter(
    "billing_webhooks_refused_total", "Requests that were not stored, by code.", ["provider", "code"], registry=REGISTRY
)
HANDLED = Counter(
    "billing_webhooks_handled_total",
    "Attempts to process an event, by what came of it (processed, ignored, failed).",
    ["provider", "outcome"],
    registry=REGISTRY,
)
LAG_SECONDS = Histogram(
    "billing_webhook_lag_seconds",
    "From the receipt of an event to its effect.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600, 21600),
    registry=REGISTRY,
)


def report() -> dict[str, Any]:
    """For ``/health``: events that wait, seconds since the oldest of them came in, and those that need an operator."""
    now = clock.now()
    backlog = inbox.backlog(now=now)
    return {
        "waiting": backlog.waiting,
        "oldestWaitingSeconds": seconds_since(backlog.oldest_at, now),
        "needOperator": backlog.stuck,
    }


class InboxCollector(Collector):
    """Asks the database at every scrape: any process tells of the same inbox."""

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._collect()
        except Exception as error:  # a scrape without these is better than none
            log.warning("webhook_metrics_failed", error=repr(error))

    def _collect(self) -> list[Metric]:
        now = clock.now()
        backlog = inbox.backlog(now=now)
        waiting = GaugeMetricFamily("billing_webhooks_waiting", "Events stored and not processed yet.")
        waiting.add_metric([], backlog.waiting)
        oldest = GaugeMetricFamily(
            "billing_webhooks_oldest_waiting_seconds", "How long ago the oldest of them came in."
        )
        oldest.add_metric([], seconds_since(backlog.oldest_at, now) or 0)
        stuck = GaugeMetricFamily("billing_webhooks_need_operator", "Events that failed for the last time.")
        stuck.add_metric([], backlog.stuck)
        return [waiting, oldest, stuck]


def seconds_since(instant: datetime | None, now: datetime) -> int | None:
    """Whole seconds from ``instant`` to ``now``, at least 0; None of None."""
    return None if instant is None else max(0, int((now - instant).total_seconds()))
