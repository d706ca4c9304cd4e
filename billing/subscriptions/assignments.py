"""Puts entities on plans: webhook, sync and operator come in by the same function."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from billing.engine.periods import anchor_of, next_boundary
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, SubscriptionStatus
from billing.subscriptions.course import Stretch, following, has_periods, interval_of
from billing.subscriptions.moving import (
    Rows,
    catch_up,
    enter,
    follow_up,
    go,
    is_natural,
    lock,
    waiting_stretch,
)
from billing.subscriptions.writing import (
    PLAN_ASSIGNED,
    PLAN_TERMS_CHANGED,
    Terms,
    note,
    past_due_since,
    require_assignable,
)
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Invalid

#: How far ahead of us the clock of whoever reports a period may run.
TOLERANCE = timedelta(minutes=5)


def assign(
    entity: BillableEntity,
    plan: Plan,
    *,
    source: AssignmentSource,
    now: datetime,
    period_start_at: datetime | None = None,
    period_end_at: datetime | None = None,
    billing_cycle: str = "",
    subscription_status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    next_billing_at: datetime | None = None,
    trial_end_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    actor: str = "",
    reason: str = "",
) -> PlanAssignment:
    """
    Put ``entity`` on ``plan`` now: the assignment before ends, and grants change with it, in one transaction.

    A period that is not given begins now and stays open, or ends with the next boundary where the plan grants by the period.
    What comes after it by itself (see ``course``) is upcoming from then on. The plan that is current already, for the same
    period or none given, stays: only the other terms are noted where they differ. Another plan drops a change that was scheduled.
    ``anchor_at`` is kept from the entity's first assignment on. ``actor`` and ``reason`` are recorded for the audit.

    :raises Invalid: the plan is inactive and not the current one, the period is empty or begins in the future.
    """
    terms = Terms(
        source=source,
        subscription_status=subscription_status,
        period_start_at=period_start_at,
        period_end_at=period_end_at,
        billing_cycle=billing_cycle,
        next_billing_at=next_billing_at,
        trial_end_at=trial_end_at,
        metadata=metadata,
        actor=actor,
        reason=reason,
    )
    return run_in_transaction(lambda: _assign(entity, plan.pk, terms, now=now))


@requires_transaction
def _assign(entity: BillableEntity, plan_id: int, terms: Terms, *, now: datetime) -> PlanAssignment:
    # Two first assignments at once find nothing to lock; the unique key stops the second, and it runs again.
    rows = lock(entity.pk)
    catch_up(rows, now=now)
    current = rows.current
    plan = Plan.objects.get(pk=plan_id)
    if current is not None and current.plan_id == plan.pk and terms.says_no_period:
        return _note_terms(rows, current, terms, now=now)
    require_assignable(plan, current)
    _require_period(terms, now=now)
    stretch = _stretch(plan, terms, current, now=now)
    if current is not None and _already_says(current, terms, stretch):
        return _note_terms(rows, current, terms, now=now)
    then = _then(rows, stretch)
    assignment = enter(rows, stretch, then=then, at=now, now=now, columns=terms.said())
    if assignment is None:
        raise ValueError("nobody is put on nothing")
    note(PLAN_ASSIGNED, assignment, terms, now=now, replaces=current)
    go(rows, then, now=now, balances_at=now)  # a period that is over already has been followed by others
    return rows.current or assignment


def _stretch(plan: Plan, terms: Terms, current: PlanAssignment | None, *, now: datetime) -> Stretch:
    """
    What is asked for, with a period where the plan grants by the period and nobody gave one. Within a period that runs
    another plan begins in its midst: the next boundary stays where it was.
    """
    start, end, anchor = terms.period_start_at or now, terms.period_end_at, None
    if end is None and terms.subscription_status is SubscriptionStatus.TRIALING:
        end = terms.trial_end_at
    if end is not None:
        anchor = anchor_of(*interval_of(plan), start, end)
    elif terms.source is not AssignmentSource.PROVIDER and has_periods(plan):
        is_within = current is not None and terms.period_start_at is None and current.period_end_at is not None
        anchor = (current.billing_anchor_at if is_within and current is not None else None) or start
        end = next_boundary(*interval_of(plan), anchor, start)
    return Stretch(
        plan=plan,
        source=terms.source,
        start=start,
        end=end,
        status=terms.subscription_status,
        billing_anchor_at=anchor,
        next_billing_at=terms.next_billing_at,
        trial_end_at=terms.trial_end_at,
        past_due_since_at=past_due_since(terms.subscription_status, current, now=now),
    )


def _then(rows: Rows, stretch: Stretch) -> Stretch | None:
    """What comes next: a change that somebody scheduled outlives another period of the same plan, else what comes by itself."""
    waiting, current = rows.upcoming, rows.current
    is_same = waiting is not None and current is not None and current.plan_id == stretch.plan.pk
    if is_same and waiting is not None and current is not None and not is_natural(waiting, current):
        return waiting_stretch(waiting)
    return following(stretch)


def _already_says(current: PlanAssignment, terms: Terms, stretch: Stretch) -> bool:
    """Whether the entity is on this plan for this period already; a start that is not given is the one there is."""
    starts_alike = terms.period_start_at in (None, current.period_start_at)
    return starts_alike and (current.plan_id, current.period_end_at) == (stretch.plan.pk, stretch.end)


def _require_period(terms: Terms, *, now: datetime) -> None:
    start = terms.period_start_at or now
    if start > now + TOLERANCE:
        said = "A plan that is assigned now cannot begin in the future."
        raise Invalid(said, field_errors={"period_start_at": [said]})
    if terms.period_end_at is not None and terms.period_end_at <= start:
        said = "The period must end after it begins."
        raise Invalid(said, field_errors={"period_end_at": [said]})


@requires_transaction
def _note_terms(rows: Rows, current: PlanAssignment, terms: Terms, *, now: datetime) -> PlanAssignment:
    """Plan and period stay; what else is said is written where it differs, and what follows from it."""
    changed = {name: value for name, value in terms.said().items() if getattr(current, name) != value}
    if not changed:
        return current
    changed["past_due_since_at"] = past_due_since(terms.subscription_status, current, now=now)
    changed["updated_at"] = now
    for name, value in changed.items():
        setattr(current, name, value)
    current.save(update_fields=list(changed))
    note(PLAN_TERMS_CHANGED, current, terms, now=now, replaces=None)
    if "subscription_status" in changed or "trial_end_at" in changed:
        follow_up(rows, now=now)
    return current
