"""Signs of life of workers, and what ``/health`` and ``/metrics`` tell of them and of the work that waits."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Max
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing.entitlements import boundaries
from billing.models import WorkerHeartbeat
from mozaiks.kit import clock

log = structlog.get_logger(__name__)

#: Workers that were not heard of for so long are forgotten.
KEPT = timedelta(days=1)


def own_name() -> str:
    """What this process is called among the workers."""
    return f"{socket.gethostname()}:{os.getpid()}"


def beat(name: str, *, started_at: datetime, rolled: int, failed: int, now: datetime) -> None:
    """Say that ``name`` is alive, what it did since its start, and how much still waits; forget those long silent."""
    said = {
        "started_at": started_at,
        "last_tick_at": now,
        "last_backlog": boundaries.backlog(now=now).due,
        "rolled": rolled,
        "failed": failed,
    }
    if not WorkerHeartbeat.objects.filter(name=name).update(**said):
        WorkerHeartbeat.objects.create(name=name, **said)
        WorkerHeartbeat.objects.silent_since(now - KEPT).delete()


def report() -> dict[str, Any]:
    """
    For ``/health``: seconds since a worker was last heard of (None: never), due balances, seconds the oldest of them waits.
    """
    now = clock.now()
    last = WorkerHeartbeat.objects.aggregate(last=Max("last_tick_at"))["last"]
    waiting = boundaries.backlog(now=now)
    return {
        "ageSeconds": _seconds(last, now),
        "backlog": waiting.due,
        "oldestDueSeconds": _seconds(waiting.oldest_at, now),
    }


class WorkerCollector(Collector):
    """Asks the database at every scrape, so that any process can tell of workers that are others."""

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._collect()
        except Exception as error:  # a scrape without these is better than none
            log.warning("worker_metrics_failed", error=repr(error))

    def _collect(self) -> list[Metric]:
        now = clock.now()
        waiting = boundaries.backlog(now=now)
        due = GaugeMetricFamily("entitlement_boundaries_due", "Balances whose next change has passed.")
        due.add_metric([], waiting.due)
        oldest = GaugeMetricFamily("entitlement_boundaries_oldest_due_seconds", "How long the oldest of them waits.")
        oldest.add_metric([], _seconds(waiting.oldest_at, now) or 0)
        tick = GaugeMetricFamily("billing_worker_last_tick_seconds", "Unix time of the last sign.", labels=["worker"])
        rolled = CounterMetricFamily("billing_worker_rows_rolled", "Boundaries that passed.", labels=["worker"])
        failed = CounterMetricFamily("billing_worker_failures", "What failed and was put off.", labels=["worker"])
        for each in WorkerHeartbeat.objects.all():
            tick.add_metric([each.name], each.last_tick_at.timestamp())
            rolled.add_metric([each.name], each.rolled)
            failed.add_metric([each.name], each.failed)
        return [due, oldest, tick, rolled, failed]


def _seconds(instant: datetime | None, now: datetime) -> int | None:
    return None if instant is None else max(0, int((now - instant).total_seconds()))
