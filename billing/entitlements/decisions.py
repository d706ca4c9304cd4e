"""
Refusals, and what would have been refused, for operators to look at.

Written after the rollback by a bounded background queue: a refusal costs the caller nothing, and a flood of refusals drops
the oldest news instead of memory. They are no facts and are pruned after ``KEEP_DAYS``.
"""

from __future__ import annotations

import atexit
import queue
import threading
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from billing.entitlements import telemetry
from billing.entitlements.policy import Decision as Verdict
from billing.models import Decision

log = structlog.get_logger(__name__)

KEEP_DAYS = 90
CAPACITY = 10_000
BATCH = 200
PRUNE_EVERY = timedelta(hours=1)


class _Recorder:
    """A queue and the one thread that empties it, started at the first refusal."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[Decision] = queue.Queue(maxsize=CAPACITY)
        self.thread: threading.Thread | None = None
        self.starting = threading.Lock()
        self.pruned_at: datetime | None = None

    def put(self, row: Decision) -> None:
        try:
            self.waiting.put_nowait(row)
        except queue.Full:
            telemetry.DECISIONS_DROPPED.inc()
            return
        with self.starting:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="billing-decisions", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        while True:
            batch = [self.waiting.get()]
            while len(batch) < BATCH and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            self._write(batch)
            for _ in batch:
                self.waiting.task_done()

    def _write(self, batch: list[Decision]) -> None:
        close_old_connections()
        try:
            Decision.objects.bulk_create(batch)
            self._prune(batch[-1].occurred_at)
        except DatabaseError:
            telemetry.DECISIONS_DROPPED.inc(len(batch))
            log.warning("decisions_not_written", number=len(batch), exc_info=True)
        finally:
            connection.close()

    def _prune(self, now: datetime) -> None:
        """Now and then, with the time the newest refusal brought along."""
        if self.pruned_at is None or now - self.pruned_at >= PRUNE_EVERY:
            self.pruned_at = now
            prune(now=now)


_recorder = _Recorder()


def record(
    verdict: Verdict,
    *,
    subject_id: int,
    definition_id: int,
    capability: str,
    request_id: str,
    now: datetime,
) -> None:
    """Note a decision that did not fit. Returns at once."""
    if not settings.BILLING_RECORD_DECISIONS:
        return
    _recorder.put(
        Decision(
            subject_id=subject_id,
            definition_id=definition_id,
            capability=capability,
            code=verdict.code,
            reason=verdict.reason,
            requested=verdict.requested_amount,
            limit=verdict.limit,
            used=verdict.used,
            advisory=verdict.allowed,
            request_id=request_id,
            occurred_at=now,
        )
    )


def flush() -> None:
    """Wait until everything noted so far is written; for tests and for the end of the process."""
    _recorder.waiting.join()


def prune(*, now: datetime) -> int:
    """Delete what is older than ``KEEP_DAYS``; returns how many rows went."""
    deleted, _ = Decision.objects.filter(occurred_at__lt=now - timedelta(days=KEEP_DAYS)).delete()
    return deleted


def _at_exit() -> None:
    """Give the queue a moment at the end of the process; what is left is dropped, as a kill would drop it."""
    thread = _recorder.thread
    if thread is not None and thread.is_alive() and not _recorder.waiting.empty():
        thread.join(timeout=0.5)


atexit.register(_at_exit)
