"""
Holds whose time is over are noted as expired. They stopped counting by themselves, at their end, whether noted or not.

A hold is noted only after its balance has passed the hold's end: until then the balance still counts it, and the facts must too.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef

from billing.engine.types import HoldStatus
from billing.models import Balance, Hold, HoldEvent
from billing.models.holds import HoldEventKind
from mozaiks.kit.db import run_in_transaction

BATCH = 500


def note_expired_holds(*, now: datetime, limit: int = BATCH) -> int:
    """Note at most ``limit`` holds as expired, with the event; returns how many. Each is noted once."""
    return run_in_transaction(lambda: _note(now=now, limit=limit))


def _note(*, now: datetime, limit: int) -> int:
    passed = Balance.objects.running().filter(
        subject_type=OuterRef("subject_type"),
        subject_id=OuterRef("subject_id"),
        definition_id=OuterRef("definition_id"),
        last_event_at__gte=OuterRef("expires_at"),
    )
    skip = connection.features.has_select_for_update_skip_locked
    over = Hold.objects.over(now=now).filter(Exists(passed)).order_by("expires_at")
    held = list(over.select_for_update(skip_locked=skip)[:limit])
    if not held:
        return 0
    Hold.objects.filter(pk__in=[each.pk for each in held]).update(status=HoldStatus.EXPIRED, updated_at=now)
    HoldEvent.objects.bulk_create(
        HoldEvent(
            hold=each,
            subject_id=each.subject_id,
            kind=HoldEventKind.EXPIRED,
            amount=each.amount - each.captured_amount,
            expires_at=each.expires_at,
            occurred_at=each.expires_at,
            created_at=now,
        )
        for each in held
    )
    return len(held)
