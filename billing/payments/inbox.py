"""
The rows of the inbox: events are stored once, claimed under a lease, stamped, and their payloads emptied in the end.

A claim is a compare-and-swap that is committed before the work begins. What an event does commits together with its stamp, and
the stamp is written only under the claim it was begun with: a worker that slept through its lease changes nothing.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet

from billing.models import BillingEvent
from billing.models.events import EventStatus, EventType
from billing.payments.connectors.facts import ProviderEvent
from mozaiks.kit.db import requires_transaction, run_in_transaction

LEASE = timedelta(seconds=60)
ATTEMPTS = 12
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
#: How long an event that waits for another one is tried: providers repeat what was not answered for three days.
PATIENCE = timedelta(days=4)
LONGEST_TEXT = 2000
#: Counted no further: whoever reads it knows enough, and anybody may ask for it.
MOST_COUNTED = 10_000
REDACTED_AT_ONCE = 500
#: What is done with for good, so that its payload may go.
DONE_WITH = (EventStatus.PROCESSED, EventStatus.IGNORED)


class LeaseLost(Exception):
    """Somebody else has taken the event up: what was done here is undone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """Where an event is kept, and whether it was new."""

    event_id: int
    fresh: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """Events that wait for their turn, since when the oldest of them does, and events that wait for an operator."""

    waiting: int
    oldest_at: datetime | None
    stuck: int


def store(event: ProviderEvent, *, now: datetime) -> Received:
    """Keep an event in a transaction of its own; one that is kept already is left as it is."""

    def write() -> Received:
        known = BillingEvent.objects.filter(provider=event.provider, provider_event_id=event.event_id)
        found = known.values_list("pk", flat=True).first()
        if found is not None:
            return Received(event_id=found, fresh=False)
        row = BillingEvent.objects.create(
            event_type=EventType.WEBHOOK,
            event_name=event.name,
            provider=event.provider,
            provider_event_id=event.event_id,
            status=EventStatus.RECEIVED,
            provider_created_at=event.created_at,
            received_at=now,
            occurred_at=event.created_at,
            payload_json=event.payload,
        )
        return Received(event_id=row.pk, fresh=True)

    return run_in_transaction(write)


def due(*, now: datetime, limit: int) -> list[int]:
    """Ids of ``limit`` events whose turn has come, the first that came in, in the order of what happened at the provider."""
    found: list[tuple[datetime | None, int]] = []
    for condition in _waiting(now):
        rows = BillingEvent.objects.filter(condition, event_type=EventType.WEBHOOK)
        found += rows.order_by("received_at").values_list("provider_created_at", "pk")[:limit]
    found.sort(key=lambda row: (row[0] or now, row[1]))
    return [key for _, key in found[:limit]]


def claim(event_id: int, *, now: datetime, lease: timedelta = LEASE) -> BillingEvent | None:
    """
    Take an event up until ``now + lease``; None where it is not due, or somebody else has it.

    One that was taken up for the last time and never finished waits for an operator: it may be what ended its workers.
    """
    row = BillingEvent.objects.filter(pk=event_id, event_type=EventType.WEBHOOK).first()
    if row is None or not _is_due(row, now):
        return None
    mine = BillingEvent.objects.filter(
        pk=row.pk, status=row.status, attempt_count=row.attempt_count, lease_token=row.lease_token
    )
    if row.status == EventStatus.PROCESSING and row.attempt_count >= ATTEMPTS:
        said = f"It was taken up {row.attempt_count} times, and the last worker that did never said what came of it."
        _swap(mine, row, _failed(row, said, next_attempt_at=None, now=now))
        return None
    taken = {
        "status": EventStatus.PROCESSING,
        "lease_token": str(uuid.uuid4()),
        "lease_until": now + lease,
        "processing_started_at": now,
        "attempt_count": row.attempt_count + 1,
        "next_attempt_at": None,
    }
    return row if _swap(mine, row, taken) else None


@requires_transaction
def lock(claimed: BillingEvent) -> BillingEvent:
    """The event as it is, locked. :raises LeaseLost: it is not ours any more."""
    row = _of(claimed).select_for_update().first()
    if row is None:
        raise LeaseLost
    return row


@requires_transaction
def stamp(claimed: BillingEvent, status: EventStatus, *, text: str = "", now: datetime) -> None:
    """Say what came of an event, together with what it did. :raises LeaseLost: it is not ours any more."""
    said = {
        "status": status,
        "error_text": text,
        "processed_at": now,
        "billable_entity_id": claimed.billable_entity_id,
        "lease_token": None,
        "lease_until": None,
    }
    if not _of(claimed).update(**said):
        raise LeaseLost


def fail(claimed: BillingEvent, text: str, *, final: bool, patient: bool, now: datetime) -> datetime | None:
    """
    Put an event off until the instant returned; None: for an operator, after the last attempt or where ``final``.

    ``patient``: it waits for another event, and is tried for as long as that may come.
    """
    waits = patient and now < claimed.received_at + PATIENCE
    over = final or (claimed.attempt_count >= ATTEMPTS and not waits)
    retry_at = None if over else now + pause(claimed.attempt_count)
    said = _failed(claimed, text, next_attempt_at=retry_at, now=now)
    return retry_at if run_in_transaction(lambda: _of(claimed).update(**said)) else None


def pause(attempts: int) -> timedelta:
    """How long an event that failed ``attempts`` times is left alone: doubled each time, and spread."""
    longest = min(FIRST_PAUSE * (1 << min(attempts - 1, 20)), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads attempts, guards nothing


def backlog(*, now: datetime) -> Backlog:
    """How much waits: one statement, by index, that looks at ``MOST_COUNTED`` events at most."""
    open_ones = BillingEvent.objects.filter(
        event_type=EventType.WEBHOOK, status__in=(EventStatus.RECEIVED, EventStatus.PROCESSING, EventStatus.FAILED)
    )
    stuck = Q(status=EventStatus.FAILED, next_attempt_at__isnull=True)
    found = open_ones[:MOST_COUNTED].aggregate(
        waiting=Count("pk", filter=~stuck),
        oldest_at=Min("received_at", filter=~stuck),
        stuck=Count("pk", filter=stuck),
    )
    return Backlog(**found)


def redact(*, now: datetime) -> int:
    """
    Empty the payloads of events done with that came in more than ``BILLING_WEBHOOK_RETENTION_DAYS`` ago; returns how many.

    At most 500 at once. An event that still waits, for its turn or for an operator, keeps its payload however old it is.
    """
    old = now - timedelta(days=settings.BILLING_WEBHOOK_RETENTION_DAYS)
    rows = BillingEvent.objects.filter(
        event_type=EventType.WEBHOOK, redacted_at__isnull=True, received_at__lt=old, status__in=DONE_WITH
    )
    keys = list(rows.order_by("received_at").values_list("pk", flat=True)[:REDACTED_AT_ONCE])
    if not keys:
        return 0
    again = BillingEvent.objects.filter(pk__in=keys, status__in=DONE_WITH)
    return run_in_transaction(lambda: again.update(payload_json={}, redacted_at=now))


def _waiting(now: datetime) -> tuple[Q, Q, Q]:
    """The ways in which an event is due, each of which an index finds: new, put off until now, left by a dead worker."""
    return (
        Q(status=EventStatus.RECEIVED),
        Q(status=EventStatus.FAILED, next_attempt_at__lte=now),
        Q(status=EventStatus.PROCESSING, lease_until__lte=now),
    )


def _is_due(row: BillingEvent, now: datetime) -> bool:
    if row.status == EventStatus.RECEIVED:
        return True
    if row.status == EventStatus.FAILED:
        return row.next_attempt_at is not None and row.next_attempt_at <= now
    return row.status == EventStatus.PROCESSING and (row.lease_until is None or row.lease_until <= now)


def _swap(mine: QuerySet[BillingEvent], row: BillingEvent, said: dict[str, object]) -> bool:
    """Compare and swap, committed; ``row`` is then as it was written."""
    if not run_in_transaction(lambda: mine.update(**said)):
        return False
    for name, value in said.items():
        setattr(row, name, value)
    return True


def _of(claimed: BillingEvent) -> QuerySet[BillingEvent]:
    return BillingEvent.objects.filter(pk=claimed.pk, status=EventStatus.PROCESSING, lease_token=claimed.lease_token)


def _failed(row: BillingEvent, text: str, *, next_attempt_at: datetime | None, now: datetime) -> dict[str, object]:
    return {
        "status": EventStatus.FAILED,
        "error_text": text[:LONGEST_TEXT],
        "last_failed_at": now,
        "next_attempt_at": next_attempt_at,
        "lease_token": None,
        "lease_until": None,
    }
