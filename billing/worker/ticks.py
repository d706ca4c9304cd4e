"""
What a worker does in every round, one tick after the other.

A tick is a generator: it works in batches, each committed by itself, and tells after each what was done, so that the loop can
stop between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from billing.entitlements import boundaries, decisions, telemetry
from billing.entitlements.expiring import note_expired_holds
from billing.models import PlanAssignment
from billing.payments import idempotency, reconciling, webhooks
from billing.subscriptions.scheduling import promote_due
from billing.usage import days
from mozaiks.kit import clock
from mozaiks.kit.errors import Unavailable

#: Events taken up between two looks at whether the worker shall stop.
EVENTS_AT_ONCE = 20
#: Calls of payment providers that may come to nothing in one round.
MOST_FAILURES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What one batch came to: things done, of them balance rows, and things that failed and were left for later."""

    things: int
    rows: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A kind of work, and how it is done until nothing of it is left."""

    name: str
    batches: Callable[[datetime], Iterator[Done]]


def apply_plan_changes(now: datetime) -> Iterator[Done]:
    """Scheduled plan changes that have begun: subject by subject, since each is a transaction of its own."""
    last = 0
    while ids := list(PlanAssignment.objects.begun(now=now).after_entity(last)[:100]):
        for entity_id in ids:
            last = entity_id
            yield _apply_plan_change(entity_id, now)


def pass_boundaries(now: datetime) -> Iterator[Done]:
    """Balances whose next change has come."""
    while (rolled := boundaries.roll_due(now=now)).taken:
        yield Done(things=rolled.taken, rows=len(rolled.passed), failed=rolled.put_off)


def note_expiries(now: datetime) -> Iterator[Done]:
    """Holds whose time is over."""
    while number := note_expired_holds(now=now):
        yield Done(things=number)


def process_events(now: datetime) -> Iterator[Done]:
    """
    Events of payment providers that wait: new ones nobody got to, failed ones whose time has come, those of dead workers.

    Each is claimed at its own time: providers may be slow, and a claim must not have run out before it begins.
    """
    while ids := webhooks.due(now=now, limit=EVENTS_AT_ONCE):
        tried = [webhooks.process(event_id, now=max(now, clock.now())) for event_id in ids]
        failed = sum(outcome.is_failed for outcome in tried)
        yield Done(things=sum(outcome.status is not None for outcome in tried) - failed, failed=failed)


def redact_events(now: datetime) -> Iterator[Done]:
    """Payloads of events that are done with and old."""
    while number := webhooks.redact(now=now):
        yield Done(things=number)


def reconcile_payments(now: datetime) -> Iterator[Done]:
    """
    Checkouts and refunds a crash or a silent provider left unfinished: one provider's call after the other.

    While a provider is silent the rest waits for the next round, so that nothing else does.
    """
    before = reconciling.Reconciled()
    for so_far in reconciling.steps(now=now):
        failed = so_far.failed - before.failed
        yield Done(things=so_far.looked_at - before.looked_at - failed, failed=failed)
        before = so_far
        if so_far.failed >= MOST_FAILURES:
            return


def forget_answers(now: datetime) -> Iterator[Done]:
    """Answers of doors that call a provider, when nobody repeats the request any more."""
    while number := idempotency.forget_old(now=now):
        yield Done(things=number)


def prune_decisions(now: datetime) -> Iterator[Done]:
    """Refusals nobody will look at any more."""
    if number := decisions.prune(now=now):
        yield Done(things=number)


def project_usage(now: datetime) -> Iterator[Done]:
    """Uses of the days, for the charts; it commits batch by batch, and goes on where it was cut off."""
    days.project(now=now)
    yield Done(things=0)


def _apply_plan_change(entity_id: int, now: datetime) -> Done:
    """One that fails is left for the next round, and for whoever touches the subject."""
    try:
        promote_due(entity_id, now)
    except Unavailable:
        raise
    except Exception:
        telemetry.log.exception("plan_change_failed", subject_id=entity_id)
        return Done(things=0, failed=1)
    return Done(things=1)


#: Plan changes come before boundaries: a balance does not pass the start of one before it is applied. Events come first: what
#: was paid is there before what was unpaid ends.
TICKS = [
    Tick(name="webhook_events", batches=process_events),
    Tick(name="plan_changes", batches=apply_plan_changes),
    Tick(name="boundaries", batches=pass_boundaries),
    Tick(name="hold_expiries", batches=note_expiries),
    Tick(name="webhook_payloads", batches=redact_events),
    Tick(name="payments", batches=reconcile_payments),
    Tick(name="request_answers", batches=forget_answers),
    Tick(name="decisions", batches=prune_decisions),
    Tick(name="usage_days", batches=project_usage),
]
