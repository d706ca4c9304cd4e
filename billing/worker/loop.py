"""The loop of one worker: round after round until it is told to stop, which it does after the batch at hand."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import close_old_connections

from billing.entitlements import boundaries
from billing.worker import heartbeats
from billing.worker.ticks import TICKS, Done, Tick
from mozaiks.kit import clock

log = structlog.get_logger(__name__)

#: While rows that others have taken are waited for.
SHORT_PAUSE_SECONDS = 0.25
#: In a long round a sign of life is given this often.
BEAT_SECONDS = 5.0


@dataclass(slots=True)
class Worker:
    """One worker: its name among the others, what it has done since its start, and whether it shall stop."""

    name: str = field(default_factory=heartbeats.own_name)
    stop: threading.Event = field(default_factory=threading.Event)
    started_at: datetime = field(default_factory=clock.now)
    things: int = 0
    rows: int = 0
    failed: int = 0
    beat_at: float = 0.0

    def run(self, *, tick_seconds: float) -> None:
        """Rounds until ``stop`` is set, with a pause of ``tick_seconds`` between them."""
        while not self.stop.is_set():
            self.round()
            close_old_connections()
            self.stop.wait(tick_seconds)

    def run_until_empty(self) -> None:
        """
        Rounds until nothing is due any more.

        Rows another worker has taken are waited for, even if it died; rows that failed and were put off are not.
        """
        while not self.stop.is_set():
            before = self.things
            self.round()
            close_old_connections()
            if self.things == before and not boundaries.backlog(now=clock.now(), without_put_off=True).due:
                return
            if self.things == before:
                self.stop.wait(SHORT_PAUSE_SECONDS)

    def round(self) -> None:
        """Every tick once, each until nothing of it is left. One that fails keeps no other from its turn."""
        for tick in TICKS:
            if not self.stop.is_set():
                self._drain(tick)
        self._beat()

    def _drain(self, tick: Tick) -> None:
        try:
            for done in tick.batches(clock.now()):
                self._note(done)
                if self.stop.is_set():
                    return
        except Exception:  # the next round tries again; the other ticks have their turn now
            self.failed += 1
            log.exception("worker_tick_failed", tick=tick.name)

    def _note(self, done: Done) -> None:
        self.things += done.things
        self.rows += done.rows
        self.failed += done.failed
        if clock.monotonic() - self.beat_at >= BEAT_SECONDS:
            self._beat()

    def _beat(self) -> None:
        """Without a sign of life the work goes on all the same."""
        self.beat_at = clock.monotonic()
        try:
            heartbeats.beat(
                self.name, started_at=self.started_at, rolled=self.rows, failed=self.failed, now=clock.now()
            )
        except Exception:
            log.warning("worker_heartbeat_failed", exc_info=True)
