"""Signs of life of the workers: memory, of which nothing depends."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    """Workers by when they were last heard of."""

    def silent_since(self, instant: datetime) -> Self:
        return self.filter(last_tick_at__lt=instant)


class WorkerHeartbeat(models.Model):
    """
    One worker process: when it was last heard of, how much it left to do, and what it has done since it was started.

    ``last_backlog`` is the number of due balances after its last round.
    """

    name = models.CharField(max_length=191)
    started_at = models.DateTimeField()
    last_tick_at = models.DateTimeField()
    last_backlog = models.BigIntegerField(default=0)
    rolled = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)

    objects = WorkerHeartbeatQuerySet.as_manager()

    class Meta:
        db_table = "billing_worker_heartbeats"
        constraints = [models.UniqueConstraint(name="billing_worker_heartbeats_uniq", fields=["name"])]

    def __str__(self) -> str:
        return self.name
