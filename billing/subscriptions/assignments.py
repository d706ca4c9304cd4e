"""Puts entities on plans: webhook, sync and operator come in by the same function."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from billing.entitlements.grants import grant_entitlements_for_plan_state
from billing.models import BillableEntity, Plan, PlanAssignment
from billing.models.assignments import AssignmentSource, AssignmentStatus, SubscriptionStatus
from billing.subscriptions.scheduling import promote_if_due, touched_definitions
from billing.subscriptions.writing import (
    Terms,
    close,
    note,
    open_assignment,
    open_ones,
    past_due_since,
    require_assignable,
)
from mozaiks.kit.db import requires_transaction, run_in_transaction
from mozaiks.kit.errors import Invalid

#: How far ahead of us the clock of whoever reports a period may run.
TOLERANCE = timedelta(minutes=5)

PLAN_ASSIGNED = "plan.assigned"
PLAN_TERMS_CHANGED = "plan.terms_changed"


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

    A period that is not given begins now and stays open. The plan that is current already, for the same period or
    none given, stays: only the other terms are noted where they differ. Another plan drops a change that was scheduled.
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
    promote_if_due(entity.pk, now=now)
    rows = list(open_ones(entity).select_for_update().order_by("pk"))
    current = next((row for row in rows if row.status == AssignmentStatus.CURRENT), None)
    plan = Plan.objects.get(pk=plan_id)
    if current is not None and _already_says(current, plan, terms):
        return _note_terms(current, terms, now=now)
    require_assignable(plan, current)
    _require_period(terms, now=now)
    dropped: list[int] = []
    for row in rows:
        if row.status == AssignmentStatus.CURRENT:
            close(row, AssignmentStatus.PAST, now=now)
        elif current is None or current.plan_id != plan.pk:
            close(row, AssignmentStatus.CANCELED, now=now)
            dropped += touched_definitions(row, current)
    assignment = open_assignment(entity, plan, terms, current, now=now)
    replaced = [] if current is None else [current.pk]
    grant_entitlements_for_plan_state(assignment, now=now, replaces=replaced, unscheduled=dropped)
    note(PLAN_ASSIGNED, assignment, terms, now=now, replaces=current)
    return assignment


def _already_says(current: PlanAssignment, plan: Plan, terms: Terms) -> bool:
    """Whether the entity is on this plan for this period already."""
    if current.plan_id != plan.pk:
        return False
    if terms.period_start_at is None and terms.period_end_at is None:
        return True
    starts_alike = terms.period_start_at in (None, current.period_start_at)
    return starts_alike and terms.period_end_at == current.period_end_at


def _require_period(terms: Terms, *, now: datetime) -> None:
    start = terms.period_start_at or now
    if start > now + TOLERANCE:
        said = "A plan that is assigned now cannot begin in the future."
        raise Invalid(said, field_errors={"period_start_at": [said]})
    if terms.period_end_at is not None and terms.period_end_at <= start:
        said = "The period must end after it begins."
        raise Invalid(said, field_errors={"period_end_at": [said]})


@requires_transaction
def _note_terms(current: PlanAssignment, terms: Terms, *, now: datetime) -> PlanAssignment:
    """Plan and period stay; what else is said is written where it differs."""
    changed = {name: value for name, value in terms.said().items() if getattr(current, name) != value}
    if not changed:
        return current
    changed["past_due_since_at"] = past_due_since(terms.subscription_status, current, now=now)
    changed["updated_at"] = now
    for name, value in changed.items():
        setattr(current, name, value)
    current.save(update_fields=list(changed))
    note(PLAN_TERMS_CHANGED, current, terms, now=now, replaces=None)
    return current
