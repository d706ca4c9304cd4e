"""Workers: signs of life of the processes that do what is due by the clock."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q

from billing.models import WorkerHeartbeat
from console.admin.base import Lookup, is_id


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(Lookup):
    """A worker process, how long ago it was heard of, and what it has done since it was started."""

    list_display = ("name", "last_tick_at", "last_backlog", "rolled", "failed", "started_at")
    search_help_text = "The whole name of a worker"

    def matching(self, word: str) -> Q:
        return Q(name=word) | Q(pk=int(word)) if is_id(word) else Q(name=word)
